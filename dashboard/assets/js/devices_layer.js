// All devices on one canvas: a thousand cost as much as one image.
import { BoardLayer, colour } from "./canvas_layer.js";

const REACH_PX = 14;
const TURN = Math.PI * 2;
const RIM_PX = 1.25;
const MANY = 300; // devices: then trails are short and plain, and all are drawn anew once a second
const SHORT_TRAIL = 6;
const PAUSE_MS = 1000;
const TRAIL_PARTS = [0.12, 0.26, 0.5]; // how strong a trail is, from its older third to its newest

// What is faster than any airliner is an error of the receiver, and no path.
const FASTEST_MPS = 340;
const EQUATOR_M = 40_075_017;

function isTravel(from, to) {
  const metres = (Math.hypot(to.x - from.x, to.y - from.y) / 256) * EQUATOR_M * Math.cos((to.lat * Math.PI) / 180);
  return metres <= (FASTEST_MPS * Math.abs(to.t - from.t)) / 1000 + 500;
}

// A path along some of a trail's fixes, interrupted where nobody travelled.
function trace(context, { scale, x, y }, trail, first, last) {
  let isAt = false;
  for (let n = Math.max(first, 1); n < last; n += 1) {
    const from = trail[n - 1], to = trail[n];
    if (!isAt) context.moveTo(from.x * scale - x, from.y * scale - y);
    isAt = isTravel(from, to);
    if (isAt) context.lineTo(to.x * scale - x, to.y * scale - y);
  }
}

// A dot as an image, made once for each look: copying it is less work than an arc with a rim.
const dots = new Map();
function dotOf(fill, rim, radius) {
  const ratio = window.devicePixelRatio || 1, key = `${fill} ${rim} ${radius} ${ratio}`;
  if (!dots.has(key)) {
    const image = document.createElement("canvas"), half = radius + RIM_PX;
    image.width = image.height = Math.ceil(2 * half * ratio);
    const context = image.getContext("2d");
    context.scale(image.width / (2 * half), image.height / (2 * half));
    context.arc(half, half, radius, 0, TURN);
    context.fillStyle = fill;
    context.strokeStyle = rim;
    context.lineWidth = 2 * RIM_PX;
    context.stroke();
    context.fill();
    dots.set(key, image);
  }
  return dots.get(key);
}

export const DevicesLayer = BoardLayer.extend({
  // As new data comes in: what is drawn without a graphics card must leave time for the rest of the page.
  renew() {
    this.redraw(this._store.devices.size > MANY ? PAUSE_MS : 0);
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
    if (devices.length > MANY) return this._drawPlainTrails(context, { scale, x, y }, devices, paint);
    context.lineWidth = 1.6;
    context.lineJoin = context.lineCap = "round";
    TRAIL_PARTS.forEach((strength, part) => {
      context.beginPath();
      for (const { trail } of devices) {
        trace(context, { scale, x, y }, trail, Math.floor((trail.length * part) / 3), Math.floor((trail.length * (part + 1)) / 3));
      }
      context.globalAlpha = strength;
      context.strokeStyle = paint.calm;
      context.stroke();
    });
    context.globalAlpha = 1;
  },

  _drawPlainTrails(context, view, devices, paint) {
    context.lineWidth = 1;
    context.lineJoin = "bevel";
    context.lineCap = "butt";
    context.globalAlpha = 0.4;
    context.strokeStyle = paint.calm;
    context.beginPath();
    for (const { trail } of devices) trace(context, view, trail, trail.length - SHORT_TRAIL, trail.length);
    context.stroke();
    context.globalAlpha = 1;
  },

  _drawDots(context, { scale, x, y, width, height }, devices, fill, rim, radius) {
    const dot = dotOf(fill, rim, radius), half = radius + RIM_PX;
    for (const { trail } of devices) {
      const px = trail.at(-1).x * scale - x, py = trail.at(-1).y * scale - y;
      if (px < -9 || py < -9 || px > width + 9 || py > height + 9) continue;
      context.drawImage(dot, px - half, py - half, 2 * half, 2 * half);
    }
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
