// Land, borders and a graticule. Natural Earth at 1:10,000,000 (public domain, by way of world-atlas).
import { CanvasLayer, colour } from "./canvas_layer.js";
import { worldX, worldY } from "./projection.js";

const URL_OF_LAND = new URL("../vendor/countries-10m.json.gz", import.meta.url);
const WORLD = 256;
const STEPS_DEG = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
const LEAST_STEP_PX = 110;

export async function readLand() {
  return unpacked(await (await fetch(URL_OF_LAND)).json()); // it is served as gzipped JSON
}

// TopoJSON's arcs, as flat [x, y, x, y, …] on the world, with their boxes.
function unpacked({ arcs, transform, objects }) {
  const [scaleX, scaleY] = transform.scale, [moveX, moveY] = transform.translate;
  const lines = arcs.map((arc) => {
    const line = new Float64Array(arc.length * 2);
    let x = 0, y = 0;
    arc.forEach(([stepX, stepY], n) => {
      x += stepX;
      y += stepY;
      line[2 * n] = worldX(x * scaleX + moveX);
      line[2 * n + 1] = worldY(y * scaleY + moveY);
    });
    return line;
  });
  const uses = new Uint8Array(arcs.length);
  for (const country of objects.countries.geometries)
    for (const n of (country.arcs ?? []).flat(3)) uses[n < 0 ? ~n : n] += 1;
  const rings = objects.land.geometries.flatMap((each) => (each.type === "Polygon" ? [each.arcs] : each.arcs)).flat();
  return {
    rings: rings.map((ring) => boxed(joined(ring, lines))),
    borders: lines.filter((_, n) => uses[n] > 1).map(boxed),
  };
}

function joined(ring, lines) {
  const points = [];
  for (const n of ring) {
    const line = lines[n < 0 ? ~n : n];
    for (let i = 0; i < line.length; i += 2) {
      const at = n < 0 ? line.length - 2 - i : i;
      points.push(line[at], line[at + 1]);
    }
  }
  return Float64Array.from(points);
}

function boxed(points) {
  let west = Infinity, east = -Infinity, north = Infinity, south = -Infinity;
  for (let i = 0; i < points.length; i += 2) {
    west = Math.min(west, points[i]);
    east = Math.max(east, points[i]);
    north = Math.min(north, points[i + 1]);
    south = Math.max(south, points[i + 1]);
  }
  return { points, west, east, north, south };
}

export const EarthLayer = CanvasLayer.extend({
  initialize(options, hasTiles) {
    L.setOptions(this, options);
    this._hasTiles = hasTiles;
  },

  setLand(land) {
    this._land = land;
    this.redraw();
  },

  draw(view) {
    if (this._land && !this._hasTiles) this._drawLand(view);
    this._drawGraticule(view);
  },

  _drawLand(view) {
    const { context } = view;
    context.beginPath();
    this._eachCopy(view, this._land.rings, (points, shifted) => trace(context, points, shifted, true));
    context.fillStyle = colour("land");
    context.fill("evenodd");
    context.strokeStyle = colour("border");
    context.lineWidth = 1;
    context.stroke();
    context.beginPath();
    this._eachCopy(view, this._land.borders, (points, shifted) => trace(context, points, shifted, false));
    context.setLineDash([4, 3]);
    context.stroke();
    context.setLineDash([]);
  },

  // The world repeats itself to the east and west.
  _eachCopy(view, shapes, draw) {
    const { scale, x, y, width, height } = view;
    const first = Math.floor(x / (WORLD * scale)), last = Math.floor((x + width) / (WORLD * scale));
    for (let copy = first; copy <= last; copy += 1) {
      const shifted = { ...view, x: x - copy * WORLD * scale };
      for (const { points, west, east, north, south } of shapes)
        if (east * scale >= shifted.x && west * scale <= shifted.x + width && south * scale >= y && north * scale <= y + height) draw(points, shifted);
    }
  },

  _drawGraticule({ context, scale, x, y, width, height }) {
    const degree = (WORLD / 360) * scale;
    const step = STEPS_DEG.findLast((each) => each * degree >= LEAST_STEP_PX) ?? STEPS_DEG[0];
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const pad = width * (this.options.padding / (1 + 2 * this.options.padding));
    const padY = height * (this.options.padding / (1 + 2 * this.options.padding));
    context.beginPath();
    const labels = [];
    for (let n = Math.ceil((x / degree - 180) / step); ; n += 1) {
      const at = Math.round((n * step + 180) * degree - x) + 0.5;
      if (at > width) break;
      context.moveTo(at, 0);
      context.lineTo(at, height);
      const longitude = ((((n * step + 180) % 360) + 360) % 360) - 180;
      labels.push([`${Math.abs(longitude).toFixed(digits)}° ${longitude < 0 ? "W" : "E"}`, at + 4, padY + 14]);
    }
    for (let n = Math.floor(latitudeAt(y / scale) / step); n * step > -85; n -= 1) {
      const at = Math.round(worldY(n * step) * scale - y) + 0.5;
      if (at > height) break;
      context.moveTo(0, at);
      context.lineTo(width, at);
      labels.push([`${Math.abs(n * step).toFixed(digits)}° ${n < 0 ? "S" : "N"}`, pad + 6, at - 4]);
    }
    context.strokeStyle = colour("graticule");
    context.globalAlpha = 0.28;
    context.lineWidth = 1;
    context.stroke();
    context.globalAlpha = 0.9;
    context.fillStyle = colour("map-ink");
    context.font = "10.5px Inter, sans-serif";
    for (const [text, left, top] of labels) context.fillText(text, left, top);
    context.globalAlpha = 1;
  },
});

const latitudeAt = (world) => (Math.atan(Math.sinh(Math.PI * (1 - (2 * world) / WORLD))) * 180) / Math.PI;

// Leaves out what is too near to be seen apart, and of what lies beyond one edge all but its ends: what is seen
// stays the same, and a continent costs as much as its part in the view.
function trace(context, points, { scale, x, y, width, height }, closed) {
  let lastX = 0, lastY = 0, lastSide = 0, skipped = false;
  for (let i = 0; i < points.length; i += 2) {
    const px = points[i] * scale - x, py = points[i + 1] * scale - y;
    const side = (px < 0 ? 1 : px > width ? 2 : 0) | (py < 0 ? 4 : py > height ? 8 : 0);
    if (i === 0) context.moveTo(px, py);
    else if (side & lastSide || Math.abs(px - lastX) + Math.abs(py - lastY) < 1) {
      skipped = [px, py, side];
      if (side & lastSide) lastSide &= side;
      continue;
    } else {
      if (skipped) context.lineTo(skipped[0], skipped[1]);
      context.lineTo(px, py);
    }
    skipped = false;
    lastX = px;
    lastY = py;
    lastSide = side;
  }
  if (skipped) context.lineTo(skipped[0], skipped[1]);
  if (closed) context.closePath();
}
