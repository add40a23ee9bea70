"""Scores of a report against those that the tasks log, and their confidence intervals."""

import numpy as np
import pytest
import torch

from terratorch.evaluation.bootstrap import intervals, resampled_sums
from terratorch.evaluation.evaluation import ChipScore, Evaluation, SampleSet
from terratorch.evaluation.pages.formats import interval, number
from terratorch.evaluation.reported import REPORTED
from terratorch.evaluation.results import Results
from terratorch.metrics import formulas
from terratorch.metrics.classes import classification_metrics, segmentation_metrics
from terratorch.metrics.values import regression_metrics

CLASSES = 4


def _pairs(seed: int, chips: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets and predictions, the last class in neither."""
    random = torch.Generator().manual_seed(seed)
    target = torch.randint(0, CLASSES - 1, (chips, 8, 8), generator=random)
    other = torch.randint(0, CLASSES - 1, target.shape, generator=random)
    keep = torch.rand(target.shape, generator=random) < 0.6
    return target, target.where(keep, other)


def _chips(target: torch.Tensor, prediction: torch.Tensor, ignore: int | None) -> list[ChipScore]:
    chips = []
    for index, (one, other) in enumerate(zip(target, prediction, strict=True)):
        counted = one != (-1 if ignore is None else ignore)
        cells, counts = np.unique((one * CLASSES + other)[counted].numpy(), return_counts=True)
        pairs = tuple(zip(cells.tolist(), counts.tolist(), strict=True))
        chips.append(ChipScore(f"{index}.tif", 0.0, cells=pairs))
    return chips


def _evaluation(kind: str, chips: list[ChipScore], logged: dict, ignore: int | None = None):
    names = [] if kind == "regression" else ["a", "b", "c", "d"]
    sample_set = SampleSet("", chips, logged, [])
    return Evaluation(kind, names, ignore, [sample_set], "2026-01-01T00:00:00"), sample_set


def _results(evaluation: Evaluation, sample_set: SampleSet) -> Results:
    return REPORTED[evaluation.kind].results(evaluation, sample_set)


@pytest.mark.parametrize("ignore", [None, 255, 1])
@pytest.mark.parametrize(
    ("kind", "build"),
    [("segmentation", segmentation_metrics), ("classification", classification_metrics)],
)
def test_class_scores_are_those_of_the_tasks(kind, build, ignore):
    target, prediction = _pairs(0)
    if ignore == 255:
        target[:, :2] = 255
    metrics = build(CLASSES, ignore, ["a", "b", "c", "d"])
    metrics.update(prediction, target)
    logged = {name: float(value) for name, value in metrics.compute().items()}
    chips = _chips(target, prediction, ignore)
    results = _results(*_evaluation(kind, chips, logged, ignore))
    for name, figure in results.overall.items():
        assert figure.value == pytest.approx(logged[name], abs=1e-6), name
        assert figure.logged is None
        assert figure.interval.low <= figure.value <= figure.interval.high
    column = {"IoU": "IoU", "Recall": "Class_Accuracy", "F1": "Class_F1"}
    for row in results.classes[:-1]:
        if row.ignored:
            assert all(np.isnan(figure.value) for figure in row.figures.values())
            continue
        for heading, metric in column.items():
            if f"{metric}_{row.name}" in logged:
                expected = logged[f"{metric}_{row.name}"]
                assert row.figures[heading].value == pytest.approx(expected, abs=1e-6)
    assert np.isnan(results.classes[-1].figures["IoU"].value)  # a class that is nowhere
    assert results.confusion.sum() == sum(count for chip in chips for _, count in chip.cells)
    assert set(results.others) == ({"Boundary_mIoU"} if kind == "segmentation" else set())


def test_value_scores_are_those_of_the_task():
    random = torch.Generator().manual_seed(0)
    target, prediction = torch.randn(2, 5, 9, generator=random)
    metrics = regression_metrics()
    metrics.update(prediction, target)
    logged = {name: float(value) for name, value in metrics.compute().items()}
    chips = []
    for one, other in zip(target.double(), prediction.double(), strict=True):
        error = other - one
        sums = (9, one.sum(), one.square().sum(), error.abs().sum(), error.square().sum())
        chips.append(ChipScore("a.tif", 0.0, sums=tuple(map(float, sums))))
    results = _results(*_evaluation("regression", chips, logged))
    assert set(results.overall) == set(logged)
    assert all(figure.logged is None for figure in results.overall.values())


def test_what_was_logged_is_named_where_it_is_another_number():
    chips = _chips(*_pairs(0), None)
    results = _results(*_evaluation("segmentation", chips, {"mIoU": 0.25, "loss": 1.0}))
    assert results.overall["mIoU"].logged == 0.25
    assert results.others == {"loss": 1.0}


def test_small_values_that_differ_are_told_apart():
    chips = [ChipScore("a", 0.1, sums=(10.0, 1.0, 1.0, 1e-5, 1e-5))]  # the MSE is 1e-6
    logged = {"MSE": 1e-4, "RMSE": 1e-3 * (1 + 1e-5)}
    overall = _results(*_evaluation("regression", chips, logged)).overall
    assert overall["MSE"].logged == 1e-4
    assert overall["RMSE"].logged is None


def test_one_chip_has_no_interval():
    results = _results(*_evaluation("segmentation", _chips(*_pairs(0, 1), None), {}))
    assert results.overall["mIoU"].interval is None
    assert results.classes[0].figures["IoU"].interval is None


@pytest.mark.parametrize(
    ("kind", "counted"),
    [
        ("segmentation", {"cells": ((0, 9), (1, 1), (3, 10))}),
        ("regression", {"sums": (10.0, 30.0, 100.0, 5.0, 4.0)}),
    ],
)
def test_chips_without_a_label_do_not_widen_intervals(kind, counted):
    chips = [ChipScore(f"{index}", 0.5, **counted) for index in range(2)]
    empty = {"sums": (0.0,) * 5} if kind == "regression" else {}
    chips += [ChipScore(f"empty {index}", np.nan, **empty) for index in range(6)]
    results = _results(*_evaluation(kind, chips, {}))
    assert results.resampled == 2
    for figure in results.overall.values():
        assert figure.interval == pytest.approx((figure.value, figure.value))
    results = _results(*_evaluation(kind, chips[1:], {}))
    assert results.resampled == 0
    assert all(figure.interval is None for figure in results.overall.values())


def test_an_interval_without_width_is_not_shown():
    chips = [ChipScore(f"{index}", 1.0, cells=((0, 9), (5, 10))) for index in range(3)]
    figure = _results(*_evaluation("segmentation", chips, {})).overall["mIoU"]
    assert figure.interval == (1, 1)
    assert interval(figure) == ""


def test_predictions_that_are_no_numbers_have_no_interval():
    chips = [ChipScore("a", 1.0, sums=(10.0, 30.0, 100.0, 5.0, 4.0))]
    chips.append(ChipScore("b", np.inf, sums=(10.0, 30.0, 100.0, np.nan, np.inf)))
    rmse = _results(*_evaluation("regression", chips, {})).overall["RMSE"]
    assert (rmse.value, rmse.interval) == (np.inf, None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"), (0.12345, "0.123"), (0.000123, "0.000123"), (-0.0021, "-0.0021"),
        (12.3456, "12.346"), (123.456, "123.5"), (12345.6, "12,346"), (3.2e8, "3.2e+08"),
        (np.nan, "\u2013"), (np.inf, "inf"),
    ],
)  # fmt: skip
def test_figures_of_any_size_can_be_told_apart(value, text):
    assert number(value) == text


def test_intervals_have_the_confidence_that_they_promise():
    # 95 of 100 intervals of the mean of 100 uniform numbers hold 0.5, and 90 of 100 of a
    # confidence of 90 %; the standard error of the share over 4,000 experiments is 0.4 %.
    experiments = 4000
    rows = np.random.default_rng(1).random((100, experiments))
    low, high = np.array(intervals(resampled_sums(rows, resamples=1000) / len(rows))).T
    held = float(((low <= 0.5) & (high >= 0.5)).mean())
    assert 0.93 < held < 0.96
    # The width is that of 1.96 standard errors to both sides; of 90 % it would be 16 % less.
    widths = (high - low) / (2 * 1.96 * rows.std(axis=0) / np.sqrt(len(rows)))
    assert widths.mean() == pytest.approx(1, abs=0.04)


def test_resampling_is_repeatable_and_draws_as_many_chips():
    rows = np.random.default_rng(0).random((7, 3))
    rows[:, 2] = 1
    first, again = resampled_sums(rows, 50), resampled_sums(rows, 50)
    assert np.array_equal(first, again)
    assert np.allclose(first[:, 2], 7)
    assert np.unique(first[:, 0]).size > 10


def test_chips_that_count_alike_are_drawn_as_often():
    rows = np.repeat(np.eye(2), (30, 10), axis=0)
    sums = resampled_sums(rows, 4000)
    assert np.allclose(sums.sum(1), 40)
    assert sums[:, 0].mean() == pytest.approx(30, abs=0.2)
    assert sums[:, 0].std() == pytest.approx(np.sqrt(40 * 0.75 * 0.25), rel=0.05)


def test_constant_targets_have_no_explained_variance():
    sums = formulas.ValueSums(*map(np.float64, (4, 8, 16, 1, 1)))
    assert np.isnan(formulas.r2_score(sums))


@pytest.mark.parametrize(("kind", "first"), [("segmentation", "low"), ("regression", "high")])
def test_the_worst_chip_is_first(kind, first):
    chips = [ChipScore("low", 0.1), ChipScore("none", float("nan")), ChipScore("high", 0.9)]
    ranked = REPORTED[kind].ranked(chips)
    assert ranked[0].filename == first
    assert len(ranked) == 2
