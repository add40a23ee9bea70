// Tiles of one layer: decoded when they are first needed, coloured by a table, and forgotten when
// many others have been needed since.

const MOST_TILES = 600; // of a layer, 256 kB each

class TileLayer {
  // `spec` is a layer of the data of the page; `changed` is called when a tile has come.
  constructor(spec, tileSize, changed) {
    Object.assign(this, spec);
    this.tileSize = tileSize;
    this.changed = changed;
    this.isVisible = true;
    this.colors = null; // 256 pixels as little-endian RGBA, for layers of indices
    this.tiles = new Map();
    this.pending = 0;
  }

  get isIndexed() { return this.kind !== "colors"; }

  setColors(colors) {
    this.colors = colors;
    for (const tile of this.tiles.values()) this.#paint(tile);
    this.changed();
  }

  // The tile, or what part of a coarser one is there instead: {canvas, x, y, size}; null while
  // there is none, or where there is nothing to see.
  find(level, row, column) {
    if (!this.levels[level].tiles[row][column]) return null;
    let size = this.tileSize, x = 0, y = 0;
    for (; level < this.levels.length; level++) {
      const tile = this.#tile(level, row, column);
      if (tile.canvas) return { ...tile, x, y, size };
      size /= 2;
      x = (x + this.tileSize * (column % 2)) / 2;
      y = (y + this.tileSize * (row % 2)) / 2;
      row >>= 1;
      column >>= 1;
    }
    return null;
  }

  // The index of a pixel of a level as it is drawn; null where it is not known yet.
  indexAt(level, x, y) {
    const { width, height } = this.levels[level];
    if (x < 0 || y < 0 || x >= width || y >= height) return null;
    const row = Math.floor(y / this.tileSize), column = Math.floor(x / this.tileSize);
    if (!this.levels[level].tiles[row][column]) return 255;
    const tile = this.find(level, row, column);
    if (!tile) return null;
    const zoom = tile.size / this.tileSize;
    const at = (value, start) => Math.floor(start + (value % this.tileSize) * zoom);
    return tile.indices[at(y, tile.y) * tile.canvas.width + at(x, tile.x)];
  }

  #tile(level, row, column) {
    const key = `${level}/${row}/${column}`;
    let tile = this.tiles.get(key);
    if (tile) this.tiles.delete(key); // to become the youngest
    else {
      tile = { canvas: null, indices: null };
      this.#load(tile, this.levels[level].tiles[row][column]);
      if (this.tiles.size >= MOST_TILES) this.tiles.delete(this.tiles.keys().next().value);
    }
    this.tiles.set(key, tile);
    return tile;
  }

  async #load(tile, base64) {
    this.pending++;
    const image = new Image();
    image.src = `data:${this.mime};base64,${base64}`;
    try {
      await image.decode();
      const canvas = document.createElement("canvas");
      canvas.width = image.width;
      canvas.height = image.height;
      const context = canvas.getContext("2d", { willReadFrequently: this.isIndexed });
      context.drawImage(image, 0, 0);
      if (this.isIndexed) {
        const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
        tile.indices = Uint8Array.from({ length: pixels.length / 4 }, (_, i) => pixels[4 * i]);
      }
      tile.canvas = canvas;
      if (this.isIndexed) this.#paint(tile);
    } finally {
      this.pending--;
      this.changed();
    }
  }

  #paint(tile) {
    if (!tile.canvas) return;
    const context = tile.canvas.getContext("2d");
    const image = context.createImageData(tile.canvas.width, tile.canvas.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < pixels.length; i++) pixels[i] = this.colors[tile.indices[i]];
    context.putImageData(image, 0, 0);
  }

  // Draw what is seen. `origin` is where the corner of the map lies and `scale` how large a pixel
  // of the finest level is, in pixels of the canvas.
  draw(context, origin, scale) {
    const level = this.levelFor(scale);
    const size = this.tileSize * 2 ** level * scale;
    const { tiles } = this.levels[level];
    const { width, height } = context.canvas;
    const first = (start) => Math.max(0, Math.floor(-start / size));
    context.imageSmoothingEnabled = 2 ** level * scale < 1.5; // larger pixels are to be told apart
    for (let row = first(origin.y); row < tiles.length && origin.y + row * size < height; row++) {
      for (let column = first(origin.x); column < tiles[row].length && origin.x + column * size < width; column++) {
        const tile = this.find(level, row, column);
        if (tile) this.#drawTile(context, tile, origin.x + column * size, origin.y + row * size, size);
      }
    }
  }

  // The level whose pixels are nearest to those of the canvas.
  levelFor(scale) {
    return Math.min(this.levels.length - 1, Math.max(0, Math.round(Math.log2(1 / scale))));
  }

  #drawTile(context, tile, left, top, size) {
    const wide = Math.min(tile.size, tile.canvas.width - tile.x);
    const high = Math.min(tile.size, tile.canvas.height - tile.y);
    if (wide <= 0 || high <= 0) return;
    // Whole pixels, so that no line shows between two tiles.
    const x = Math.round(left), y = Math.round(top);
    const right = Math.round(left + (wide / tile.size) * size);
    const bottom = Math.round(top + (high / tile.size) * size);
    context.drawImage(tile.canvas, tile.x, tile.y, wide, high, x, y, right - x, bottom - y);
  }
}
