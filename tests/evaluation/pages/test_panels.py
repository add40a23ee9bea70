"""Which chips are kept while a test runs, and how they are painted."""

import base64
import io

import numpy as np
import pytest

from terratorch.evaluation.evaluation import Kind
from terratorch.evaluation.pages.panels import (
    CHIPS_OF_A_RANK,
    WRONG,
    ChipKeeper,
    Thumbnail,
    paint_panels,
    thumbnail_places,
)

IMAGE = np.array([[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, np.nan, 9]]], np.float32)


def _kept(scores: list[float], higher: bool = True) -> tuple[ChipKeeper, int]:
    keeper, made = ChipKeeper(higher), []
    for number, score in enumerate(scores):

        def make(number: int = number, score: float = score) -> Thumbnail:
            made.append(number)
            return Thumbnail(f"{number}", score, IMAGE)

        keeper.add(score, make)
    return keeper, len(made)


@pytest.mark.parametrize("higher", [True, False])
def test_the_best_and_the_worst_are_exact_and_few_are_made(higher):
    scores = np.random.default_rng(0).permutation(5000) / 5000
    keeper, made = _kept(scores.tolist(), higher)
    chosen = keeper.chosen(0.5)
    ranks = {rank: [one.score for kind, one in chosen if kind == rank] for rank, _ in chosen}
    ordered = np.sort(scores) if higher else np.sort(scores)[::-1]
    assert ranks["worst"] == ordered[:CHIPS_OF_A_RANK].tolist()
    assert ranks["best"] == ordered[::-1][:CHIPS_OF_A_RANK].tolist()
    assert all(abs(score - 0.5) < 0.2 for score in ranks["median"])
    assert made < 400
    assert len(keeper.sample) == 24


def test_the_median_of_few_chips_is_exact():
    keeper, _ = _kept([0.9, 0.1, 0.5, 0.2, 0.8, 0.45, 0.7, 0.3, 0.6])
    middle = [one.score for rank, one in keeper.chosen(0.5) if rank == "median"]
    assert middle[0] == 0.5


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_chips_are_shown_once_each(count):
    keeper, _ = _kept([index / 10 for index in range(count)])
    shown = [one.filename for _, one in keeper.chosen(0.1)]
    assert len(shown) == len(set(shown)) == min(count, 3)


def test_what_processes_kept_is_merged():
    one, _ = _kept([0.1, 0.5, 0.9, 0.4, 0.45])
    other, _ = _kept([0.2, 0.6, 0.8, 0.3, 0.55])
    one.merge(other)
    assert one.seen == 10
    assert [kept.score for rank, kept in one.chosen(0.5) if rank == "worst"] == [0.1, 0.2, 0.3]


def test_a_chip_of_two_processes_is_shown_once():
    one, _ = _kept([0.1, 0.5, 0.9, 0.4, 0.45, 0.6])
    other, _ = _kept([0.1, 0.5, 0.9, 0.4, 0.45, 0.6])
    one.merge(other)
    shown = [(kept.filename, kept.score) for _, kept in one.chosen(0.5)]
    assert len(shown) == len(set(shown))


def test_equal_scores_do_not_compare_pictures():
    keeper, _ = _kept([1.0] * 50)
    shown = [one.filename for _, one in keeper.chosen(1.0)]
    assert len(shown) == len(set(shown)) >= 2 * CHIPS_OF_A_RANK


def test_a_thumbnail_spans_the_chip():
    rows, columns = thumbnail_places(1024, 300)
    assert len(rows) == 256
    assert len(columns) == 75
    assert rows[-1] >= 1020
    assert [len(places) for places in thumbnail_places(64, 2)] == [64, 2]


def _pixels(uri: str) -> np.ndarray:
    image = pytest.importorskip("PIL.Image")
    return np.asarray(image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_classes_and_errors_are_painted():
    target = np.array([[0, 1], [1, 255]], np.float32)
    prediction = np.array([[0, 0], [1, 1]], np.float32)
    chip = Thumbnail("a", 0.5, IMAGE, target, prediction, target < 255)
    (panel,), scale = paint_panels([("best", chip)], Kind.SEGMENTATION, [(1, 2, 3), (4, 5, 6)])
    assert scale is None
    pictures = {picture.title: _pixels(picture.uri) for picture in panel.pictures}
    assert pictures["Image"].shape == (2, 2, 3)
    assert np.ptp(pictures["Image"]) > 200
    assert pictures["Label"][0].tolist() == [[1, 2, 3, 255], [4, 5, 6, 255]]
    assert pictures["Label"][1, 1, 3] < 255
    assert pictures["Prediction"][1, 1].tolist() == [4, 5, 6, 255]
    errors = pictures["Errors"]
    assert errors[0, 1].tolist() == [*WRONG, 255]
    assert errors[0, 0, 3] == errors[1, 0, 3] == 0  # right: nothing to see
    assert 0 < errors[1, 1, 3] < 255  # no label: no error


def test_values_share_a_scale():
    target = np.array([[0, 10], [5, np.nan]], np.float32)
    chip = Thumbnail("a", 0.5, IMAGE, target, np.full((2, 2), 5, np.float32), ~np.isnan(target))
    (panel,), scale = paint_panels([("best", chip)], Kind.REGRESSION, [])
    assert 0 <= scale.low < 5 < scale.high <= 10
    assert scale.error == pytest.approx(5, rel=0.1)
    label, prediction, errors = (_pixels(picture.uri) for picture in panel.pictures[1:])
    assert label[1, 0].tolist() == prediction[0, 0].tolist()
    assert label[1, 1, 3] < 255
    too_high, too_low = errors[0, 0].astype(int), errors[0, 1].astype(int)
    assert too_high[0] > too_high[2]  # red
    assert too_low[2] > too_low[0]  # blue


def test_predictions_that_are_no_numbers_are_left_out_of_the_scale():
    target = np.array([[0, 10], [5, 5]], np.float32)
    prediction = np.array([[0, np.nan], [np.inf, 10]], np.float32)
    chip = Thumbnail("a", np.inf, IMAGE, target, prediction, np.ones((2, 2), bool))
    (panel,), scale = paint_panels([("worst", chip)], Kind.REGRESSION, [])
    assert np.isfinite([scale.low, scale.high, scale.error]).all()
    predicted, errors = (_pixels(picture.uri)[..., 3] for picture in panel.pictures[2:])
    assert (predicted < 255).tolist() == (errors < 255).tolist() == [[False, True], [True, False]]
