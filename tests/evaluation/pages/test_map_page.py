"""The map page: its pyramid, its place, and what a browser makes of it."""

import base64
import io
import json
import re

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine
from rasterio.windows import Window

from browser import open_page
from grids import LOCAL, MARS
from terratorch.errors import ConfigurationError, DataError
from terratorch.evaluation.pages.map_page import write_map_page
from terratorch.evaluation.pages.map_page_layers import HIDDEN, ClassLayer, SceneLayer, ValueLayer
from terratorch.evaluation.pages.map_page_location import MapLocation
from terratorch.evaluation.pages.map_page_pyramid import TileGrid, build_pyramid, build_pyramids
from terratorch.geo.raster import open_raster

METRES = {"crs": "EPSG:32633", "transform": Affine(10, 0, 330000, 0, -10, 5822040)}
NAMES = {"CLASS_NAMES": json.dumps(["forest", "water", "</script><b>built-up</b>"])}


def write(path, pixels, tags=None, names=None, **profile):
    bands, height, width = pixels.shape
    shape = {"count": bands, "height": height, "width": width, "dtype": pixels.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", **shape, **{**METRES, **profile}) as dataset:
        dataset.write(pixels)
        dataset.update_tags(**(tags or {}))
        if names:
            dataset.descriptions = names
    return path


def pixels_of(tile):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(tile))).convert("RGBA"))


@pytest.fixture
def classes(tmp_path):
    """A map of 600 x 700 pixels: forest, right of it water, and a corner of nodata."""
    ids = np.zeros((1, 600, 700), "uint8")
    ids[:, :, 350:] = 1
    ids[:, :50, :50] = 255
    return write(tmp_path / "map.tif", ids, NAMES, nodata=255)


@pytest.fixture
def scene(tmp_path):
    """A scene of the same size: green, left of it red."""
    colors = np.full((3, 600, 700), 100, "int16")
    colors[2, :, :350] = 2000
    colors[1, :, 350:] = 2000
    return write(tmp_path / "scene.tif", colors, names=["B02", "B03", "B04"])


def test_levels_halve_until_one_tile_holds_all(classes):
    with open_raster(classes) as dataset:
        pyramid = build_pyramid(ClassLayer(dataset, 1, 3), TileGrid(600, 700, 1))
    sizes = [(level.height, level.width) for level in pyramid.levels]
    assert sizes == [(600, 700), (300, 350), (150, 175)]
    assert [(len(level.tiles), len(level.tiles[0])) for level in pyramid.levels] == [
        (3, 3), (2, 2), (1, 1),
    ]  # fmt: skip
    assert pyramid.counts[[0, 1, HIDDEN]].tolist() == [600 * 350 - 2500, 600 * 350, 2500]
    whole = pixels_of(pyramid.levels[-1].tiles[0][0])
    assert whole.shape[:2] == (150, 175)
    assert whole[[0, -1, -1], [0, 0, -1], 0].tolist() == [HIDDEN, 0, 1]


def test_a_tile_of_few_classes_is_small_and_of_nodata_is_none(classes):
    with open_raster(classes) as dataset:
        layer = ClassLayer(dataset, 1, 3)
    assert layer.encode(np.full((256, 256), HIDDEN, np.uint8)) is None
    mixed = np.random.default_rng(0).integers(0, 2, (256, 256)).astype(np.uint8) * HIDDEN
    assert len(layer.encode(mixed)) < 256 * 256 / 8 * 1.1
    assert (pixels_of(base64.b64encode(layer.encode(mixed)))[..., 0] == mixed).all()


@pytest.mark.parametrize(
    ("square", "winner"),
    [([1, 1, 2, 2], 1), ([0, 1, 1, 2], 1), ([0, 1, 2, 1], 1), ([0, 1, 2, 2], 2), ([0, 1, 2, 3], 0)],
)
def test_the_commonest_class_wins(classes, square, winner):
    with open_raster(classes) as dataset:
        layer = ClassLayer(dataset, 1, 3)
    assert layer.halve(np.array(square, np.uint8).reshape(2, 2)).item() == winner


def test_means_leave_nodata_out(tmp_path):
    values = np.array([[[0.0, 1.0], [1.0, np.nan]]], "float32")
    with open_raster(write(tmp_path / "values.tif", values)) as dataset:
        layer = ValueLayer(dataset, 1, (0, 1))
        steps = layer.read(Window(0, 0, 2, 2), (2, 2))
    assert steps.tolist() == [[0, 254], [254, HIDDEN]]
    assert layer.halve(steps).tolist() == [[169]]
    assert layer.halve(np.array([[9, 9], [9, 10]], np.uint8)).tolist() == [[9]]
    assert layer.halve(np.array([[9, 10], [10, 10]], np.uint8)).tolist() == [[10]]
    rgba = np.array([[[10, 0, 0, 255], [20, 0, 0, 255]], [[99, 99, 99, 0]] * 2], np.uint8)
    assert SceneLayer.halve(None, rgba).tolist() == [[[15, 0, 0, 255]]]


def test_a_large_map_is_shown_at_the_resolution_that_fits(tmp_path):
    noise = np.random.default_rng(0).integers(0, 200, (1, 1100, 1000), dtype="uint8")
    with open_raster(write(tmp_path / "map.tif", noise)) as dataset:
        layer = ClassLayer(dataset, 1, 255)
        full, step = build_pyramids([layer], 1100, 1000, 10**7)
        assert step == 1
        half, step = build_pyramids([layer], 1100, 1000, full[0].size - 1)
        assert (step, half[0].size < full[0].size) == (2, True)
        assert (half[0].levels[0].height, half[0].levels[0].width) == (550, 500)
        assert build_pyramids([layer], 1100, 1000, 0)[1] == 8


def test_a_map_has_its_place(classes):
    with open_raster(classes) as dataset:
        place = MapLocation.of(dataset)
    assert (place.crs, place.metres, place.north) == ("EPSG:32633", 10, None)
    assert place.lonlat[0][0] == pytest.approx([12.4944, 52.5228], abs=1e-3)


@pytest.mark.parametrize(
    ("transform", "north"),
    [
        (Affine(10, 0, 500000, 0, -10, 5822040), None),
        (Affine(10, 0, 500000, 0, 10, 5822040), 180),
        (Affine(0, 10, 500000, 10, 0, 5822040), 90),
        (Affine(8, 6, 500000, 6, -8, 5822040), 36.9),
    ],
)
def test_north_is_told_where_it_is_not_up(tmp_path, transform, north):
    path = write(tmp_path / "map.tif", np.zeros((1, 4, 8), "uint8"), transform=transform)
    with open_raster(path) as dataset:
        found = MapLocation.of(dataset).north
    assert found == (north if north is None else pytest.approx(north, abs=0.2))


def test_longitudes_go_on_across_the_date_line(tmp_path):
    place = {"crs": "EPSG:32701", "transform": Affine(1000, 0, 100000, 0, -1000, 8000000)}
    with open_raster(
        write(tmp_path / "map.tif", np.zeros((1, 9, 200), "uint8"), **place)
    ) as dataset:
        longitudes = np.array(MapLocation.of(dataset).lonlat)[0, :, 0]
    assert (longitudes[0] < 180 < longitudes[-1], (np.diff(longitudes) > 0).all()) == (True, True)


def test_longitudes_of_the_world_run_from_west_to_east(tmp_path):
    place = {"crs": "EPSG:4326", "transform": Affine(1, 0, -180, 0, -1, 90)}
    with open_raster(
        write(tmp_path / "map.tif", np.zeros((1, 180, 360), "uint8"), **place)
    ) as dataset:
        longitudes = np.array(MapLocation.of(dataset).lonlat)[..., 0]
    assert longitudes == pytest.approx(np.tile(np.linspace(-180, 180, 17), (17, 1)))


@pytest.mark.parametrize(
    ("corner", "is_known"), [((-800_000, 800_000), False), ((0, 2_500_000), True)]
)
def test_around_a_pole_no_longitudes_are_made_up(tmp_path, corner, is_known):
    west, north = corner
    place = {"crs": "EPSG:3031", "transform": Affine(16000, 0, west, 0, -16000, north)}
    with open_raster(
        write(tmp_path / "map.tif", np.zeros((1, 100, 100), "uint8"), **place)
    ) as dataset:
        found = MapLocation.of(dataset)
    assert (found.lonlat is not None) == is_known
    assert found.transform is not None


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_map_without_a_place_works(tmp_path):
    path = write(tmp_path / "map.tif", np.zeros((1, 4, 8), "uint8"), crs=None, transform=None)
    page = write_map_page(path, tmp_path / "map.html")
    assert (page.step, page.metres) == (1, None)


@pytest.mark.parametrize(("crs", "metres"), [(LOCAL, None), (MARS, 10)])
def test_a_map_of_no_place_on_earth_works(tmp_path, crs, metres):
    path = write(tmp_path / "map.tif", np.zeros((1, 4, 8), "uint8"), crs=crs)
    page = write_map_page(path, tmp_path / "map.html")
    assert (page.step, page.metres) == (1, metres)
    with open_raster(path) as dataset:
        assert MapLocation.of(dataset).lonlat is None


@pytest.mark.parametrize(
    ("size", "profile", "seen"),
    [
        ((600, 600), {}, r"the scene has 600 x 600 pixels, the map .*map\.tif has 600 x 700"),
        (
            (600, 700),
            {"crs": "EPSG:32632"},
            "the scene has 330000,.* in EPSG:32632, the map .* in EPSG:32633",
        ),
        ((600, 700), {"crs": None}, "the scene has .* in no CRS, the map .*EPSG:32633"),
        (
            (600, 700),
            {"transform": Affine(10, 0, 330005, 0, -10, 5822040)},
            "the scene has 330005,5816040 to 337005,5822040 in .*, the map .* has 330000,",
        ),
    ],
)
def test_a_scene_of_another_grid_is_refused(tmp_path, classes, size, profile, seen):
    other = write(tmp_path / "other.tif", np.zeros((3, *size), "int16"), **profile)
    with pytest.raises(DataError, match=seen):
        write_map_page(classes, tmp_path / "map.html", image_path=other)
    assert not list(tmp_path.glob("*.html*"))


def test_bands_that_are_not_there_are_named(tmp_path, classes, scene):
    with pytest.raises(ConfigurationError, match=r"rgb: .*scene\.tif has 3 bands, and no band 4"):
        write_map_page(classes, tmp_path / "m.html", image_path=scene, rgb=(4, 3, 2))
    with pytest.raises(ConfigurationError, match=r"band: .*map\.tif has 1 band, and no band 2"):
        write_map_page(classes, tmp_path / "m.html", band=2)


def test_a_class_without_a_name_is_named(tmp_path):
    path = write(tmp_path / "map.tif", np.full((1, 4, 8), 7, "uint8"), NAMES)
    with pytest.raises(DataError, match="holds the class 7, but has names for 3 classes"):
        write_map_page(path, tmp_path / "m.html")


def test_labels_of_values_are_refused_on_classes(tmp_path, classes):
    labels = write(tmp_path / "labels.tif", np.zeros((1, 600, 700), "float32"))
    with pytest.raises(DataError, match="its pixels are float32, but the map holds class ids"):
        write_map_page(classes, tmp_path / "m.html", labels_path=labels)


def test_the_legend_has_shares_and_no_html_of_names(tmp_path, classes):
    page = write_map_page(classes, tmp_path / "map.html", title="A & B").path.read_text()
    assert "A &amp; B" in page
    assert "<b>built-up" not in page
    assert page.count('data-class="') == 2
    assert "50 %" in page
    assert "no data" in page


# In the browser.

TOOLS = """
const settled = async () => {
  const stage = document.getElementById("stage");
  for (let i = 0; i < 100; i++) {
    await new Promise(requestAnimationFrame);
    await new Promise((done) => setTimeout(done, 10));
    if (i > 30 && stage.getAttribute("aria-busy") === "false") return; // an animation takes 250 ms
  }
  throw new Error("tiles are missing");
};
// The colour at a point of the map, given as shares of its width and height: the topmost tiles that
// no edge cuts off, blended by the opacity of their pane.
const style = "<style>* { pointer-events: auto !important }</style>";
document.head.insertAdjacentHTML("beforeend", style);
const colorAt = (x, y) => {
  const box = document.getElementById("map").getBoundingClientRect();
  const [left, top] = [box.left + x * box.width, box.top + y * box.height];
  let color = [0, 0, 0, 0];
  for (const tile of document.elementsFromPoint(left, top).reverse()) {
    if (!tile.matches(".leaflet-tile")) continue;
    const seen = tile.getBoundingClientRect();
    const place = [(left - seen.left) / seen.width, (top - seen.top) / seen.height];
    const pixel = place.map((share) => Math.floor(share * tile.width));
    const [...above] = tile.getContext("2d").getImageData(...pixel, 1, 1).data;
    const pane = tile.closest(".leaflet-pane[style*=z-index]");
    const share = (above[3] / 255) * getComputedStyle(pane).opacity;
    color = color.map((below, channel) => above[channel] * share + below * (1 - share));
    color[3] = Math.max(color[3], 255 * share);
  }
  return color;
};
const text = (id) => document.getElementById(id).textContent;
await settled();
"""
FOREST, WATER = [17, 102, 51, 255], [31, 95, 191, 255]


def metres_in(readout):
    x, y = re.search(r"x ([\d\u202f]+), y ([\d\u202f]+)", readout).groups()
    return [int(text.replace("\u202f", "")) for text in (x, y)]


def is_near(color, other):
    return np.abs(np.subtract(color, other)).max() < 12


@pytest.fixture
def page(tmp_path, classes, scene):
    return write_map_page(classes, tmp_path / "map.html", image_path=scene).path


@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_draws_scene_and_map_beside_the_swipe(page, dark):
    script = (
        "return [colorAt(0.3, 0.5), colorAt(0.49, 0.5), colorAt(0.6, 0.5), colorAt(0.02, 0.9)];"
    )
    opened = open_page(page, TOOLS + script, dark=dark, fragment="swipe=0.4")
    assert opened.console == []
    scene_color, left, right, beside = opened.answer
    assert is_near(scene_color, [255, 0, 0, 255])
    assert (left, right, beside) == (FOREST, WATER, [0, 0, 0, 0])


def test_the_whole_map_is_visible_at_first(page):
    script = """
      const grip = document.querySelector(".grip").getBoundingClientRect();
      const box = document.getElementById("map").getBoundingClientRect();
      return [colorAt(0.3, 0.5), colorAt(0.6, 0.5), grip.left - box.left, location.hash];
    """
    opened = open_page(page, TOOLS + script)
    assert opened.console == []
    left, right, grip, fragment = opened.answer
    assert (left, right) == (FOREST, WATER)
    assert 0 <= grip < 20
    assert fragment == ""


def test_swipe_classes_layers_and_opacity_change_what_is_drawn(page):
    script = """
      const colors = {};
      const swipe = document.getElementById("swipe");
      swipe.focus();
      swipe.dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
      await settled();
      colors.scene = colorAt(0.6, 0.5);
      swipe.dispatchEvent(new KeyboardEvent("keydown", { key: "Home" }));
      await settled();
      colors.swiped = colorAt(0.3, 0.5);
      document.querySelector('[data-class="1"]').click();
      await settled();
      colors.without = colorAt(0.6, 0.5);
      const opacity = document.getElementById("opacity");
      opacity.value = 0;
      opacity.dispatchEvent(new Event("input"));
      await settled();
      colors.transparent = colorAt(0.3, 0.5);
      document.querySelector('[data-layer="scene"]').click();
      await settled();
      colors.none = colorAt(0.3, 0.5);
      await new Promise((done) => setTimeout(done, 400));
      return { ...colors, hash: location.hash, hidden: swipe.hidden };
    """
    opened = open_page(page, TOOLS + script)
    assert opened.console == []
    answer = opened.answer
    assert is_near(answer["scene"], [0, 255, 0, 255])
    assert answer["swiped"] == FOREST
    assert is_near(answer["without"], [0, 255, 0, 255])
    assert is_near(answer["transparent"], [255, 0, 0, 255])
    assert answer["none"][3] == 0
    assert answer["hash"] == "#opacity=0&off=scene&hidden=1"
    assert answer["hidden"] is True


def test_labels_are_left_of_the_swipe(tmp_path, classes):
    ids = np.full((1, 600, 700), 2, "uint8")
    labels = write(tmp_path / "labels.tif", ids)
    page = write_map_page(classes, tmp_path / "m.html", labels_path=labels).path
    script = "return [colorAt(0.3, 0.5), colorAt(0.6, 0.5), text('readout')];"
    opened = open_page(page, TOOLS + script, fragment="swipe=0.4")
    assert opened.console == []
    left, right, readout = opened.answer
    assert left not in (FOREST, WATER)
    assert right == WATER
    assert "Map: water" in readout
    assert "Labels: </script><b>built-up" in readout


def test_dragging_the_wheel_and_keys_move_the_map(page):
    script = """
      const container = document.getElementById("map"), box = container.getBoundingClientRect();
      const at = (x, y) => ({ clientX: Math.round(box.left + x * box.width), button: 0,
                              clientY: Math.round(box.top + y * box.height),
                              bubbles: true, cancelable: true });
      const seen = [text("readout")];
      container.dispatchEvent(new PointerEvent("pointermove", at(0.6, 0.5)));
      await settled();
      seen.push(text("readout"));
      container.dispatchEvent(new MouseEvent("mousedown", at(0.6, 0.5)));
      container.dispatchEvent(new MouseEvent("mousemove", at(0.9, 0.5)));
      await new Promise((done) => setTimeout(done, 300)); // so that it does not glide on
      container.dispatchEvent(new MouseEvent("mouseup", at(0.9, 0.5)));
      container.dispatchEvent(new PointerEvent("pointermove", at(0.9, 0.5)));
      await settled();
      seen.push(text("readout"));
      const dragged = colorAt(0.7, 0.5);
      const before = text("scale");
      const turned = { ...at(0.9, 0.5), deltaY: -600 };
      for (let i = 0; i < 3; i++) {
        container.dispatchEvent(new WheelEvent("wheel", turned));
        await settled();
      }
      seen.push(text("readout"));
      const zoomed = text("scale"), isEnlarged = container.matches(".enlarged");
      await new Promise((done) => setTimeout(done, 400));
      const kept = location.hash;
      container.dispatchEvent(new KeyboardEvent("keydown", { key: "0", bubbles: true }));
      await settled();
      return { seen, dragged, kept, isEnlarged, scales: [before, zoomed, text("scale")] };
    """
    opened = open_page(page, TOOLS + script)
    assert opened.console == []
    middle, below, after_drag, after_zoom = opened.answer["seen"]
    assert "water" in middle
    assert "(middle of the view)" in middle
    assert "52.49" in middle
    assert "x 333" in middle
    # The place below the pointer stays there while it is dragged and zoomed, but for a pixel.
    assert metres_in(after_drag) == pytest.approx(metres_in(below), abs=20)
    assert metres_in(after_zoom) == pytest.approx(metres_in(below), abs=20)
    assert opened.answer["dragged"] == FOREST
    assert opened.answer["isEnlarged"] is True
    assert opened.answer["kept"].startswith("#x=")
    before, zoomed, again = opened.answer["scales"]
    assert before == again == "1 km"
    assert zoomed.endswith(" m")


def test_an_address_brings_another_person_to_the_same_view(page):
    script = """
      await new Promise((done) => setTimeout(done, 400));
      return [text("readout"), location.hash, colorAt(0.5, 0.5)];
    """
    opened = open_page(page, TOOLS + script, fragment="x=100.0&y=200.0&scale=8")
    assert opened.console == []
    readout, kept, color = opened.answer
    assert "forest" in readout
    assert "x 331" in readout
    x, y, scale = (float(part.partition("=")[2]) for part in kept.split("&"))
    assert (x, y, scale) == pytest.approx((100, 200, 8), abs=0.2)
    assert color == FOREST


def test_two_fingers_zoom(page):
    script = """
      const container = document.getElementById("map"), box = container.getBoundingClientRect();
      const touch = (type, ...places) => container.dispatchEvent(new TouchEvent(type, {
        bubbles: true, cancelable: true, touches: places.map((x, identifier) => new Touch({
          identifier, target: container, clientX: box.left + x, clientY: box.top + 200 })) }));
      const before = text("scale");
      touch("touchstart", 100, 200);
      for (const right of [300, 500, 1100]) {
        touch("touchmove", 100, right);
        await settled();
      }
      touch("touchend");
      await settled();
      return [before, text("scale")];
    """
    opened = open_page(page, TOOLS + script, width=390)
    assert opened.console == []
    assert opened.answer == ["1 km", "100 m"]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_values_have_a_scale_and_are_read_out(tmp_path):
    values = np.linspace(0, 1, 300, dtype="float32") * np.ones((2, 200, 1), "float32")
    path = write(tmp_path / "v.tif", values, names=["biomass", "other"], crs=None, transform=None)
    page = write_map_page(path, tmp_path / "v.html").path
    script = """
      return [text("readout"), colorAt(0.5, 0.5), document.getElementById("swipe").hidden,
              document.getElementById("legend-heading").textContent,
              document.getElementById("mark").style.left, document.getElementById("scale").hidden];
    """
    opened = open_page(page, TOOLS + script)
    assert opened.console == []
    readout, color, hides_swipe, heading, mark, hides_scale = opened.answer
    assert readout.startswith("≈ 0.50")
    assert "column 150, row 100" in readout
    assert is_near(color, [33, 145, 140, 255])
    assert (hides_swipe, heading, hides_scale) == (True, "biomass", True)
    assert 48 < float(mark.rstrip("%")) < 52


@pytest.mark.parametrize("width", [390, 1280])
def test_a_page_fits_the_screen(page, width):
    script = """
      const root = document.documentElement, panel = document.querySelector(".panel");
      const unnamed = [...document.querySelectorAll("button, input, [role]")].filter((node) =>
        !(node.ariaLabel || node.textContent.trim() || node.labels?.[0]?.textContent.trim()));
      const { width, height } = document.getElementById("map").getBoundingClientRect();
      return [root.scrollWidth - innerWidth, root.scrollHeight - innerHeight,
              panel.scrollWidth - panel.clientWidth, unnamed.length, width, height];
    """
    opened = open_page(page, TOOLS + script, width=width, height=844)
    assert opened.console == []
    *over, unnamed, map_width, map_height = opened.answer
    assert max(over) <= 0
    assert unnamed == 0
    assert map_width >= 390
    assert map_height > 350
