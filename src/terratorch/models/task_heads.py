"""What a model of each task is made of: a table that a new task extends by a row."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from terratorch.errors import ConfigurationError, did_you_mean
from terratorch.models.embedding_model import EmbeddingModel
from terratorch.models.encoder_decoder_model import EncoderDecoderModel
from terratorch.models.heads import (
    ClassificationHead,
    RegressionHead,
    ScalarHead,
    SegmentationHead,
)
from terratorch.models.pixel_wise_model import PixelWiseModel, PixelWiseRegressionModel
from terratorch.models.scalar_output_model import ScalarOutputModel


@dataclass(frozen=True)
class TaskHead:
    """The model and the head of a task.

    Attributes:
        model: The class of the model.
        head: The class of the head; None for a model without decoder and head.
        size_argument: The argument that says how many channels the prediction has.
        default_size: How many where it is not given; None: it must be.
    """

    model: type[EncoderDecoderModel]
    head: type[nn.Module] | None
    size_argument: str = ""
    default_size: int | None = None


TASK_HEADS = {
    "segmentation": TaskHead(PixelWiseModel, SegmentationHead, "num_classes"),
    "regression": TaskHead(PixelWiseRegressionModel, RegressionHead, "num_outputs", 1),
    "classification": TaskHead(ScalarOutputModel, ClassificationHead, "num_classes"),
    "scalar_regression": TaskHead(ScalarOutputModel, ScalarHead, "num_outputs", 1),
    "embedding_generation": TaskHead(EmbeddingModel, None),
}
# What tasks read too, so that it may stand beside a model that has its size already.
SIZE_ARGUMENTS = tuple(
    dict.fromkeys(row.size_argument for row in TASK_HEADS.values() if row.size_argument)
)


def task_head(task: str) -> TaskHead:
    """Return what a model of a task is made of.

    Raises:
        ConfigurationError: If there is no such task.
    """
    if task not in TASK_HEADS:
        raise ConfigurationError(
            "model_args.task",
            f"is '{task}'",
            f"{did_you_mean(str(task), TASK_HEADS)} Known: {', '.join(TASK_HEADS)}.".strip(),
        )
    return TASK_HEADS[task]


def prediction_size(wanted: TaskHead, **sizes: int | None) -> int | None:
    """Return how many channels the prediction has, or None where nothing says so.

    Args:
        wanted: The row of the task.
        sizes: What the user gave, by argument.

    Raises:
        ConfigurationError: If a number is given that the task does not use.
    """
    for argument, value in sizes.items():
        if value is not None and argument != wanted.size_argument:
            raise ConfigurationError(
                f"model_args.{argument}",
                f"is {value}, but this task does not use it",
                f"It uses {wanted.size_argument}." if wanted.size_argument else "Leave it out.",
            )
    size = sizes.get(wanted.size_argument)
    return wanted.default_size if size is None else size
