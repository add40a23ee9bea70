"""`terratorch show` writes a page, and says what is wrong with what it is given."""

import subprocess
import sys

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from terratorch.cli.main import main


def write(path, pixels, **profile):
    bands, height, width = pixels.shape
    shape = {"count": bands, "height": height, "width": width, "dtype": pixels.dtype.name}
    grid = {"crs": "EPSG:32633", "transform": from_origin(330000, 5822040, 10, 10)}
    with rasterio.open(path, "w", driver="GTiff", **shape, **{**grid, **profile}) as dataset:
        dataset.write(pixels)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    write(tmp_path / "map.tif", rng.integers(0, 3, (1, 300, 280), dtype="uint8"))
    write(tmp_path / "scores.tif", rng.random((3, 300, 280), dtype="float32"))
    write(tmp_path / "scene.tif", rng.integers(0, 3000, (4, 300, 280), dtype="int16"))
    write(tmp_path / "small.tif", rng.integers(0, 3000, (4, 30, 28), dtype="int16"))
    (tmp_path / "notes.txt").write_text("no raster")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_page_stands_beside_the_map(folder, capsys):
    options = ["--image", "scene.tif", "--rgb", "4", "3", "2", "--labels", "map.tif"]
    assert main(["show", "map.tif", *options]) == 0
    assert capsys.readouterr().out.startswith("map.html (0.")
    page = (folder / "map.html").read_text()
    assert "scene.tif, bands 4, 3, 2" in page
    assert not list(folder.glob("*.part"))


def test_a_page_has_the_name_title_and_band_that_are_asked_for(folder, capsys):
    options = ["--band", "2", "--title", "Havelland", "--output", "pages/scores.html"]
    assert main(["show", "scores.tif", *options]) == 0
    assert "Band 2 of 3 is shown (--band)." in capsys.readouterr().out
    assert "<h1>Havelland</h1>" in (folder / "pages" / "scores.html").read_text()


def test_what_is_shown_at_a_lower_resolution_is_said(folder, capsys):
    assert main(["show", "map.tif", "--max_size", "0.02"]) == 0
    said = capsys.readouterr().out
    assert "Shown at 1/2 of the resolution, 20 m per pixel, which is the coarsest" in said
    pixels = np.random.default_rng(0).integers(0, 3, (1, 600, 600), dtype="uint8")
    write(folder / "large.tif", pixels)
    assert main(["show", "large.tif", "--max_size", "0.3"]) == 0
    said = capsys.readouterr().out
    assert "Shown at 1/2 of the resolution, 20 m per pixel, to keep it below 0.3 MB" in said
    assert (folder / "large.html").stat().st_size < 300_000
    assert "shown at 1/2 of the resolution (20 m per pixel)" in (folder / "map.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nap.tif"], "nap.tif: there is no such file"),
        (["notes.txt"], "notes.txt: not an image that can be read"),
        (["map.tif", "--image", "scne.tif"], "scne.tif: there is no such file"),
        (["map.tif", "--image", "small.tif"], "the scene has 30 x 28 pixels, the map map.tif"),
        (["map.tif", "--labels", "small.tif"], "the labels have 30 x 28 pixels, the map map.tif"),
        (["map.tif", "--band", "4"], "map.tif has 1 band, and no band 4"),
        (["map.tif", "--image", "scene.tif", "--rgb", "5", "2", "1"], "and no band 5"),
        (["map.tif", "--output", "map.tif"], "--output: map.tif is not an HTML file"),
        (["map.tif", "--max_size", "0"], "--max_size: 0 is not a valid size"),
        (["map.tif", "--max_size", "nan"], "--max_size: nan is not a valid size"),
        (
            ["map.tif", "--rgb", "3", "2", "1"],
            "rgb: given without a scene. Give the scene as well (--image)",
        ),
        (["map.tif", "--img", "scene.tif"], "Did you mean '--image'"),
        ([], "required: MAP"),
    ],
)
def test_mistakes_are_named(folder, capsys, arguments, said):
    assert main(["show", *arguments]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not list(folder.glob("*.htm*"))


def test_showing_a_map_needs_neither_torch_nor_matplotlib(folder):
    code = (
        "import sys; from terratorch.cli.main import main; main(['show', 'map.tif']);"
        "print(*sorted({'torch', 'matplotlib', 'lightning'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == [""]
