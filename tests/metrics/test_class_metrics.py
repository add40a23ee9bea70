import pickle

import pytest
import torch
from torch.nn.functional import max_pool2d
from torchmetrics import functional as known

from terratorch.errors import ConfigurationError
from terratorch.metrics.classes import classification_metrics, segmentation_metrics
from terratorch.metrics.functional import boundary_counts
from terratorch.tasks.metrics import BoundaryMeanIoU

CLASSES = 5


def labels(seed, shape=(2, 12, 10)):
    return torch.randint(0, CLASSES - 1, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("ignore_index", [None, 255, -1, 0])
def test_values_are_those_of_torchmetrics(ignore_index):
    # Class 4 is never seen: it must not count in means.
    prediction, target = labels(0), labels(1)
    if ignore_index is not None:
        target[0, :4] = ignore_index
    ours = segmentation_metrics(CLASSES, ignore_index, None)
    ours.update(prediction[:1], target[:1])
    ours.update(prediction[1:], target[1:])
    values = ours.compute()
    arguments = {"num_classes": CLASSES, "ignore_index": ignore_index}
    both = (prediction, target)
    jaccard, accuracy = (
        known.classification.multiclass_jaccard_index,
        known.classification.multiclass_accuracy,
    )
    expected = {
        "mIoU": jaccard(*both, **arguments),
        "mIoU_Micro": jaccard(*both, **arguments, average="micro"),
        "Accuracy": accuracy(*both, **arguments),
        "Pixel_Accuracy": accuracy(*both, **arguments, average="micro"),
        "F1_Score": known.classification.multiclass_f1_score(*both, **arguments),
    }
    for index in range(CLASSES):
        expected[f"IoU_{index}"] = jaccard(*both, **arguments, average="none")[index]
        expected[f"Class_Accuracy_{index}"] = accuracy(*both, **arguments, average="none")[index]
    for name, value in expected.items():
        torch.testing.assert_close(values[name], value, msg=name)


def test_classification_values_are_those_of_torchmetrics():
    prediction, target = labels(0, (40,)), labels(1, (40,))
    values = classification_metrics(CLASSES, None, list("abcde"))(prediction, target)
    arguments = (prediction, target, CLASSES)
    expected = known.classification.multiclass_precision(*arguments)
    torch.testing.assert_close(values["Precision"], expected)
    expected = known.classification.multiclass_f1_score(*arguments, average="none")[2]
    torch.testing.assert_close(values["Class_F1_c"], expected)


def reference_boundary(mask, thickness):
    """The window of a mask holds both, as two max pools find it."""
    size = 2 * thickness + 1
    pool = [max_pool2d(part[:, None].float(), size, 1, thickness)[:, 0] for part in (mask, ~mask)]
    return (pool[0] > 0) & (pool[1] > 0)


@pytest.mark.parametrize("ignore_index", [None, 255])
@pytest.mark.parametrize("thickness", [1, 2, 20])
@pytest.mark.parametrize("classes", [4, 130])
def test_boundaries_are_those_of_one_mask_a_class(classes, thickness, ignore_index):
    generator = torch.Generator().manual_seed(0)
    prediction, target = (
        torch.randint(0, classes, (2, 4, 4), generator=generator).repeat_interleave(4, dim=1)
        for _ in range(2)
    )
    counted = torch.ones_like(target, dtype=torch.bool)
    if ignore_index is not None:
        target[0, :5] = ignore_index
        counted = target != ignore_index
    intersection, union = boundary_counts(prediction, target, classes, thickness, ignore_index)
    for index in range(classes):
        ours = reference_boundary(prediction == index, thickness) & counted
        theirs = reference_boundary(target == index, thickness) & counted
        assert intersection[index] == (ours & theirs).sum()
        assert union[index] == (ours | theirs).sum()


def test_boundary_golden_values():
    target = torch.zeros(1, 32, 32, dtype=torch.long)
    target[:, 8:24, 8:24] = 1
    target[:, 20:30, 2:10] = 2
    prediction = torch.roll(target, (2, 1), (1, 2))
    for arguments, expected in (
        ({}, 0.5018383264541626),
        ({"average": "micro", "thickness": 1}, 0.18421052396297455),
        ({"include_background": False}, 0.5060908198356628),
    ):
        metric = BoundaryMeanIoU(4, **arguments)
        metric.update(prediction, target)
        assert metric.compute().item() == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ConfigurationError, match="average: 'most'"):
        BoundaryMeanIoU(4, average="most")


def test_a_collection_counts_once_and_can_be_pickled():
    metrics = segmentation_metrics(3, None, ["a", "b", "c"])
    assert len(metrics.compute_groups) == 2
    pickle.loads(pickle.dumps(metrics))
    metrics.update(torch.zeros(1, 4, 4, dtype=torch.long), torch.zeros(1, 4, 4, dtype=torch.long))
    assert metrics.compute()["IoU_a"] == 1
