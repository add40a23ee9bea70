"""Prediction of a batch with a model and an objective; knows no Trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from terratorch.contracts.images import Images
from terratorch.contracts.outputs import Content, Raster, Table
from terratorch.contracts.prediction import UNCERTAINTY_LAYER, Prediction
from terratorch.models.model import ModelOutput
from terratorch.tasks.objectives.objective import Objective
from terratorch.tasks.prediction_checks import check_output
from terratorch.tasks.step_result import Returned
from terratorch.tiles.ensemble import Ensemble, Pooled
from terratorch.tiles.parameters import TiledInferenceParameters

Forward = Callable[..., Returned]

# Methods of a task that take part in a prediction. A task that overrides one of them is predicted
# batch by batch through its `predict_step`; any other by model and objective alone.
HOOKS = (
    *("forward", "predict_step", "setup", "teardown", "configure_model"),
    *("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer"),
    *("on_predict_start", "on_predict_epoch_start", "on_predict_model_eval"),
    *("on_predict_batch_start", "on_predict_batch_end", "on_predict_epoch_end", "on_predict_end"),
)


def overridden_hooks(task: type, base: type) -> frozenset[str]:
    """Return which hooks of prediction a task overrides."""
    return frozenset(name for name in HOOKS if getattr(task, name) is not getattr(base, name))


def as_output(output: Returned) -> Returned:
    """Return what a model returned, a tensor as `ModelOutput`."""
    return ModelOutput(output) if isinstance(output, Tensor) else output


def joined(forward: Forward, ensemble: Ensemble | None) -> Forward:
    """Return the forward of a model, or of an ensemble of which it is the first model."""
    if ensemble is None:
        return forward

    def joint(images: Images, **facts: object) -> ModelOutput:
        return ModelOutput(ensemble(forward, images, facts))

    return joint


def forward_batch(
    forward: Forward,
    objective: Objective,
    images: Images,
    facts: Mapping[str, Any],
    tiles: TiledInferenceParameters | None = None,
) -> Returned:
    """Return the output of a model for a batch.

    Args:
        forward: The model.
        objective: What it learns.
        images: The images.
        facts: What else the model takes, by keyword.
        tiles: How images are cut; None runs them whole.
    """
    if tiles is None:
        return forward(images, **facts)
    from terratorch.tiles.tiled import tiled_inference

    def scores(images: Images, **facts: object) -> Tensor:
        return objective.scores(forward(images, **facts))

    joined = tiled_inference(scores, images, inference_parameters=tiles, **facts)
    return objective.output_of(joined)


def prediction_of(
    objective: Objective,
    scores: Tensor,
    filenames: Sequence[str],
    valid: Tensor | None = None,
    ensemble: Ensemble | None = None,
) -> Prediction:
    """Return the prediction of a batch from its scores.

    Args:
        objective: What was learned.
        scores: `(B, C, ...)`, or `(B, H, W)` from a model of one value.
        filenames: The file of each image.
        valid: `(B, H, W)`, False for pixels of nodata.
        ensemble: What joined the scores of several views or models.

    Raises:
        NotANumberError: If scores are NaN or infinite; the message names the files.
    """
    of_classes = Content.PROBABILITIES in objective.available_outputs
    if isinstance(scores, Tensor):  # detectors return lists
        check_output(scores, {"filename": filenames}, of_classes)
    pooled = Pooled(scores) if ensemble is None else ensemble.split(scores)
    prediction = objective.prediction(pooled.scores, filenames, valid)
    if pooled.uncertainty is None:
        return prediction
    type_ = objective.output_type
    assert issubclass(type_, Raster | Table), "only these are joined from several models"
    uncertainty = type_(pooled.uncertainty, Content.VALUES, pooled.bands)
    return replace(prediction, outputs={**prediction.outputs, UNCERTAINTY_LAYER: uncertainty})
