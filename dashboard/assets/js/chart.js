// Speed and altitude of the chosen device over time (the paper's Figure 8), by Dash's Graph.
import { colour } from "./canvas_layer.js";
import { element, short } from "./words.js";

const MOST = 300;
const EVERY_MS = 500;
const GRAPH = { namespace: "dash_core_components", type: "Graph" };
const CONFIG = { displayModeBar: false, responsive: true };

export function createChart(store) {
  const chooser = document.getElementById("device");
  const title = document.getElementById("chart-device");
  const empty = document.getElementById("chart-empty");
  let fixes = [], drawnAt = 0, offered = "", isStale = false, isPlaced = false;

  store.listeners.push((more) => {
    const last = fixes.at(-1)?.t ?? 0;
    fixes.push(...more);
    if (more.some((fix) => fix.t <= last)) tidy();
    fixes.splice(0, fixes.length - MOST);
    isStale = true;
  });

  function tidy() {
    fixes = [...new Map(fixes.map((fix) => [fix.t, fix])).values()].sort((a, b) => a.t - b.t);
  }

  async function choose(device) {
    store.chosen = device;
    offerDevices();
    chooser.value = device ?? "";
    const answer = device && (await fetch(`track?device=${encodeURIComponent(device)}`).catch(() => null));
    if (store.chosen !== device) return;
    fixes = answer?.ok ? (await answer.json()).fixes.map(([t, lat, lon, speed, altitude]) => ({ t, lat, lon, speed, altitude })) : [];
    title.textContent = device ? `device ${device}` : "";
    render(true);
  }

  // Somebody who has not chosen yet sees one that has just been flagged, or just moved.
  function offerDevices() {
    if (!store.chosen && store.devices.size) {
      const flagged = [...store.flags.values()].reverse().find((flag) => store.devices.has(flag.device));
      return choose(flagged?.device ?? [...store.devices.keys()].at(-1));
    }
    if (document.activeElement === chooser) return; // an open list stays as it is
    const ids = [...store.devices.keys()].sort();
    const key = ids.length + ids.join();
    if (key === offered) return;
    offered = key;
    chooser.replaceChildren(...ids.map((id) => element("option", { value: id }, short(id))));
    chooser.value = store.chosen ?? "";
  }

  function render(now = false) {
    if (!now && (!isStale || performance.now() - drawnAt < EVERY_MS)) return;
    drawnAt = performance.now();
    isStale = false;
    empty.hidden = fixes.length > 0;
    if (!isPlaced) {
      isPlaced = true;
      requestIdleCallback(place, { timeout: 3000 });
    } else if (document.getElementById("chart")) window.dash_clientside.set_props("chart", { figure: figure() });
    else isStale = true; // it is on its way
  }

  // Plotly is larger than all else together: what it draws comes when the rest is there.
  function place() {
    const props = { id: "chart", className: "chart", config: CONFIG, figure: figure() };
    window.dash_clientside.set_props("chart-slot", { children: { ...GRAPH, props } });
  }

  function figure() {
    const x = fixes.map((fix) => local(fix.t));
    const line = (name, axis, shade) => ({ type: "scatter", mode: "lines+markers", x, y: fixes.map((fix) => fix[name]), yaxis: axis, line: { color: shade, width: 2, shape: "linear" }, marker: { size: 3.5, color: shade }, connectgaps: false, name, hovertemplate: name === "speed" ? "%{y:.1f} m/s<extra></extra>" : "%{y:.0f} m<extra></extra>" });
    const grid = { gridcolor: colour("line"), zeroline: false, tickfont: { color: colour("dim"), size: 11 }, linecolor: colour("line"), fixedrange: false };
    const named = (text) => ({ text, font: { size: 12, color: colour("dim") }, standoff: 8 });
    return {
      data: [line("speed", "y", colour("accent")), line("altitude", "y2", colour("good"))],
      layout: {
        uirevision: store.chosen,
        margin: { l: 58, r: 16, t: 4, b: 30 },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { family: "Inter, sans-serif", color: colour("ink") },
        showlegend: false,
        hovermode: "x",
        hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink") } },
        xaxis: { ...grid, type: "date", anchor: "y2" },
        yaxis: { ...grid, domain: [0.56, 1], rangemode: "tozero", title: named("Speed, m/s"), nticks: 4 },
        yaxis2: { ...grid, domain: [0, 0.44], title: named("Altitude, m"), nticks: 4 },
      },
    };
  }

  chooser.addEventListener("change", () => choose(chooser.value));
  return { choose, render, offerDevices, reload: () => store.chosen && choose(store.chosen) };
}

// Plotly shows times as they are written.
function local(ms) {
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, -1);
}
