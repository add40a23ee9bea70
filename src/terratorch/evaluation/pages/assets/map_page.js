// The map page: layers below a swipe, legend, readout, and the view in the address.
// Coordinates of Leaflet are pixels of the map: `lng` is the column, `-lat` the row.

const page = JSON.parse(document.getElementById("map-data").textContent);
const element = (id) => document.getElementById(id);
const clamp = (value, least, most) => Math.min(most, Math.max(least, value));
const density = devicePixelRatio > 1 ? 2 : 1; // image pixels per CSS pixel
const finest = -Math.log2(page.step * density);
const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;

const state = { swipe: 0, opacity: 1, hidden: new Set(), pointer: null };
const map = L.map("map", {
  crs: L.CRS.Simple, attributionControl: false, zoomControl: false, zoomSnap: 0, zoomDelta: 0.7,
  wheelPxPerZoomLevel: 120, fadeAnimation: false, zoomAnimation: !isStill, inertia: !isStill,
});
const bounds = L.latLngBounds([[-page.height, 0], [0, page.width]]);
const layers = page.layers.map((spec, place) => {
  map.createPane(spec.id).style.zIndex = 200 + place;
  return new TileLayer(spec, page.tile, finest, density);
});
const layer = Object.fromEntries(layers.map((tiles) => [tiles.id, tiles]));
const isShown = (id) => Boolean(layer[id] && map.hasLayer(layer[id]));
let isFitted = true;

function fit() {
  const size = map.getSize();
  const fitted = Math.log2(0.96 * Math.min(size.x / page.width, size.y / page.height));
  map.setMinZoom(fitted - 2).setMaxZoom(Math.max(Math.log2(40), fitted));
  map.setView(bounds.getCenter(), fitted, { reset: true });
  isFitted = true;
}

function setView(x, y, zoom) {
  fit(); // for the limits of zoom
  map.setView([-clamp(y, 0, page.height), clamp(x, 0, page.width)], zoom, { reset: true });
}

// Swipe: the map to the right of the edge, labels to its left, the scene below both.

const canCompare = () => isShown("map") && (isShown("scene") || isShown("labels"));

function clip() {
  const { x: width, y: height } = map.getSize(), origin = map.containerPointToLayerPoint([0, 0]);
  const edge = state.swipe * width;
  const cut = (id, left, right) => {
    const corners = [[left, 0], [right, 0], [right, height], [left, height]];
    const points = corners.map(([x, y]) => `${origin.x + x}px ${origin.y + y}px`);
    if (layer[id]) map.getPane(id).style.clipPath = canCompare() ? `polygon(${points})` : "";
  };
  cut("map", edge, width);
  cut("labels", 0, edge);
}

function showSwipe() {
  const percent = Math.round(100 * state.swipe), swipe = element("swipe");
  swipe.hidden = !canCompare();
  swipe.style.setProperty("--at", `${100 * state.swipe}%`);
  swipe.querySelector(".side").textContent = layer[isShown("labels") ? "labels" : "scene"]?.name ?? "";
  swipe.setAttribute("aria-valuenow", percent);
  swipe.setAttribute("aria-valuetext", `${percent} % of the width`);
}

function showScale() {
  const { metres } = page.location, scale = element("scale"), factor = 2 ** map.getZoom();
  scale.hidden = !metres;
  if (!metres) return;
  const length = roundLength((Math.min(130, map.getSize().x / 4) * metres) / factor);
  const text = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
  const [bar] = scale.children;
  bar.style.width = `${(length / metres) * factor}px`;
  bar.textContent = length < 1000 ? `${text.format(length)} m` : `${text.format(length / 1000)} km`;
}

// Colours, and the value at the pointer.

function colorTable(kind) {
  const table = new Uint32Array(256); // hidden is transparent
  const colors = kind === "classes" ? page.classes.map(({ color }) => color) : page.scale.colors;
  colors.forEach(([red, green, blue], index) => {
    const isOff = kind === "classes" && state.hidden.has(index);
    table[index] = isOff ? 0 : ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
  return table;
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
  const { lng: x, lat } = state.pointer ? map.containerPointToLatLng(state.pointer) : map.getCenter();
  const y = -lat, isInside = x >= 0 && y >= 0 && x < page.width && y < page.height;
  const classes = document.createElement("span"), where = document.createElement("span");
  let mapIndex = null;
  for (const id of isInside ? ["map", "labels"].filter(isShown) : []) {
    const index = layer[id].indexAt(x / page.step, y / page.step, map.getZoom());
    if (index === null) continue;
    const { text, css } = meaning(index);
    const part = document.createElement("span"), swatch = document.createElement("i");
    swatch.className = css ? "swatch" : "swatch nodata";
    swatch.style.background = css;
    part.append(swatch, isShown("labels") ? `${layer[id].name}: ${text}` : text);
    classes.append(part);
    if (id === "map") mapIndex = index;
  }
  const texts = isInside ? locationTexts(page.location, page, { x, y }) : ["outside the map"];
  where.textContent = texts.join("   ") + (state.pointer ? "" : "   (middle of the view)");
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
  const { lng: x, lat } = map.getCenter(), off = layers.map(({ id }) => id).filter((id) => !isShown(id));
  const text = [
    !isFitted && `x=${x.toFixed(1)}&y=${(-lat).toFixed(1)}&scale=${Number((2 ** map.getZoom()).toPrecision(4))}`,
    state.swipe && `swipe=${state.swipe.toFixed(3)}`,
    state.opacity !== 1 && `opacity=${state.opacity}`,
    off.length && `off=${off}`,
    state.hidden.size && `hidden=${[...state.hidden]}`,
  ].filter(Boolean).join("&");
  if (text !== location.hash.slice(1)) history.replaceState(null, "", `#${text}`);
}

function restore() {
  const saved = new URLSearchParams(location.hash.slice(1));
  const number = (key, otherwise) => {
    const value = parseFloat(saved.get(key));
    return Number.isFinite(value) ? value : otherwise;
  };
  const list = (key) => (saved.get(key) ?? "").split(",").filter(Boolean);
  state.swipe = clamp(number("swipe", 0), 0, 1);
  state.opacity = clamp(number("opacity", 1), 0, 1);
  state.hidden = new Set(list("hidden").map(Number));
  if (number("scale", 0) > 0) setView(number("x", page.width / 2), number("y", page.height / 2), Math.log2(number("scale")));
  else fit();
  for (const tiles of layers) {
    if (tiles.isIndexed) tiles.setColors(colorTable(tiles.kind));
    if (list("off").includes(tiles.id)) tiles.remove();
    else tiles.addTo(map);
  }
  show();
}

// Controls.

function show() {
  const percent = Math.round(100 * state.opacity);
  element("opacity").value = percent;
  element("opacity-shown").textContent = `${percent} %`;
  for (const box of document.querySelectorAll("[data-layer]")) box.checked = isShown(box.dataset.layer);
  for (const button of document.querySelectorAll("[data-class]")) {
    button.setAttribute("aria-pressed", String(!state.hidden.has(Number(button.dataset.class))));
  }
  for (const { id, isIndexed } of layers) if (isIndexed) map.getPane(id).style.opacity = state.opacity;
  clip();
  showSwipe();
  showScale();
  showReadout();
}

function changed() {
  show();
  saveSoon();
}

function setSwipe(share) {
  state.swipe = clamp(share, 0, 1);
  changed();
}

function connectSwipe() {
  const swipe = element("swipe");
  swipe.addEventListener("pointerdown", (event) => swipe.setPointerCapture(event.pointerId));
  swipe.addEventListener("pointermove", (event) => {
    if (swipe.hasPointerCapture(event.pointerId)) setSwipe(map.mouseEventToContainerPoint(event).x / map.getSize().x);
  });
  const steps = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, Home: -1, End: 1 };
  swipe.addEventListener("keydown", (event) => {
    if (!steps[event.key]) return;
    event.preventDefault();
    setSwipe(state.swipe + steps[event.key]);
  });
}

function connectPanel() {
  element("opacity").addEventListener("input", (event) => {
    state.opacity = event.target.value / 100;
    changed();
  });
  for (const box of document.querySelectorAll("[data-layer]")) {
    box.addEventListener("change", () => {
      if (box.checked) layer[box.dataset.layer].addTo(map);
      else layer[box.dataset.layer].remove();
      changed();
    });
  }
  for (const button of document.querySelectorAll("[data-class]")) {
    button.addEventListener("click", () => {
      const index = Number(button.dataset.class);
      if (!state.hidden.delete(index)) state.hidden.add(index);
      for (const tiles of layers) if (tiles.isIndexed) tiles.setColors(colorTable(tiles.kind));
      changed();
    });
  }
}

function connectMap() {
  const container = map.getContainer();
  const zooms = { in: () => map.zoomIn(), out: () => map.zoomOut(), fit };
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", zooms[button.dataset.zoom]);
  }
  map.on("movestart zoomstart", () => { isFitted = false; });
  map.on("move zoom resize", () => { clip(); showScale(); showReadout(); });
  map.on("zoomend", () => container.classList.toggle("enlarged", map.getZoom() > finest + 0.5));
  map.on("moveend", saveSoon);
  const showBusy = () => {
    const isBusy = layers.some((tiles) => map.hasLayer(tiles) && tiles.isLoading());
    element("stage").setAttribute("aria-busy", String(isBusy));
    showReadout();
  };
  for (const tiles of layers) tiles.on("loading load add remove", showBusy);
  const point = (event) => { state.pointer = map.mouseEventToContainerPoint(event); showReadout(); };
  for (const type of ["pointermove", "pointerdown"]) container.addEventListener(type, point);
  for (const type of ["pointerleave", "keydown"]) {
    container.addEventListener(type, (event) => {
      state.pointer = null;
      if (event.key === "0" && !event.ctrlKey && !event.metaKey && !event.altKey) fit();
      showReadout();
    });
  }
  new ResizeObserver(() => {
    map.invalidateSize({ animate: false });
    if (isFitted) fit();
  }).observe(container);
  const { north } = page.location;
  element("north").hidden = north === null;
  element("north").firstElementChild.style.rotate = `${north ?? 0}deg`;
}

fit();
connectSwipe();
connectPanel();
connectMap();
addEventListener("hashchange", restore);
restore();
