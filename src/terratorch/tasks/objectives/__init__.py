"""Objectives: what tasks learn, as pure objects that need neither Lightning nor a Trainer."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from terratorch.tasks.objectives.objective import Objective

# The objective of each built-in task, so that a checkpoint predicts without its task.
OBJECTIVES: dict[str, str] = {
    "SemanticSegmentationTask": "segmentation:SegmentationObjective",
    "ClassificationTask": "classification:ClassificationObjective",
    "PixelwiseRegressionTask": "regression:RegressionObjective",
}


def objective_of(task: str) -> type[Objective]:
    """Return the objective of a built-in task."""
    module, _, name = OBJECTIVES[task].partition(":")
    return cast("type[Objective]", getattr(importlib.import_module(f"{__name__}.{module}"), name))
