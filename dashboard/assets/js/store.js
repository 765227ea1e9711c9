// What the page knows: bounded as the server's board is, and by the same rules.
import { worldX, worldY } from "./projection.js";

const TRAIL = 20;

export function createStore(options) {
  const store = {
    devices: new Map(), // id -> {id, trail: [{t, x, y, lat, lon, speed, altitude}], heard}
    flags: new Map(), // id -> line of the list; the last to change at the end
    cells: [],
    alarms: new Map(), // device -> how many of its flags are open or confirmed
    chosen: null,
    now: Date.now(),
    listeners: [],

    // Returns true where everything is new.
    apply(changes) {
      if (changes.reset) {
        store.devices.clear();
        store.flags.clear();
        store.cells = [];
      }
      if (changes.cells) store.cells = changes.cells;
      for (const [id, rows] of changes.devices ?? []) take(id, rows);
      for (const flag of changes.flagged) {
        flag.isNew = !changes.reset && !store.flags.has(flag.id);
        store.flags.delete(flag.id);
        store.flags.set(flag.id, flag);
      }
      shrink(store.devices, options.mostDevices);
      shrink(store.flags, options.mostFlagged);
      if (changes.flagged.length || changes.reset) countAlarms();
      return changes.reset;
    },

    // What is too old goes. Returns whether anything did.
    forget(now) {
      store.now = now;
      const oldest = now - options.historyMs;
      const before = store.devices.size + store.flags.size;
      for (const [id, device] of store.devices) if (device.heard < oldest) store.devices.delete(id);
      for (const [id, flag] of store.flags) if (flag.heard < oldest - 60_000) store.flags.delete(id);
      const went = before !== store.devices.size + store.flags.size;
      if (went) countAlarms();
      return went;
    },
  };

  function take(id, rows) {
    const device = store.devices.get(id) ?? { id, trail: [], heard: 0 };
    const fixes = rows.map(([t, lat, lon, speed, altitude]) => ({ t, x: worldX(lon), y: worldY(lat), lat, lon, speed, altitude }));
    const inOrder = !fixes.length || !device.trail.length || fixes[0].t > device.trail.at(-1).t;
    device.trail.push(...fixes);
    if (!inOrder) device.trail.sort((a, b) => a.t - b.t);
    if (device.trail.length > TRAIL) device.trail.splice(0, device.trail.length - TRAIL);
    device.heard = store.now;
    store.devices.delete(id);
    store.devices.set(id, device);
    if (id === store.chosen) for (const listener of store.listeners) listener(fixes);
  }

  function countAlarms() {
    store.alarms.clear();
    for (const flag of store.flags.values())
      if (flag.event !== "retracted") store.alarms.set(flag.device, (store.alarms.get(flag.device) ?? 0) + 1);
  }

  return store;
}

function shrink(map, most) {
  for (const key of map.keys()) {
    if (map.size <= most) return;
    map.delete(key);
  }
}
