// The location of a pixel as text.

function lonLatText({ lonlat }, share) {
  const knots = lonlat.length - 1;
  const at = (value) => {
    const low = Math.min(Math.floor(value * knots), knots - 1);
    return [low, value * knots - low];
  };
  const [column, right] = at(share.x), [row, down] = at(share.y);
  const mix = (a, b, amount) => a + (b - a) * amount;
  const [lon, lat] = [0, 1].map((part) => mix(
    mix(lonlat[row][column][part], lonlat[row][column + 1][part], right),
    mix(lonlat[row + 1][column][part], lonlat[row + 1][column + 1][part], right),
    down,
  ));
  const east = ((lon + 540) % 360) - 180;
  const text = (value, plus, minus) => `${Math.abs(value).toFixed(5)}° ${value < 0 ? minus : plus}`;
  return `${text(lat, "N", "S")}, ${text(east, "E", "W")}`;
}

function coordinateText({ transform: [a, b, c, d, e, f] }, { x, y }) {
  const digits = Math.max(0, Math.ceil(-Math.log10(Math.hypot(a, d))));
  const text = (value) => value.toFixed(digits).replace(/\B(?<!\.\d*)(?=(\d{3})+(?!\d))/g, "\u202f");
  return `x ${text(a * x + b * y + c)}, y ${text(d * x + e * y + f)}`;
}

// Texts for a point of the map, the most common form first.
function locationTexts(location, size, { x, y }) {
  const texts = [];
  if (location.lonlat) texts.push(lonLatText(location, { x: x / size.width, y: y / size.height }));
  if (location.transform && !location.is_geographic) texts.push(coordinateText(location, { x, y }));
  return texts.length ? texts : [`column ${Math.floor(x)}, row ${Math.floor(y)}`];
}

// The largest 1, 2 or 5 times a power of ten up to a length.
function roundLength(length) {
  const power = 10 ** Math.floor(Math.log10(length));
  return Math.max(...[1, 2, 5].map((step) => step * power).filter((step) => step <= length * 1.000001));
}
