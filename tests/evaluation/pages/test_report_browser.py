"""Reports in a real browser: nothing is missing, nothing sticks out, nothing is logged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from browser import open_page
from terratorch.evaluation.chips import ChipCollector
from terratorch.evaluation.curves import Curve, TrainingLog
from terratorch.evaluation.evaluation import Card, ChipScore, Evaluation, SampleSet
from terratorch.evaluation.pages.page import write_page
from terratorch.evaluation.pages.report import render
from terratorch.evaluation.pages.report_search import Report
from terratorch.evaluation.reported import REPORTED
from terratorch.evaluation.thumbnails import Thumbnail

pytestmark = pytest.mark.slow

NAMES = ["forest", "a class with a name that is quite long", "<b>&", "water"]
# What is wider than its box or the page, pictures that do not load, links that lead nowhere.
LOOK = """
const wide = [...document.querySelectorAll("section, .tile, .panel, .card, figure, header, nav")]
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
  .map((node) => node.className || node.tagName);
const broken = [...document.images].filter((image) => !image.naturalWidth).length;
const lost = [...document.querySelectorAll('a[href^="#"]')]
  .filter((link) => !document.getElementById(link.hash.slice(1))).map((link) => link.hash);
const sections = [...document.querySelectorAll("section")];
const before = getComputedStyle(document.body).backgroundColor;
const names = [...document.querySelectorAll(".classes tbody th")].map((node) => node.textContent);
const clipped = [...document.querySelectorAll("svg.chart text")].filter((node) => {
  const svg = node.ownerSVGElement.getBoundingClientRect(), box = node.getBoundingClientRect();
  return box.left < svg.left - 1 || box.right > svg.right + 1 || box.bottom > svg.bottom + 2;
}).map((node) => node.textContent);
document.getElementById("theme-toggle").click();
return {
  overflow: document.documentElement.scrollWidth - innerWidth, wide, broken, lost, names, clipped,
  empty: sections.filter((node) => node.offsetHeight < 60).map((node) => node.id),
  sections: sections.map((node) => node.id), images: document.images.length, before,
  after: getComputedStyle(document.body).backgroundColor,
  marks: document.querySelectorAll(".chart .mark").length,
  cells: document.querySelectorAll(".matrix tbody td").length,
  matrix: [...document.querySelectorAll(".matrix tbody tr:first-child td")]
    .filter((node) => node.getBoundingClientRect().right < innerWidth).length,
};
"""


def _evaluation(kind: str) -> Evaluation:
    random = np.random.default_rng(0)
    names = [] if kind == "regression" else NAMES
    collector = ChipCollector(kind, names, None, (0, 1, 2))
    for index in range(30):
        cells = tuple((cell, int(count)) for cell, count in enumerate(random.integers(1, 99, 16)))
        sums = (64.0, 10.0, *map(float, 100 * random.random(3)))
        chip = ChipScore(
            f"/data/a_rather_long_folder_name/chips/test/chip_number_{index:05d}_merged.tif",
            float(random.random()),
            () if kind == "regression" else cells,
            sums if kind == "regression" else (),
        )
        maps = random.integers(0, 4, (2, 32, 32)).astype(np.float32)
        image = random.random((32, 32, 3), np.float32)
        label = (*maps, maps[0] > 0) if REPORTED[kind].draws_maps else ()
        collector.chips.append(chip)
        collector.keeper.add(
            chip.score, lambda chip=chip, image=image, label=label: Thumbnail(
                chip.filename, chip.score, image, *label
            )
        )  # fmt: skip
    cards = [Card("Model", [("Backbone", "prithvi_eo_v2_300_tl"), ("Loss", "ce, " * 40)])]
    return Evaluation(
        kind, names, None, [collector.sample_set("", {"loss": 0.5})], "2026-01-01T00:00:00",
        "/runs/1/checkpoints/best.ckpt", cards, "model:\n  key: " + "value " * 60,
        ["Some chips <are> missing."],
    )  # fmt: skip


def _log() -> TrainingLog:
    steps = list(range(0, 200, 10))
    down = Curve(steps, [float(np.exp(-step / 80)) for step in steps])
    names = ("train/loss", "val/loss", "val/mIoU", "val/IoU_forest")
    return TrainingLog(Path("/runs/1"), dict.fromkeys(names, down))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("kind", REPORTED)
def test_a_report_is_whole_in_a_browser(kind, width, dark, tmp_path):
    page = write_page(tmp_path / "report.html", render(Report(_evaluation(kind), _log())))
    opened = open_page(page, LOOK, width=width, dark=dark)
    seen = opened.answer
    assert opened.console == []
    assert (seen["broken"], seen["lost"], seen["empty"]) == (0, [], [])
    assert seen["overflow"] <= 0, seen["wide"]
    assert seen["wide"] == []
    assert seen["clipped"] == []
    assert seen["images"] == (48 if REPORTED[kind].draws_maps else 12)
    assert seen["marks"] == 4 * 20
    if kind != "regression":
        assert seen["names"] == NAMES
        assert seen["cells"] == 16
    shades = [sum(map(int, text[4:-1].split(","))) for text in (seen["before"], seen["after"])]
    assert (shades[0] < shades[1]) == dark
    assert min(shades) < 100
    assert max(shades) > 600


def test_many_classes_and_two_sets_fit(tmp_path):
    names = [f"class number {index} with a name that is quite long" for index in range(30)]
    cells = tuple((index * 31, 10) for index in range(30))
    chips = [ChipScore(f"{index}.tif", index / 10, cells) for index in range(9)]
    evaluation = replace(
        _evaluation("segmentation"),
        class_names=names,
        sets=[SampleSet("north", chips, {}, []), SampleSet("south", chips, {}, [])],
    )
    page = write_page(tmp_path / "report.html", render(Report(evaluation, None)))
    opened = open_page(page, LOOK, width=390)
    assert opened.console == []
    assert opened.answer["overflow"] <= 0
    assert opened.answer["cells"] == 2 * 900
    assert opened.answer["matrix"] >= 6  # beside their names there is room for columns
    assert "scores-1" in opened.answer["sections"]


def test_a_report_without_a_test_is_whole(tmp_path):
    page = write_page(tmp_path / "report.html", render(Report(None, _log(), ["A note."])))
    opened = open_page(page, LOOK, width=390, dark=True)
    assert opened.console == []
    assert opened.answer["overflow"] <= 0
    assert opened.answer["sections"] == ["curves"]


def test_what_a_page_asks_for_is_refused(tmp_path):
    text = render(Report(None, _log()))
    text = text.replace("<main>", '<main><img src="https://example.invalid/a.png">')
    opened = open_page(write_page(tmp_path / "report.html", text))
    assert any("Content Security Policy" in line for line in opened.console)
