// The map: Leaflet, our own Earth under it or tiles, devices and the evidence on it.
import { colour } from "./canvas_layer.js";
import { CellsLayer } from "./cells_layer.js";
import { DevicesLayer } from "./devices_layer.js";
import { EarthLayer, readLand } from "./earth.js";
import { worldX, worldY } from "./projection.js";
import { inClock, inSpeed, short } from "./words.js";

const SIMPLE_MOTION = matchMedia("(prefers-reduced-motion: reduce)");

export function createMap(store, options, { onDevice, onFlag }) {
  const empty = document.getElementById("map-empty");
  const map = L.map("map", { center: [25, 0], zoom: 2, minZoom: 1, maxZoom: 19, worldCopyJump: true, zoomAnimation: !SIMPLE_MOTION.matches, fadeAnimation: false, zoomControl: false, zoomSnap: 0.5 });
  L.control.zoom({ position: "topright" }).addTo(map);
  map.attributionControl.setPrefix(false);
  L.control.scale({ maxWidth: 140, imperial: false }).addTo(map);
  for (const [pane, level] of [["earth", 150], ["evidence", 420], ["devices", 430]]) map.createPane(pane).style.zIndex = level;
  const earth = new EarthLayer({ pane: "earth" }, Boolean(options.tiles)).addTo(map);
  if (options.tiles) L.tileLayer(options.tiles, { attribution: options.attribution, maxZoom: 19 }).addTo(map);
  else {
    map.attributionControl.addAttribution("Natural Earth");
    requestIdleCallback(async () => earth.setLand(await readLand()), { timeout: 1500 });
  }
  const Devices = options.role === "desk" ? DevicesLayer : CellsLayer;
  const devices = new Devices(store, { pane: "devices", padding: 0.15 }).addTo(map);
  const drawn = L.layerGroup().addTo(map);
  let evidence = null, hasView = false;

  const tooltip = L.tooltip({ direction: "top", offset: [0, -10], opacity: 1 });
  map.on("mousemove", ({ containerPoint }) => {
    const found = devices.at(containerPoint);
    map.getContainer().style.cursor = found ? "pointer" : "";
    if (!found) return map.closeTooltip(tooltip);
    const [place, text] = found.device ? toldOfDevice(found.device) : toldOfFlag(found.flag);
    tooltip.setLatLng(place).setContent(spanOf(text));
    map.openTooltip(tooltip);
  });
  map.on("mouseout", () => map.closeTooltip(tooltip));
  map.on("click", ({ containerPoint }) => {
    const found = devices.at(containerPoint);
    if (found?.device) onDevice(found.device.id);
    else if (found) onFlag(found.flag.id);
  });
  document.getElementById("fit").addEventListener("click", showAll);
  new ResizeObserver(() => map.invalidateSize({ pan: false })).observe(map.getContainer());

  function places() {
    if (options.role !== "desk") return store.cells.flatMap(([south, west, north, east]) => [[south, west], [north, east]]);
    return [...store.devices.values()].filter((each) => each.trail.length).map(({ trail }) => [trail.at(-1).lat, trail.at(-1).lon]);
  }

  // Where most devices are: a few that are far away do not make the others one dot.
  function showAll() {
    const all = places();
    empty.hidden = all.length > 0;
    if (!all.length) return;
    hasView = true;
    map.fitBounds(middle(all), { padding: [30, 30], maxZoom: 15, animate: false });
  }

  function drawEvidence({ fit }) {
    drawn.clearLayers();
    if (!evidence) return;
    const layers = options.role === "desk" ? exactLayers(evidence) : [cellLayer(evidence.cell)];
    for (const layer of layers) drawn.addLayer(layer);
    if (!fit) return;
    const bounds = L.latLngBounds([]);
    for (const layer of layers) if (!layer.options.isBeside) bounds.extend(layer.getBounds?.() ?? layer.getLatLng());
    if (bounds.isValid()) map.fitBounds(bounds, { padding: [40, 40], maxZoom: options.role === "desk" ? 16 : 11, animate: !SIMPLE_MOTION.matches });
  }

  return {
    showAll,
    // Data came in; or, `now`, somebody chose.
    render(now = false) {
      empty.hidden = places().length > 0;
      if (!hasView) showAll();
      if (now) devices.redraw();
      else devices.renew();
    },
    showFlags(flags) {
      for (const flag of flags) if (flag.place && !flag.world) flag.world = { x: worldX(flag.place[1]), y: worldY(flag.place[0]) };
      devices.showFlags(flags);
    },
    showEvidence(shown) {
      evidence = shown;
      map.getPane("devices").style.opacity = 0.4;
      drawEvidence({ fit: true });
    },
    hideEvidence() {
      evidence = null;
      map.getPane("devices").style.opacity = 1;
      drawEvidence({ fit: false });
    },
    restyle() {
      earth.redraw();
      devices.redraw();
      drawEvidence({ fit: false });
    },
  };
}

function exactLayers({ circle, reach, path, fixes, place }) {
  const pane = "evidence", layers = [];
  if (circle) layers.push(L.polygon(circle, { pane, color: colour("good"), weight: 2, fillColor: colour("good"), fillOpacity: 0.12, dashArray: "6 5" }).bindTooltip(spanOf(reach), { sticky: true }));
  if (path.length) layers.push(L.polyline(path.map(([, lat, lon]) => [lat, lon]), { pane, color: colour("accent"), weight: 3, opacity: 0.75, isBeside: true }));
  const decisive = fixes.find((each) => each.role === "decisive");
  if (decisive) layers.push(L.polyline([decisive.place, place], { pane, color: colour("alarm"), weight: 2, dashArray: "2 7" }));
  for (const fix of fixes)
    layers.push(
      L.circleMarker(fix.place, {
        pane,
        radius: fix.role === "decisive" ? 8 : 5,
        color: colour("card"),
        weight: 2,
        fillColor: colour(fix.role === "refused" ? "warn" : "accent"),
        fillOpacity: 1,
        isBeside: fix.role === "refused",
      }).bindTooltip(spanOf(`${fix.told} · ${inClock(fix.time)}`)),
    );
  layers.push(L.circleMarker(place, { pane, radius: 10, color: colour("alarm"), weight: 3, fillColor: colour("card"), fillOpacity: 1 }).bindTooltip(spanOf("the transaction")));
  layers.push(L.circleMarker(place, { pane, radius: 4, stroke: false, fillColor: colour("alarm"), fillOpacity: 1, interactive: false }));
  return layers;
}

const cellLayer = ([south, west, north, east]) =>
  L.rectangle([[south, west], [north, east]], { pane: "evidence", color: colour("alarm"), weight: 3, fillOpacity: 0.1 });

function middle(all) {
  const cut = all.length >= 20 ? 0.05 : 0;
  const between = (axis) => {
    const sorted = all.map((place) => place[axis]).sort((a, b) => a - b);
    return [sorted[Math.floor(cut * (sorted.length - 1))], sorted[Math.ceil((1 - cut) * (sorted.length - 1))]];
  };
  const [south, north] = between(0), [west, east] = between(1);
  return [[south, west], [north, east]];
}

function toldOfDevice({ id, trail }) {
  const { lat, lon, speed, t } = trail.at(-1);
  return [[lat, lon], [short(id), speed === null ? null : inSpeed(speed), inClock(t)].filter(Boolean).join(" · ")];
}

const toldOfFlag = (flag) => [flag.place, [flag.event, flag.amount, flag.merchant].filter(Boolean).join(" · ")];

// Leaflet reads text as HTML, and an element as it is.
function spanOf(text) {
  const span = document.createElement("span");
  span.textContent = text;
  return span;
}
