"""Every code block, YAML and command of the documentation runs as it stands.

A comment before a block says what it is: `<!-- file: NAME -->` writes it, `<!-- over: NAME -->` is
laid over that file in a training run of one step, `<!-- fails: TEXT -->` must fail with that text,
and `<!-- checkpoint: NAME -->` puts the checkpoint of the `fit` in the block under that name.
"""

import itertools
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from terratorch.cli.main import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[a-z ]+?)(?:: (?P<value>.+?))? -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
BANDS = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]


def _write_raster(file: Path, array: np.ndarray, names: list[str] | None = None) -> None:
    bands, height, width = array.shape
    grid = {"crs": "EPSG:32633", "transform": from_origin(330000, 5822040, 10, 10)}
    profile = {"count": bands, "height": height, "width": width, "dtype": array.dtype.name, **grid}
    with rasterio.open(file, "w", driver="GTiff", **profile) as raster:
        raster.write(array)
        if names:
            raster.descriptions = names


def _write_scenes_of_sensors(
    folder: Path, chips: list[str], scene: np.ndarray, rng: np.random.Generator
) -> None:
    """Write what `several_sensors.md` draws: radar chips, and scenes in its three layouts."""
    parts = ("chips/radar", "optical", "radar", "scenes/north/S1", "scenes/south")
    for part in parts:
        (folder / part).mkdir(parents=True)
    for name in chips:
        radar = rng.random((2, 64, 64), dtype="float32") * -20
        _write_raster(folder / "chips" / "radar" / f"{name}.tif", radar)
    radar = rng.random((2, 90, 150), dtype="float32") * -20
    for name in ("north", "south"):
        _write_raster(folder / "optical" / f"{name}.tif", scene)
        _write_raster(folder / "radar" / f"{name}_S1.tif", radar)
    _write_raster(folder / "scenes" / "north" / "S2.tif", scene)
    numbers = ("B02", "B03", "B04", "B8A", "B11", "B12")
    for band, pixels in zip(("VV", "VH", *numbers), [*radar, *scene], strict=True):
        _write_raster(folder / "scenes" / "south" / f"{band}.tif", pixels[None])
    for band, pixels in zip(("VV", "VH"), radar, strict=True):
        _write_raster(folder / "scenes" / "north" / "S1" / f"north_{band}.tif", pixels[None])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with what the pages speak of: chips, split files, a scene, maps."""
    rng = np.random.default_rng(0)
    for part in ("images", "labels"):
        (tmp_path / "chips" / part).mkdir(parents=True)
    names = [f"field_{index:03d}" for index in range(8)]
    for name in names:
        image = rng.integers(500, 2500, (6, 64, 64), dtype="int16")
        label = rng.integers(0, 3, (1, 64, 64), dtype="uint8")
        _write_raster(tmp_path / "chips" / "images" / f"{name}.tif", image, BANDS)
        _write_raster(tmp_path / "chips" / "labels" / f"{name}.tif", label)
    for split, members in {"train": names[:4], "val": names[4:6], "test": names[6:]}.items():
        (tmp_path / "chips" / f"{split}.txt").write_text("\n".join(members))
    for split, name in itertools.product(("train", "val", "test"), ("forest", "water")):
        patches = tmp_path / "patches" / split / name
        patches.mkdir(parents=True)
        for index in range(2):
            image = rng.integers(500, 2500, (6, 32, 32), dtype="int16")
            _write_raster(patches / f"{name}_{index}.tif", image, BANDS)
    scene = rng.integers(500, 2500, (6, 90, 150), dtype="int16")
    _write_raster(tmp_path / "scene.tif", scene, BANDS)
    _write_scenes_of_sensors(tmp_path, names, scene, rng)
    for name in ("land_cover.tif", "land_cover_labels.tif"):
        _write_raster(tmp_path / name, rng.integers(0, 3, (1, 90, 150), dtype="uint8"))
    probabilities = rng.random((3, 90, 150), dtype="float32")
    _write_raster(tmp_path / "probabilities.tif", probabilities, ["forest", "water", "other"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Page:
    """Runs the blocks of a page in their order."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture) -> None:
        self.folder = folder
        self.capsys = capsys
        self.files: list[str] = []
        self.names: dict[str, object] = {"__name__": "a_page"}

    def run(self, block: re.Match) -> None:
        handler = {
            "python": self.python, "yaml": self.yaml, "bash": self.bash,
        }.get(block["language"])  # fmt: skip
        if handler:
            handler(block["text"], block["mark"], block["value"])
        else:
            assert block["language"] in {"text", "mermaid"}, block["language"]

    def python(self, text: str, mark: str | None, value: str | None) -> None:
        if mark == "file":
            self.folder.joinpath(str(value)).write_text(text)
        else:
            exec(compile(text, "a page of the documentation", "exec"), self.names)

    def yaml(self, text: str, mark: str | None, value: str | None) -> None:
        if mark == "file":
            self.folder.joinpath(value).write_text(text)
            self.files.append(value)
            return
        assert mark == "over", "a YAML block says whether it is a file, or over which it is laid"
        self.folder.joinpath("over.yaml").write_text(text)
        self.command(f"terratorch fit -c {value} -c over.yaml --trainer.fast_dev_run true")

    def bash(self, text: str, mark: str | None, value: str | None) -> None:
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if words[0] == "make":
                assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            elif words[0] == "terratorch":
                self.command(line, value if mark == "fails" else None)
                if mark == "checkpoint" and words[1] == "fit":
                    best = sorted(self.folder.glob("**/best*.ckpt"))
                    shutil.copy(next(f for f in best if "state_dict" not in f.name), value)
            else:
                assert line in {"pip install ."}, f"{line} is not run by this test"

    def command(self, line: str, fails: str | None = None) -> None:
        code = main(shlex.split(line, comments=True)[1:])
        said = self.capsys.readouterr()
        if fails:
            assert code == 2, said.err
            assert fails.strip("'") in said.err
        else:
            assert code == 0, f"{line}\n{said.out[-1500:]}\n{said.err[-3000:]}"


@pytest.fixture(autouse=True)
def _registries_as_before(monkeypatch):
    from terratorch import registry

    for name in registry.__all__:
        part = getattr(registry, name)
        if isinstance(part, registry.Registry):
            monkeypatch.setattr(part, "_constructors", dict(part._constructors))
        elif isinstance(part, registry.MultiSourceRegistry):
            monkeypatch.setattr(part, "_sources", dict(part._sources))


def _blocks(page: Path) -> list[re.Match]:
    return list(BLOCK.finditer(page.read_text()))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_as_it_stands(page, folder, capsys):
    runner = Page(folder, capsys)
    for block in _blocks(page):
        if page.name == "README.md" and "land_cover.yaml" in block["text"]:
            continue  # the quick start runs these commands, with the file that they name
        runner.run(block)
    unused = [name for name in runner.files if f"-c {name}" not in page.read_text()]
    assert not unused, "a YAML that no command uses is not known to work"


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_two_commands_stand_in_the_readme():
    marked = [b for b in _blocks(ROOT / "README.md") if b["mark"] == "the two commands"]
    commands = [line.split("#")[0].strip() for line in marked[0]["text"].splitlines()]
    assert commands == ["make demo", "make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
