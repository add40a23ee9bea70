// What part of the map is seen, and how pointers, the wheel and keys change it.

class MapView {
  // `size` is that of the map in pixels; `changed` is called when another part is seen.
  constructor(canvas, size, changed) {
    Object.assign(this, { canvas, size, changed });
    this.x = size.width / 2; // the pixel of the map in the middle
    this.y = size.height / 2;
    this.scale = 1; // pixels of the screen to one of the map
    this.isFitted = true;
    this.#listen();
  }

  get box() { return this.canvas.getBoundingClientRect(); }

  get fitted() {
    const { width, height } = this.box;
    return 0.96 * Math.min(width / this.size.width, height / this.size.height) || 1;
  }

  fit() {
    this.set({ x: this.size.width / 2, y: this.size.height / 2, scale: this.fitted });
    this.isFitted = true;
  }

  set({ x = this.x, y = this.y, scale = this.scale }) {
    const clamp = (value, least, most) => Math.min(most, Math.max(least, value));
    this.x = clamp(x, 0, this.size.width);
    this.y = clamp(y, 0, this.size.height);
    this.scale = clamp(scale, this.fitted / 4, Math.max(40, this.fitted));
    this.isFitted = false;
    this.changed();
  }

  // The place on the map below a point of the canvas.
  toMap({ x, y }) {
    const { width, height } = this.box;
    return { x: this.x + (x - width / 2) / this.scale, y: this.y + (y - height / 2) / this.scale };
  }

  zoom(factor, point = { x: this.box.width / 2, y: this.box.height / 2 }) {
    const kept = this.toMap(point), before = this.scale;
    this.set({ scale: before * factor });
    const share = before / this.scale;
    this.set({ x: kept.x + (this.x - kept.x) * share, y: kept.y + (this.y - kept.y) * share });
  }

  pan(right, down) {
    this.set({ x: this.x - right / this.scale, y: this.y - down / this.scale });
  }

  pointOf(event) {
    const { left, top } = this.box;
    return { x: event.clientX - left, y: event.clientY - top };
  }

  #listen() {
    const pointers = new Map();
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, this.pointOf(event));
      canvas.classList.add("dragged");
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!pointers.has(event.pointerId)) return;
      const before = spread([...pointers.values()]);
      pointers.set(event.pointerId, this.pointOf(event));
      const after = spread([...pointers.values()]);
      this.pan(after.x - before.x, after.y - before.y);
      if (before.size && after.size) this.zoom(after.size / before.size, after);
    });
    for (const type of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(type, (event) => {
        pointers.delete(event.pointerId);
        canvas.classList.toggle("dragged", pointers.size > 0);
      });
    }
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
      const speed = event.ctrlKey ? 0.01 : 0.002; // a pinch on a touch pad comes with ctrl
      this.zoom(Math.exp(-event.deltaY * lines * speed), this.pointOf(event));
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => this.zoom(2, this.pointOf(event)));
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    const far = 80;
    const actions = {
      ArrowLeft: () => this.pan(far, 0),
      ArrowRight: () => this.pan(-far, 0),
      ArrowUp: () => this.pan(0, far),
      ArrowDown: () => this.pan(0, -far),
      "+": () => this.zoom(1.5),
      "=": () => this.zoom(1.5),
      "-": () => this.zoom(1 / 1.5),
      0: () => this.fit(),
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
    event.preventDefault();
    actions[event.key]();
  }
}

// The middle of one or two points, and how far they are apart.
function spread(points) {
  const [one, two = one] = points;
  return {
    x: (one.x + two.x) / 2,
    y: (one.y + two.y) / 2,
    size: Math.hypot(one.x - two.x, one.y - two.y),
  };
}
