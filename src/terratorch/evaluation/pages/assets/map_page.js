// The map page: layers below a swipe, legend, readout, and the view in the address.

const page = JSON.parse(document.getElementById("map-data").textContent);
const element = (id) => document.getElementById(id);
const canvas = element("canvas"), context = canvas.getContext("2d");
const NODATA = 255;

const state = { swipe: 0.5, opacity: 1, hidden: new Set() };
const layers = page.layers.map((spec) => new TileLayer(spec, page.tile, () => redraw()));
const layer = Object.fromEntries(layers.map((one) => [one.id, one]));
const view = new MapView(canvas, page, () => { redraw(); saveSoon(); });
let pointer = null; // where the pointer is on the canvas; else the middle is read out

// Drawing: what is left of the swipe, then the map to its right.

let isDrawing = false;
function redraw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => { isDrawing = false; draw(); });
}

function draw() {
  const ratio = devicePixelRatio, { width, height } = canvas;
  const isCompared = canCompare();
  const edge = isCompared ? Math.round(state.swipe * width) : 0;
  context.clearRect(0, 0, width, height);
  const scale = view.scale * ratio;
  const origin = { x: width / 2 - view.x * scale, y: height / 2 - view.y * scale };
  const show = (one, left, right, opacity) => {
    if (!one?.isVisible) return;
    context.save();
    context.beginPath();
    context.rect(left, 0, right - left, height);
    context.clip();
    context.globalAlpha = opacity;
    one.draw(context, origin, scale * page.step);
    context.restore();
  };
  show(layer.scene, 0, width, 1);
  show(layer.labels, 0, isCompared ? edge : width, state.opacity);
  show(layer.map, edge, width, state.opacity);
  showSwipe(isCompared);
  showScale();
  showReadout();
  element("stage").setAttribute("aria-busy", String(layers.some((one) => one.pending > 0)));
}

// Whether there is something that the map can be compared with.
function canCompare() {
  return layer.map.isVisible && Boolean(layer.scene?.isVisible || layer.labels?.isVisible);
}

function showSwipe(isShown) {
  const percent = Math.round(100 * state.swipe), swipe = element("swipe");
  swipe.hidden = !isShown;
  swipe.style.left = `${100 * state.swipe}%`;
  swipe.firstElementChild.textContent = (layer.labels?.isVisible ? layer.labels : layer.scene)?.name ?? "";
  swipe.setAttribute("aria-valuenow", percent);
  swipe.setAttribute("aria-valuetext", `${percent} % of the width`);
}

function showScale() {
  const metres = page.place.metres, scale = element("scale");
  scale.hidden = !metres;
  if (!metres) return;
  const most = Math.min(130, view.box.width / 4);
  const length = roundLength((most * metres) / view.scale);
  scale.firstElementChild.style.width = `${(length / metres) * view.scale}px`;
  const text = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
  scale.firstElementChild.textContent = length < 1000 ? `${text.format(length)} m` : `${text.format(length / 1000)} km`;
}

// Colours and what is read below the pointer.

function colorTable(kind) {
  const table = new Uint32Array(256); // hidden is transparent
  const colors = kind === "classes" ? page.classes.map((one) => one.color) : page.scale.colors;
  colors.forEach(([red, green, blue], index) => {
    const isOff = kind === "classes" && state.hidden.has(index);
    table[index] = isOff ? 0 : ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
  return table;
}

function recolor() {
  for (const one of layers) if (one.isIndexed) one.setColors(colorTable(one.kind));
}

function meaning(index) {
  if (index === NODATA) return { text: "no data", css: "" };
  if (page.classes) {
    const { name, color } = page.classes[index];
    return { text: name, css: `rgb(${color})` };
  }
  const { low, high, colors, ticks } = page.scale;
  const ends = { 0: ticks[0], [colors.length - 1]: ticks.at(-1) };
  const value = low + ((index + 0.5) / colors.length) * (high - low);
  return { text: ends[index] ?? `≈ ${value.toPrecision(3)}`, css: `rgb(${colors[index]})` };
}

function showReadout() {
  const { width, height } = view.box;
  const place = view.toMap(pointer ?? { x: width / 2, y: height / 2 });
  const isInside = place.x >= 0 && place.y >= 0 && place.x < page.width && place.y < page.height;
  const classes = document.createElement("span"), where = document.createElement("span");
  let mapIndex = null;
  for (const id of isInside ? ["map", "labels"] : []) {
    if (!layer[id]?.isVisible) continue;
    const level = layer[id].levelFor(view.scale * devicePixelRatio * page.step);
    const index = layer[id].indexAt(level, ...[place.x, place.y].map((at) => at / page.step / 2 ** level));
    if (index === null) continue;
    const { text, css } = meaning(index);
    const part = document.createElement("span"), swatch = document.createElement("i");
    swatch.className = css ? "swatch" : "swatch nodata";
    swatch.style.background = css;
    part.append(swatch, layer.labels?.isVisible ? `${layer[id].name}: ${text}` : text);
    classes.append(part);
    if (id === "map") mapIndex = index;
  }
  const texts = isInside ? placeTexts(page.place, page, place) : ["outside of the map"];
  where.textContent = texts.join("   ") + (pointer ? "" : "   (middle of the view)");
  element("readout").replaceChildren(classes, where);
  const mark = element("mark");
  if (!mark) return;
  mark.hidden = mapIndex === null || mapIndex === NODATA;
  mark.style.left = `${(100 * (mapIndex + 0.5)) / page.scale.colors.length}%`;
}

// The view in the address: #x=..&y=..&scale=..&swipe=..&opacity=..&off=..&hidden=..

let saving = 0;
function saveSoon() {
  clearTimeout(saving);
  saving = setTimeout(save, 250);
}

function save() {
  const off = layers.filter((one) => !one.isVisible).map((one) => one.id);
  const written = [
    !view.isFitted && `x=${view.x.toFixed(1)}&y=${view.y.toFixed(1)}&scale=${Number(view.scale.toPrecision(4))}`,
    state.swipe !== 0.5 && `swipe=${state.swipe.toFixed(3)}`,
    state.opacity !== 1 && `opacity=${state.opacity}`,
    off.length && `off=${off}`,
    state.hidden.size && `hidden=${[...state.hidden]}`,
  ].filter(Boolean).join("&");
  if (written !== location.hash.slice(1)) history.replaceState(null, "", `#${written}`);
}

function restore() {
  const saved = new URLSearchParams(location.hash.slice(1));
  const number = (key, otherwise) => {
    const value = parseFloat(saved.get(key));
    return Number.isFinite(value) ? value : otherwise;
  };
  const list = (key) => (saved.get(key) ?? "").split(",").filter(Boolean);
  state.swipe = Math.min(1, Math.max(0, number("swipe", 0.5)));
  state.opacity = Math.min(1, Math.max(0, number("opacity", 1)));
  state.hidden = new Set(list("hidden").map(Number));
  for (const one of layers) one.isVisible = !list("off").includes(one.id);
  if (saved.has("scale")) view.set({ x: number("x"), y: number("y"), scale: number("scale") });
  else view.fit();
  showControls();
  recolor();
}

function showControls() {
  const percent = Math.round(100 * state.opacity);
  element("opacity").value = percent;
  element("opacity-shown").textContent = `${percent} %`;
  for (const box of document.querySelectorAll("[data-layer]")) box.checked = layer[box.dataset.layer].isVisible;
  for (const button of document.querySelectorAll("[data-class]")) {
    button.setAttribute("aria-pressed", String(!state.hidden.has(Number(button.dataset.class))));
  }
}

// Controls.

function changed() {
  showControls();
  redraw();
  saveSoon();
}

function setSwipe(share) {
  state.swipe = Math.min(1, Math.max(0, share));
  changed();
}

function connectSwipe() {
  const swipe = element("swipe");
  const follow = (event) => setSwipe((event.clientX - view.box.left) / view.box.width);
  swipe.addEventListener("pointerdown", (event) => swipe.setPointerCapture(event.pointerId));
  swipe.addEventListener("pointermove", (event) => {
    if (swipe.hasPointerCapture(event.pointerId)) follow(event);
  });
  const keys = {
    ArrowLeft: () => state.swipe - 0.02, ArrowDown: () => state.swipe - 0.02,
    ArrowRight: () => state.swipe + 0.02, ArrowUp: () => state.swipe + 0.02,
    Home: () => 0, End: () => 1,
  };
  swipe.addEventListener("keydown", (event) => {
    if (!keys[event.key]) return;
    event.preventDefault();
    setSwipe(keys[event.key]());
  });
}

function connectPanel() {
  element("opacity").addEventListener("input", (event) => {
    state.opacity = event.target.value / 100;
    changed();
  });
  for (const box of document.querySelectorAll("[data-layer]")) {
    box.addEventListener("change", () => {
      layer[box.dataset.layer].isVisible = box.checked;
      changed();
    });
  }
  for (const button of document.querySelectorAll("[data-class]")) {
    button.addEventListener("click", () => {
      const index = Number(button.dataset.class);
      if (!state.hidden.delete(index)) state.hidden.add(index);
      recolor();
      changed();
    });
  }
}

function connectStage() {
  const zooms = { in: () => view.zoom(1.6), out: () => view.zoom(1 / 1.6), fit: () => view.fit() };
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", zooms[button.dataset.zoom]);
  }
  const point = (event) => { pointer = view.pointOf(event); redraw(); };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  for (const type of ["pointerleave", "keydown"]) {
    canvas.addEventListener(type, () => { pointer = null; redraw(); });
  }
  new ResizeObserver(() => {
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    if (view.isFitted) view.fit();
    draw(); // at once: the new size has wiped the canvas
  }).observe(canvas);
  const { north } = page.place;
  element("north").hidden = north === null;
  element("north").firstElementChild.style.rotate = `${north ?? 0}deg`;
}

connectSwipe();
connectPanel();
connectStage();
addEventListener("hashchange", restore);
restore();
