"""The sections of a report."""

import pytest

from terratorch.evaluation.evaluation import ChipScore, Evaluation, SampleSet, ShownChip
from terratorch.evaluation.pages.report import render
from terratorch.evaluation.pages.report_search import Report


def _rendered(names: list[str], chips: list[ChipScore]) -> str:
    panels = [ShownChip("worst", chip.filename, chip.score, []) for chip in chips]
    sample_set = SampleSet("", chips, {}, panels)
    kind = "segmentation" if names else "regression"
    evaluation = Evaluation(kind, names, None, [sample_set], "2026-01-01T00:00:00")
    return render(Report(evaluation, None))


def test_classes_beyond_the_legend_are_counted():
    names = [f"class {index}" for index in range(50)]
    shown = _rendered(names, [ChipScore("a.tif", 0.5, ((0, 1),))])
    legend = shown[shown.index('id="chips-0"') :]
    assert "class 23" in legend
    assert "class 24" not in legend
    assert "and 26 more" in legend
    assert "50 classes are too many for a matrix" in shown


def test_names_of_files_and_classes_are_text():
    shown = _rendered(['"><script>'], [ChipScore('"><script>.tif', 0.5, ((0, 1),))])
    assert "&lt;script&gt;.tif" in shown
    assert "><script>." not in shown
    assert '"><script>"' not in shown


def test_scores_that_are_not_finite_have_no_bars():
    sums = (1.0, 1.0, 1.0, 1.0, 1.0)
    chips = [ChipScore("a.tif", float("inf"), sums=sums), ChipScore("b.tif", float("nan"))]
    chips[1] = ChipScore("b.tif", float("nan"), sums=(0.0,) * 5)
    assert 'class="bar"' not in _rendered([], chips)
    shown = _rendered([], [*chips, ChipScore("c.tif", 2.0, sums=sums)])
    assert shown.count('class="bar"') == 1
    listed = shown[shown.index("The worst, by file") :]
    assert listed.index("a.tif") < listed.index("c.tif")


@pytest.mark.parametrize("score", [float("nan")])
def test_a_set_without_labels_says_so(score):
    shown = _rendered([], [ChipScore("a.tif", score, sums=(0.0,) * 5)])
    assert "No chip of this test set has a label." in shown
    assert 'id="chips-0"' not in shown
