// The tiles of one layer in its own Leaflet pane. Tiles of classes and values hold one index per
// pixel, coloured here by a table, so that classes can be hidden and values be read.

const NODATA = 255;

const TileLayer = L.GridLayer.extend({
  // `spec` is a layer of the data of the page, `finest` the zoom of its finest level, and `density`
  // the number of image pixels per CSS pixel.
  initialize(spec, tileSize, finest, density) {
    Object.assign(this, spec, { pixels: tileSize, finest, isIndexed: spec.kind !== "colors" });
    this.canvases = new Map();
    this.colors = null; // 256 pixels as little-endian RGBA
    const { width, height } = spec.levels[0], unit = density * 2 ** finest;
    L.setOptions(this, {
      pane: spec.id,
      tileSize: tileSize / density,
      minNativeZoom: finest - spec.levels.length + 1,
      maxNativeZoom: finest,
      minZoom: -99,
      bounds: [[-height / unit, 0], [0, width / unit]],
    });
    this.on("tileunload", ({ coords }) => this.canvases.delete(this.key(coords)));
  },

  key({ x, y, z }) { return `${z}/${y}/${x}`; },

  source({ x, y, z }) { return this.levels[this.finest - z].tiles[y]?.[x]; },

  createTile(coords, done) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = this.pixels;
    this.canvases.set(this.key(coords), canvas);
    this.load(canvas, this.source(coords)).then(() => done(null, canvas), (error) => done(error, canvas));
    return canvas;
  },

  async load(canvas, base64) {
    if (!base64) return;
    const image = new Image();
    image.src = `data:${this.mime};base64,${base64}`;
    await image.decode();
    const context = canvas.getContext("2d", { willReadFrequently: this.isIndexed });
    context.drawImage(image, 0, 0);
    if (!this.isIndexed) return;
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    canvas.indices = Uint8Array.from({ length: data.length / 4 }, (_, i) => (data[4 * i + 3] ? data[4 * i] : NODATA));
    this.paint(canvas);
  },

  setColors(colors) {
    this.colors = colors;
    for (const canvas of this.canvases.values()) this.paint(canvas);
  },

  paint(canvas) {
    if (!canvas.indices) return;
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < pixels.length; i++) pixels[i] = this.colors[canvas.indices[i]];
    context.putImageData(image, 0, 0);
  },

  // The index at a point of the finest level, as shown at a zoom; null while its tile is loading.
  indexAt(x, y, zoom) {
    const { minNativeZoom: coarsest } = this.options;
    const z = Math.min(this.finest, Math.max(coarsest, Math.round(zoom)));
    const [column, row] = [x, y].map((at) => Math.floor(at / 2 ** (this.finest - z)));
    const coords = { x: Math.floor(column / this.pixels), y: Math.floor(row / this.pixels), z };
    if (!this.source(coords)) return NODATA;
    const indices = this.canvases.get(this.key(coords))?.indices;
    return indices?.[(row % this.pixels) * this.pixels + (column % this.pixels)] ?? null;
  },
});
