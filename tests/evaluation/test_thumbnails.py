"""Which chips are kept while a test runs."""

import numpy as np
import pytest

from terratorch.evaluation.thumbnails import (
    CHIPS_PER_RANK,
    ChipKeeper,
    Thumbnail,
    thumbnail_grid,
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
    assert ranks["worst"] == ordered[:CHIPS_PER_RANK].tolist()
    assert ranks["best"] == ordered[::-1][:CHIPS_PER_RANK].tolist()
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
    assert len(shown) == len(set(shown)) >= 2 * CHIPS_PER_RANK


def test_a_thumbnail_spans_the_chip():
    rows, columns = thumbnail_grid(1024, 300)
    assert len(rows) == 256
    assert len(columns) == 75
    assert rows[-1] >= 1020
    assert [len(places) for places in thumbnail_grid(64, 2)] == [64, 2]
