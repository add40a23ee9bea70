"""Checks of what is predicted: images on another scale than in training, outputs without numbers.

Both look right in a map: a class id for every pixel.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from terratorch.contracts.input_spec import ImageSpec, InputSpec
from terratorch.errors import NotANumberError
from terratorch.logs import warn_once
from terratorch.tasks.batch_checks import files_of

logger = logging.getLogger(__name__)

# In standard deviations of training. Snow, cloud or water fill some scenes and still lie within.
_FAR = 10.0
_OFF = 0.5
_FLAT = 1e-3
# A grid of so many pixels a side tells the mean of a scene of any size.
_GRID = 256


class PredictionChecks:
    """Check the batches of a prediction; warn once about images on another scale."""

    def check_scale(self, batch: Mapping[str, Any], input_spec: InputSpec | None) -> None:
        """Warn if normalised images are far from those of training.

        Args:
            batch: The batch, with `image` `(B, C, ...)` or a dictionary of such by modality, and
                `valid` `(B, H, W)` where it is known.
            input_spec: How images are normalised; None or without means where they are not.
        """
        if input_spec is None:
            return
        if input_spec.is_single:
            self._check_image(batch["image"], batch, input_spec.image)
            return
        for name, image in input_spec.images.items():
            self._check_image(batch["image"].get(name), batch, image, f"{name} of ")

    def _check_image(
        self, image: Any, batch: Mapping[str, Any], spec: ImageSpec, of: str = ""
    ) -> None:
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
                "convert it; or set data.init_args.constant_scale in a configuration and give that "
                "beside the checkpoint, such as the config_deploy.yaml of the training: -c CONFIG. "
                "(said once)",
                of,
                files_of(batch, odd),
                raw,
                mean.mean(),
                owner=self,
            )

    def check_output(
        self, output: Tensor, batch: Mapping[str, Any], of_classes: bool = True
    ) -> None:
        """Raise unless an output `(B, ...)` has numbers to decide by.

        Args:
            output: What the model gave, `(B, C, ...)` where it is scores of classes.
            batch: The batch, with `filename`.
            of_classes: Whether it is scores of classes: all but one may be minus infinity, as
                models mask classes. Values are finite.

        Raises:
            NotANumberError: If they are NaN or infinite; the message names the files.
        """
        # One pass tells nearly all: a sum is finite only where all it is made of is.
        if torch.isfinite(output.sum()):
            return
        # The highest score is NaN where one is, and minus infinity where all are.
        decisive = output.amax(dim=1) if of_classes else output
        wrong = ~torch.isfinite(decisive)
        bad = wrong.reshape(len(wrong), -1).any(1).nonzero().flatten().tolist()
        if bad:
            what = "NaN" if torch.isnan(decisive).any() else "infinite"
            raise NotANumberError(
                files_of(batch, bad),
                f"what the model gives for it is {what}",
                "Take the checkpoint of a training that did not diverge or, where other images "
                "come out, look at the values of this one; with trainer.precision 16-mixed, try "
                "bf16-mixed or 32.",
            )


def _moments(image: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each image and band, `(B, C)`, of a grid of pixels."""
    down, across = (max(1, size // _GRID) for size in image.shape[-2:])
    image = image[..., ::down, ::across].float()
    if valid is None:
        weight = torch.ones_like(image)
    else:
        grid = valid[..., ::down, ::across].float()
        weight = grid.view(len(grid), *[1] * (image.ndim - 3), *grid.shape[-2:]).expand_as(image)
    image, weight = image.flatten(2), weight.flatten(2)
    total = weight.sum(2).clamp(min=1)
    center = (image * weight).sum(2) / total
    spread = ((image - center[..., None]).square() * weight).sum(2).div(total).sqrt()
    # Of an image without a valid pixel nothing is said: its mean is 0.
    return center, spread
