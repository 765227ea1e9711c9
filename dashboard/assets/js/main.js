// The page: waits for Dash's layout, and puts the parts together.
import { createChart } from "./chart.js";
import { createEvidence } from "./evidence.js";
import { createFigures } from "./figures.js";
import { createList } from "./list.js";
import { createMap } from "./map.js";
import { createStore } from "./store.js";
import { openStream } from "./stream.js";

const page = await laidOut("page");
const options = {
  role: page.dataset.role,
  historyMs: page.dataset.history * 1000,
  mostDevices: Number(page.dataset.devices),
  mostFlagged: Number(page.dataset.flagged),
  tiles: page.dataset.tiles,
  attribution: page.dataset.attribution,
};
const store = createStore(options);
const chart = options.role === "desk" ? createChart(store) : null;
const map = createMap(store, options, { onDevice: chooseDevice, onFlag: openEvidence });
const evidence = createEvidence(map, { onClose: () => list.closed(), onDevice: chooseDevice });
const list = createList(store, { onOpen: openEvidence, onFilter: (shown) => map.showFlags(shown) });
const figures = createFigures();

// However fast events come, at most one drawing a frame; none while nobody looks.
let due = false;
const changed = { places: false, flags: false };
const draw = () => {
  due = false;
  if (changed.flags) {
    list.render();
    chart?.offerDevices();
  }
  if (changed.places || changed.flags) map.render();
  if (changed.places) chart?.render();
  changed.places = changed.flags = false;
};
const soon = () => {
  if (!due) {
    due = true;
    requestAnimationFrame(draw);
  }
};

openStream({
  onChanges(changes) {
    if (store.apply(changes)) {
      map.showAll();
      chart?.reload();
      openLinked();
    }
    changed.places ||= "devices" in changes || "cells" in changes;
    changed.flags ||= changes.flagged.length > 0 || changes.reset;
    soon();
  },
  onStatus(status) {
    if (store.forget(status.now)) changed.flags = changed.places = true;
    figures.render(status);
    list.age(status.now);
    chart?.offerDevices();
    soon();
  },
});

function chooseDevice(device) {
  store.chosen = device;
  chart?.choose(device);
  map.render(true);
}

async function openEvidence(id) {
  list.opened(id);
  const flag = store.flags.get(id);
  const device = await evidence.open(id, flag);
  if (device && options.role === "desk" && store.devices.has(device)) chooseDevice(device);
}

// A message to the fraud desk links to a transaction: the page's address, #t= and its id.
let linked = "";
function openLinked() {
  if (!location.hash.startsWith("#t=")) return;
  if (location.hash === linked) return;
  linked = location.hash;
  let name = linked.slice("#t=".length);
  try {
    name = decodeURIComponent(name);
  } catch {
    // no code of a character: taken as it is
  }
  const flag = [...store.flags.values()].find((each) => each.transaction === name);
  openEvidence(flag?.id ?? name);
}
window.addEventListener("hashchange", () => {
  linked = "";
  openLinked();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") evidence.close();
});

const themeButton = document.getElementById("theme");
const nameTheme = () => {
  const dark = document.documentElement.dataset.theme === "dark";
  themeButton.textContent = dark ? "Light" : "Dark";
  themeButton.setAttribute("aria-label", dark ? "Use the light theme" : "Use the dark theme");
};
themeButton.addEventListener("click", () => window.switchTheme());
document.addEventListener("theme", () => {
  nameTheme();
  map.restyle();
  chart?.render(true);
});
nameTheme();

function laidOut(id) {
  return new Promise((resolve) => {
    const look = () => document.getElementById(id);
    if (look()) return resolve(look());
    const observer = new MutationObserver(() => {
      if (!look()) return;
      observer.disconnect();
      resolve(look());
    });
    observer.observe(document.body, { childList: true, subtree: true });
  });
}
