"""Checks of predictions: images on another scale than in training, outputs that are not numbers.

Both would look right in a map, which has a class for every pixel.
"""

from __future__ import annotations

import logging

import torch
from torch import Tensor

from terratorch.contracts.input_spec import ImageSpec, InputSpec
from terratorch.errors import NotANumberError
from terratorch.logs import warn_once
from terratorch.tasks.batch_checks import files_of
from terratorch.tasks.step_result import Batch

logger = logging.getLogger(__name__)

# In standard deviations of training. Scenes full of snow, cloud or water are still within.
_FAR = 10.0
_OFF = 0.5
_FLAT = 1e-3
# A grid of this many pixels a side is enough for the mean of a scene of any size.
_GRID = 256


def check_scale(batch: Batch, input_spec: InputSpec | None, owner: object = None) -> None:
    """Warn once if normalised images are far from those of training.

    Args:
        batch: The batch, with `image` `(B, C, ...)` or a dictionary of such by modality, and
            `valid` `(B, H, W)` if it is known.
        input_spec: How images are normalised; None or without means if they are not.
        owner: Whose prediction it is: another one is warned again.
    """
    if input_spec is None:
        return
    if input_spec.is_single:
        _check_image(batch["image"], batch, input_spec.image, owner)
        return
    for name, spec in input_spec.images.items():
        _check_image(batch["image"].get(name), batch, spec, owner, f"{name} of ")


def _check_image(image: object, batch: Batch, spec: ImageSpec, owner: object, of: str = "") -> None:
    means, stds = spec.means, spec.stds
    if not means or not stds or not isinstance(image, Tensor):
        return
    if image.ndim < 4 or image.shape[1] % len(means):
        return
    center, spread = _moments(image, batch.get("valid"))
    far = (center.abs() > _FAR) | ((spread < _FLAT) & (center.abs() > _OFF))
    odd = (far.float().mean(dim=1) > 0.5).nonzero().flatten().tolist()
    if odd:
        steps = image.shape[1] // len(means)
        mean, std = torch.tensor([*means] * steps), torch.tensor([*stds] * steps)
        raw = (center[odd[0]].float().cpu() * std + mean).mean()
        warn_once(
            logger,
            "%s%s: its values are on another scale than those of training: their mean is %.3g, "
            "in training it was %.3g. If its units differ (reflectance 0 to 1, or x 10000), "
            "convert it; or set data.init_args.constant_scale in a configuration and pass it "
            "with the checkpoint, such as the config_deploy.yaml of the training: -c CONFIG. "
            "(logged once)",
            *(of, files_of(batch, odd), raw, mean.mean()),
            owner=owner,
        )


def check_output(output: Tensor, batch: Batch, of_classes: bool = True) -> None:
    """Raise unless scores `(B, ...)` are numbers to decide by.

    Args:
        output: What the model gave, `(B, C, ...)` if it is scores of classes.
        batch: The batch, with `filename`.
        of_classes: Whether it is scores of classes: all but one may be minus infinity, as models
            mask classes. Values must be finite.

    Raises:
        NotANumberError: If they are NaN or infinite; the message names the files.
    """
    # One pass is enough nearly always: a sum is finite only if all its terms are.
    if torch.isfinite(output.sum()):
        return
    # The highest score is NaN if one is, and minus infinity if all are.
    decisive = output.amax(dim=1) if of_classes else output
    wrong = ~torch.isfinite(decisive)
    bad = wrong.reshape(len(wrong), -1).any(1).nonzero().flatten().tolist()
    if bad:
        what = "NaN" if torch.isnan(decisive).any() else "infinite"
        raise NotANumberError(
            files_of(batch, bad),
            f"the output of the model is {what}",
            "Take the checkpoint of a training that did not diverge. If other images are predicted "
            "well, check the values of this one; with trainer.precision 16-mixed, try bf16-mixed "
            "or 32.",
        )


def _moments(image: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each image and band, `(B, C)`, on a grid of pixels."""
    down, across = (max(1, size // _GRID) for size in image.shape[-2:])
    image = image[..., ::down, ::across].float()
    if valid is None:
        weight = torch.ones_like(image)
    else:
        grid = valid[..., ::down, ::across].float()
        weight = grid.view(len(grid), *[1] * (image.ndim - 3), *grid.shape[-2:]).expand_as(image)
    image, weight = image.flatten(2), weight.flatten(2)
    # An image without a valid pixel gets the mean 0, which is never far.
    total = weight.sum(2).clamp(min=1)
    center = (image * weight).sum(2) / total
    spread = ((image - center[..., None]).square() * weight).sum(2).div(total).sqrt()
    return center, spread
