// All devices on one canvas: a thousand cost as much as one image.
import { CanvasLayer, colour } from "./canvas_layer.js";

const REACH_PX = 14;
const TURN = Math.PI * 2;
const MANY = 300; // devices: then trails are short, and the map still moves
const SHORT_TRAIL = 6;
const TRAIL_PARTS = [0.12, 0.26, 0.5]; // how strong a trail is, from its older third to its newest

// What is faster than any airliner is an error of the receiver, and no path.
const FASTEST_MPS = 340;
const EQUATOR_M = 40_075_017;

function isTravel(from, to) {
  const metres = (Math.hypot(to.x - from.x, to.y - from.y) / 256) * EQUATOR_M * Math.cos((to.lat * Math.PI) / 180);
  return metres <= (FASTEST_MPS * Math.abs(to.t - from.t)) / 1000 + 500;
}

export const DevicesLayer = CanvasLayer.extend({
  initialize(store, options) {
    L.setOptions(this, options);
    this._store = store;
    this._flags = [];
  },

  showFlags(flags) {
    this._flags = flags;
    this.redraw();
  },

  draw(view) {
    const { context } = view;
    const devices = [...this._store.devices.values()].filter((device) => device.trail.length);
    const paint = { calm: colour("accent"), alarm: colour("alarm"), rim: colour("card"), ink: colour("ink") };
    this._view = view;
    this._drawTrails(context, view, devices, paint);
    this._drawShops(context, view, paint);
    const isAlarmed = (device) => this._store.alarms.has(device.id);
    this._drawDots(context, view, devices.filter((each) => !isAlarmed(each)), paint.calm, paint.rim, 3.5);
    this._drawDots(context, view, devices.filter(isAlarmed), paint.alarm, paint.rim, 5);
    const chosen = this._store.devices.get(this._store.chosen);
    if (chosen?.trail.length) this._drawChosen(context, view, chosen, paint);
  },

  // The device or flagged transaction at a point of the container: {device} or {flag}.
  at(point) {
    const view = this._view;
    if (!view) return null;
    const at = this._map.containerPointToLayerPoint(point).subtract(this._at);
    let best = null, least = REACH_PX ** 2;
    const consider = (world, found) => {
      const away = (world.x * view.scale - view.x - at.x) ** 2 + (world.y * view.scale - view.y - at.y) ** 2;
      if (away < least) [best, least] = [found, away];
    };
    for (const device of this._store.devices.values()) if (device.trail.length) consider(device.trail.at(-1), { device });
    for (const flag of this._flags) if (flag.world) consider(flag.world, { flag });
    return best;
  },

  _drawTrails(context, { scale, x, y }, devices, paint) {
    context.lineWidth = 1.6;
    context.lineJoin = context.lineCap = "round";
    const kept = devices.length > MANY ? SHORT_TRAIL : Infinity;
    TRAIL_PARTS.forEach((strength, part) => {
      context.beginPath();
      for (const { trail } of devices) {
        const first = Math.max(Math.floor((trail.length * part) / 3), trail.length - kept), last = Math.floor((trail.length * (part + 1)) / 3);
        let isAt = false;
        for (let n = Math.max(first, 1); n < last; n += 1) {
          const from = trail[n - 1], to = trail[n];
          if (!isAt) context.moveTo(from.x * scale - x, from.y * scale - y);
          isAt = isTravel(from, to);
          if (isAt) context.lineTo(to.x * scale - x, to.y * scale - y);
        }
      }
      context.globalAlpha = strength;
      context.strokeStyle = paint.calm;
      context.stroke();
    });
    context.globalAlpha = 1;
  },

  _drawDots(context, { scale, x, y, width, height }, devices, fill, rim, radius) {
    context.beginPath();
    for (const { trail } of devices) {
      const px = trail.at(-1).x * scale - x, py = trail.at(-1).y * scale - y;
      if (px < -9 || py < -9 || px > width + 9 || py > height + 9) continue;
      context.moveTo(px + radius, py);
      context.arc(px, py, radius, 0, TURN);
    }
    context.fillStyle = fill;
    context.strokeStyle = rim;
    context.lineWidth = 2.5;
    context.stroke();
    context.fill();
  },

  _drawShops(context, { scale, x, y }, paint) {
    context.beginPath();
    for (const flag of this._flags) {
      if (!flag.world) continue;
      const px = flag.world.x * scale - x, py = flag.world.y * scale - y;
      context.moveTo(px, py - 5.5);
      context.lineTo(px + 5.5, py);
      context.lineTo(px, py + 5.5);
      context.lineTo(px - 5.5, py);
      context.closePath();
    }
    context.fillStyle = paint.rim;
    context.strokeStyle = paint.alarm;
    context.lineWidth = 1.8;
    context.fill();
    context.stroke();
  },

  _drawChosen(context, { scale, x, y }, { trail }, paint) {
    context.beginPath();
    trail.forEach((fix, n) => context[n && isTravel(trail[n - 1], fix) ? "lineTo" : "moveTo"](fix.x * scale - x, fix.y * scale - y));
    context.lineWidth = 3;
    context.strokeStyle = paint.calm;
    context.stroke();
    const { x: worldX, y: worldY } = trail.at(-1);
    context.beginPath();
    context.arc(worldX * scale - x, worldY * scale - y, 10, 0, TURN);
    context.lineWidth = 2;
    context.strokeStyle = paint.ink;
    context.stroke();
  },
});
