// A Leaflet layer that is one canvas, drawn anew when the map has come to rest or data changed.
// L is Leaflet (assets/vendor).
export const CanvasLayer = L.Layer.extend({
  options: { pane: "overlayPane", padding: 0.4 },

  onAdd() {
    this._canvas = L.DomUtil.create("canvas", "leaflet-zoom-animated", this.getPane());
    this._canvas.style.pointerEvents = "none";
    this._place();
  },

  onRemove() {
    cancelAnimationFrame(this._frame);
    clearTimeout(this._timer);
    this._frame = this._timer = 0;
    this._canvas.remove();
  },

  getEvents() {
    return { moveend: this._place, viewreset: this._place, resize: this._place, zoomanim: this._zoomAlong };
  },

  // With the next frame; or as soon as the last drawing is so many milliseconds ago.
  redraw(pause = 0) {
    if (this._frame || !this._map) return;
    const wait = (this._drawnAt ?? 0) + pause - performance.now();
    if (wait > 0) {
      this._timer ||= setTimeout(() => {
        this._timer = 0;
        this.redraw();
      }, wait);
      return;
    }
    this._frame = requestAnimationFrame(() => {
      this._frame = 0;
      if (this._map) this._drawAll();
    });
  },

  // To be given by layers: draws with a view {context, scale, x, y, width, height}, where a point of the world
  // at zoom 0 lies at (worldX * scale - x, worldY * scale - y).
  draw() {},

  _place() {
    const map = this._map, size = map.getSize(), padding = size.multiplyBy(this.options.padding).round();
    this._size = size.add(padding.multiplyBy(2));
    this._at = map.containerPointToLayerPoint(padding.multiplyBy(-1)).round();
    this._center = map.getCenter();
    this._zoom = map.getZoom();
    const ratio = window.devicePixelRatio || 1;
    this._canvas.width = this._size.x * ratio;
    this._canvas.height = this._size.y * ratio;
    this._canvas.style.width = `${this._size.x}px`;
    this._canvas.style.height = `${this._size.y}px`;
    L.DomUtil.setPosition(this._canvas, this._at);
    this._drawAll();
  },

  _drawAll() {
    this._drawnAt = performance.now();
    const ratio = window.devicePixelRatio || 1, context = this._canvas.getContext("2d");
    const origin = this._map.getPixelOrigin().add(this._at);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this._size.x, this._size.y);
    this.draw({ context, scale: 2 ** this._zoom, x: origin.x, y: origin.y, width: this._size.x, height: this._size.y });
  },

  _zoomAlong({ center, zoom }) {
    const map = this._map, scale = map.getZoomScale(zoom, this._zoom);
    const half = map.getSize().multiplyBy(0.5 + this.options.padding);
    const offset = half.multiplyBy(-scale).add(map.project(this._center, zoom)).subtract(map._getNewPixelOrigin(center, zoom));
    L.DomUtil.setTransform(this._canvas, offset, scale);
  },
});

// One that draws what the store knows, and the flagged transactions of the list.
export const BoardLayer = CanvasLayer.extend({
  initialize(store, options) {
    L.setOptions(this, options);
    this._store = store;
    this._flags = [];
  },

  showFlags(flags) {
    this._flags = flags;
    this.renew();
  },

  // As new data comes in.
  renew() {
    this.redraw();
  },
});

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
