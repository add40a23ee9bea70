"""The parts of a report that show chips."""

import numpy as np
import pytest

from terratorch.evaluation.evaluation import ChipScore, Evaluation, Kind, SampleSet
from terratorch.evaluation.pages import report_chips


def _evaluation(names: list[str], chips: list[ChipScore]) -> tuple[Evaluation, SampleSet]:
    sample_set = SampleSet("", chips, {}, [])
    kind = Kind.SEGMENTATION if names else Kind.REGRESSION
    return Evaluation(kind, names, None, [sample_set], "2026-01-01T00:00:00"), sample_set


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_the_worst_chip_stays_on_a_map_that_is_thinned_out(count, monkeypatch):
    monkeypatch.setattr(report_chips, "_MOST_ON_MAP", 3)
    chips = [
        ChipScore(f"chip_{index}.tif", 1.0 + index, bounds=(index, 0, index + 1, 1))
        for index in range(count)
    ]
    drawn = report_chips.places(*_evaluation([], chips))
    assert f"chip_{count - 1}.tif" in drawn
    assert drawn.count("<title>") <= 3
    assert ("are left out" in drawn) == (count > 3)


def test_the_legend_of_the_map_says_that_scores_lie_beyond_its_ends():
    scores = [0.1, *np.linspace(0.5, 0.6, 100), 0.9]
    chips = [
        ChipScore(f"{place}.tif", score, bounds=(place, 0, place + 1, 1))
        for place, score in enumerate(scores)
    ]
    drawn = report_chips.places(*_evaluation([], chips))
    assert "\u2264 0.50" in drawn
    assert "\u2265 0.599" in drawn
    assert "\u2264" not in report_chips.places(*_evaluation([], chips[1:2] * 3))


def test_classes_beyond_the_legend_are_counted():
    names = [f"class {index}" for index in range(30)]
    shown = report_chips.panels(*_evaluation(names, []))
    assert "class 23" in shown
    assert "class 24" not in shown
    assert "and 6 more" in shown


def test_names_of_files_and_classes_are_text():
    chips = [ChipScore('"><script>.tif', 0.5, bounds=(0, 0, 1, 1))]
    evaluation, sample_set = _evaluation(['"><script>'], chips)
    for part in (report_chips.panels, report_chips.places, report_chips.spread):
        assert "<script" not in part(evaluation, sample_set)


def test_scores_that_are_no_numbers_have_no_bars():
    chips = [ChipScore("a.tif", float("inf")), ChipScore("b.tif", float("nan"))]
    assert "<svg" not in report_chips.spread(*_evaluation([], chips))
    shown = report_chips.spread(*_evaluation([], [*chips, ChipScore("c.tif", 2.0)]))
    assert shown.count('class="bar"') == 1
    assert shown.index("a.tif") < shown.index("c.tif")
