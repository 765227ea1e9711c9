// For analysts: how many devices are in each cell, the fuller the stronger.
import { BoardLayer, colour } from "./canvas_layer.js";
import { worldX, worldY } from "./projection.js";

export const CellsLayer = BoardLayer.extend({
  at() {
    return null;
  },

  draw({ context, scale, x, y }) {
    const most = Math.max(1, ...this._store.cells.map((cell) => cell[4]));
    const box = ([south, west, north, east]) => {
      const left = worldX(west) * scale - x, top = worldY(north) * scale - y;
      return [left, top, worldX(east) * scale - x - left, worldY(south) * scale - y - top];
    };
    context.font = "600 12px Inter, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const cell of this._store.cells) {
      const [left, top, width, height] = box(cell);
      context.globalAlpha = 0.12 + 0.45 * (cell[4] / most);
      context.fillStyle = colour("accent");
      context.fillRect(left, top, width, height);
      context.globalAlpha = 1;
      context.fillStyle = colour("ink");
      if (width > 22) context.fillText(String(cell[4]), left + width / 2, top + height / 2);
    }
    context.strokeStyle = colour("alarm");
    context.lineWidth = 2;
    for (const flag of this._flags)
      if (flag.cell && flag.event !== "retracted") {
        const [left, top, width, height] = box(flag.cell);
        context.strokeRect(left + 1, top + 1, width - 2, height - 2);
      }
    context.textAlign = "start";
    context.textBaseline = "alphabetic";
  },
});
