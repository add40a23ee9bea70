"""Charts as SVG, and the curves that they draw."""

import re
from xml.etree import ElementTree

import pytest

from terratorch.drawing.round_numbers import ticks_around
from terratorch.errors import DataError
from terratorch.evaluation.curves import Curve, log_folders, read_log
from terratorch.evaluation.pages.charts import (
    Series,
    histogram,
    interval_bar,
    line_chart,
    tick_texts,
)


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.02, 0.31, ["0.0", "0.1", "0.2", "0.3", "0.4"]),
        (-3, 12, ["-5", "0", "5", "10", "15"]),
        (5, 5, ["5", "6", "7", "8", "9", "10"]),
        (0, 4e6, ["0", "1e+06", "2e+06", "3e+06", "4e+06"]),
    ],
)
def test_ticks_are_round_and_alike(low, high, texts):
    assert tick_texts(ticks_around(low, high)) == texts


def _numbers(svg: str, attribute: str) -> list[float]:
    return [float(value) for value in re.findall(rf' {attribute}="([-\d.]+)"', svg)]


def test_a_chart_is_drawn_inside_its_frame_and_says_what_it_shows():
    curve = Curve([0, 10, 20], [1.5, -0.5, 0.25])
    svg = line_chart("loss <1>", [Series("train", curve)], "step")
    root = ElementTree.fromstring(svg)
    assert root.attrib["aria-label"] == "loss <1>: train from 1.5 to 0.25"
    points = next(node for node in root if node.tag == "polyline").attrib["points"].split()
    assert len(points) == 3
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert all(
        0 <= float(x) <= width and 0 <= float(y) <= height
        for x, y in (p.split(",") for p in points)
    )
    assert "train, step 10: -0.5" in svg


@pytest.mark.parametrize(
    "curve",
    [
        Curve([3], [0.5]),
        Curve([0, 1], [2, 2]),
        Curve([0, 1], [0, 0]),
        Curve([0, 1], [0.8, 0.8 + 1e-15]),  # the same, but for rounding
        Curve([0, 1], [1e-15, 3e-15]),
    ],
)
def test_a_point_and_a_constant_are_drawn(curve):
    svg = line_chart("x", [Series("val", curve)], "step")
    ElementTree.fromstring(svg)
    assert "nan" not in svg
    assert svg.count("<circle") == len(curve.steps)


def test_a_histogram_counts_every_chip():
    svg = histogram([0.0, 0.5, 0.51, 1.0], "score", bins=10)
    ElementTree.fromstring(svg)
    assert sum(int(count) for count in re.findall(r": (\d+)</title>", svg)) == 4
    assert all(height > 0 for height in _numbers(svg, "height"))
    wide = histogram([3.0, 250.0], "RMSE")
    assert wide.count('class="bar"') == 2


def test_a_histogram_has_the_axis_of_its_values_or_the_one_that_is_given():
    values = [0.011, 0.012, 0.019]
    assert histogram(values, "RMSE").count('class="bar"') == 3
    assert histogram(values, "mIoU", (0.0, 1.0)).count('class="bar"') == 1


def test_an_interval_stays_on_its_rail():
    places = _numbers(interval_bar(0.5, -0.2, 1.3), "x1") + _numbers(interval_bar(1, 1, 1), "cx")
    assert all(0 <= place <= 120 for place in places)


def test_curves_of_metrics_csv(tmp_path):
    (tmp_path / "run").mkdir()
    text = "epoch,step,train/loss,val/mIoU\n0,4,,0.5\n0,4,1.5,\n1,9,nan,\n1,9,0.5,\n"
    (tmp_path / "run" / "metrics.csv").write_text(text)
    assert log_folders(tmp_path) == [tmp_path / "run"]
    log = read_log(tmp_path / "run")
    assert log.has_training
    assert log.curves == {"val/mIoU": Curve([4], [0.5]), "train/loss": Curve([4, 9], [1.5, 0.5])}


def test_another_metrics_csv_is_said(tmp_path):
    (tmp_path / "metrics.csv").write_text("metric,value\nmIoU,0.5\n")
    with pytest.raises(DataError, match=r"metrics\.csv: not written by CSVLogger .*step"):
        read_log(tmp_path)


def test_curves_of_tensorboard(tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path / "run") as writer:
        for step in range(3):
            writer.add_scalar("train/loss", 1 / (step + 1), step)
            writer.add_scalar("epoch", 0, step)
    log = read_log(log_folders(tmp_path)[0])
    assert set(log.curves) == {"train/loss"}
    assert log.curves["train/loss"].values == pytest.approx([1, 1 / 2, 1 / 3])


def test_a_long_curve_is_thinned_out_to_its_end(tmp_path):
    rows = "".join(f"{step},{step}\n" for step in range(5001))
    (tmp_path / "metrics.csv").write_text("step,train/loss\n" + rows)
    curve = read_log(tmp_path).curves["train/loss"]
    assert len(curve.steps) <= 1001
    assert (curve.steps[0], curve.steps[-1]) == (0, 5000)
