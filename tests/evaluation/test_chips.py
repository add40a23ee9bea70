"""What is kept of the chips of a test."""

import numpy as np
import pytest
import torch

from terratorch.evaluation.chip_scores import ScoredBatch
from terratorch.evaluation.chips import ChipCollector
from terratorch.evaluation.counts import confusion_matrix
from terratorch.evaluation.evaluation import Evaluation, SampleSet
from terratorch.evaluation.pages.report import render
from terratorch.evaluation.pages.report_search import Report
from terratorch.evaluation.reported import REPORTED

NAMES = ["forest", "water", "built-up"]


def _collected(kind, output, decided, target, valid=None, names=NAMES, process=0):
    collector = ChipCollector(kind, names, None, (0, 1, 2), process=process)
    valid = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    files = collector.new_names(len(target))
    collector.add(
        ScoredBatch(files, output, decided, target, valid), torch.rand(len(target), 3, 2, 2)
    )
    return collector.chips


def test_rows_are_labels_and_columns_predictions():
    target = torch.tensor([[[0, 0], [0, 2]], [[1, 1], [1, 1]]])
    decided = torch.tensor([[[1, 1], [0, 2]], [[1, 1], [1, 0]]])
    valid = torch.tensor([[[True, True], [True, True]], [[True, True], [False, False]]])
    chips = _collected("segmentation", None, decided, target, valid)
    assert [chip.cells for chip in chips] == [((0, 1), (1, 2), (8, 1)), ((4, 2),)]
    matrix = confusion_matrix(chips, 3)
    assert matrix.tolist() == [[1, 2, 0], [0, 2, 0], [0, 0, 1]]
    assert chips[0].score == pytest.approx((1 / 3 + 0 + 1) / 3)
    assert chips[1].score == 1
    sample_set = SampleSet("", chips, {}, [])
    evaluation = Evaluation("segmentation", NAMES, None, [sample_set], "2026-01-01T00:00:00")
    results = REPORTED[evaluation.kind].results(evaluation, sample_set)
    assert results.classes[0].figures["Recall"].value == pytest.approx(1 / 3)
    assert results.classes[1].figures["Precision"].value == pytest.approx(1 / 2)
    shown = render(Report(evaluation, None))
    assert "forest predicted as water: 2 pixels" in shown
    assert "water predicted as forest: 0 pixels" in shown
    assert "<b>forest</b> as <b>water</b>" in shown


def test_a_chip_without_a_label_has_no_score():
    target = torch.zeros(2, 2, 2, dtype=torch.long)
    valid = torch.stack([torch.ones(2, 2), torch.zeros(2, 2)]).bool()
    chips = _collected("segmentation", None, target, target, valid)
    assert [chip.cells for chip in chips] == [((0, 4),), ()]
    assert np.isnan(chips[1].score)


def test_the_score_of_an_image_is_the_probability_of_its_class():
    output = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 0.0], [torch.nan, 0.0, 0.0]])
    target, decided = torch.tensor([1, 2, 1]), torch.tensor([1, 0, 0])
    chips = _collected("classification", output, decided, target)
    expected = [output[0].softmax(0)[1].item(), output[1].softmax(0)[2].item(), -np.inf]
    assert [chip.score for chip in chips] == pytest.approx(expected)
    assert [chip.cells for chip in chips] == [((4, 1),), ((6, 1),), ((3, 1),)]


def test_sums_of_values_leave_out_what_has_no_label():
    target = torch.tensor([[[1.0, 2.0], [torch.nan, 4.0]]])
    decided = torch.tensor([[[2.0, 2.0], [9.0, 1.0]]])
    (chip,) = _collected("regression", decided, decided, target, ~target.isnan(), names=[])
    assert chip.sums == (3, 7, 21, 4, 10)
    assert chip.score == pytest.approx((10 / 3) ** 0.5)


def test_chips_of_processes_have_names_of_their_own():
    target = torch.zeros(2, 2, 2, dtype=torch.long)
    names = [
        chip.filename
        for process in range(2)
        for chip in _collected("segmentation", None, target, target, process=process)
    ]
    assert names == ["chip 0", "chip 1", "chip 0 of process 1", "chip 1 of process 1"]
