"""The model and head of each task: one row per task."""

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
        size_argument: The argument for the channels of the prediction.
        default_size: Its default; None if it is required.
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
# Tasks read these too, so they are accepted with a model whose size is fixed already.
SIZE_ARGUMENTS = tuple(
    dict.fromkeys(row.size_argument for row in TASK_HEADS.values() if row.size_argument)
)


def task_head(task: str) -> TaskHead:
    """Return the model and head of a task.

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


def prediction_size(task: TaskHead, **sizes: int | None) -> int | None:
    """Return the channels of the prediction, or None if unknown.

    Args:
        task: The row of the task.
        sizes: The user's values, by argument.

    Raises:
        ConfigurationError: If the task does not use a value.
    """
    for argument, value in sizes.items():
        if value is not None and argument != task.size_argument:
            raise ConfigurationError(
                f"model_args.{argument}",
                f"is {value}, but this task does not use it",
                f"It uses {task.size_argument}." if task.size_argument else "Remove it.",
            )
    size = sizes.get(task.size_argument)
    return task.default_size if size is None else size
