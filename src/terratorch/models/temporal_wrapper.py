"""A backbone of single images, run over every time step of a series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from terratorch.contracts.features import (
    FeatureKind,
    Features,
    Freezes,
    StopsEarly,
    channels_of,
    features_of,
)
from terratorch.contracts.images import Images
from terratorch.errors import ConfigurationError, DataError
from terratorch.models.inputs import ModelInput, inputs_of
from terratorch.ops.modules import freeze


def _mean(steps: Tensor) -> Tensor:
    return steps.mean(1)


def _max(steps: Tensor) -> Tensor:
    return steps.amax(1)


def _difference(steps: Tensor) -> Tensor:
    if steps.shape[1] != 2:
        raise DataError(
            "temporal_pooling: diff",
            f"takes two time steps, but gets {steps.shape[1]}",
            "Give temporal_subset_lengths of two groups that are averaged first.",
        )
    return steps[:, 0] - steps[:, 1]


def _keep(steps: Tensor) -> Tensor:
    return steps


# Remove the time at axis 1 of features; `concat` depends on their layout.
_POOLINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": _mean,
    "max": _max,
    "diff": _difference,
    "keep": _keep,
}
# How the time steps of a group are pooled before the groups are.
_WITHIN_GROUPS = {"mean": _mean, "max": _max, "diff": _mean, "concat": _mean}


class TemporalWrapper(nn.Module):
    """Run a backbone over every time step, and pool its features over time.

    Args:
        encoder: A backbone of images `(B, C, H, W)`.
        pooling: `mean`, `max`, `concat` (of the channels), `diff` (the first of two less the
            second) or `keep`, which keeps the time as axis 1.
        n_timestamps: Time steps, for the channels that `concat` gives.
        subset_lengths: Lengths of groups of time steps that are pooled first, in order.
        features_permute_op: Order of axes that puts the channels at axis 1; the original order is
            restored at the end.
    """

    def __init__(
        self,
        encoder: nn.Module,
        pooling: str = "mean",
        n_timestamps: int | None = None,
        subset_lengths: Sequence[int] | None = None,
        features_permute_op: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if pooling not in (*_POOLINGS, "concat"):
            raise ConfigurationError(
                "temporal_pooling",
                f"is '{pooling}'",
                f"Choose {', '.join([*_POOLINGS, 'concat'])}.",
            )
        self.encoder = encoder
        self.pooling = pooling
        self.subset_lengths = None if subset_lengths is None else list(subset_lengths)
        self.permutation = None if features_permute_op is None else list(features_permute_op)
        self.steps = len(self.subset_lengths) if self.subset_lengths else n_timestamps
        self.patch_size = getattr(encoder, "patch_size", None)

    @property
    def features(self) -> Features:
        """The features of the encoder, with the channels after pooling."""
        features = features_of(self.encoder)
        if self.pooling == "keep":
            return tuple(replace(feature, kind=FeatureKind.UNKNOWN) for feature in features)
        factor = (self.steps or 1) if self.pooling == "concat" else 1
        return tuple(replace(feature, channels=factor * feature.channels) for feature in features)

    @property
    def out_channels(self) -> list[int] | None:
        """Channels of each feature; None if `concat` does not know the number of time steps."""
        if self.pooling == "concat" and self.steps is None:
            return None
        return channels_of(self.features)

    @property
    def inputs(self) -> tuple[ModelInput, ...]:
        """The further inputs of the encoder."""
        return inputs_of(self.encoder)

    def stop_after(self, index: int) -> None:
        """Compute nothing beyond feature `index`, if the encoder can do so."""
        if isinstance(self.encoder, StopsEarly):
            self.encoder.stop_after(index)

    def freeze(self) -> None:
        """Exclude the encoder from training, except what it keeps in training itself."""
        if isinstance(self.encoder, Freezes):
            self.encoder.freeze()
        else:
            freeze(self.encoder)

    def forward(self, x: Images, **kwargs: object) -> list[Tensor]:
        """Compute the features of a time series.

        Args:
            x: Images `(B, C, T, H, W)`, or a dictionary of them by modality.
            kwargs: Further inputs of the encoder: those with axes `(B, T, ...)` are split by time,
                those with `(B, ...)` are repeated.
        """
        batch, steps = _batch_and_steps(x)
        self._check_steps(steps)
        split = {key: _split(value, batch, steps) for key, value in kwargs.items()}
        features = self.encoder(_fold(x), **split)
        listed = [features] if isinstance(features, Tensor) else features
        return [self._pool(feature.unflatten(0, (batch, steps))) for feature in listed]

    def _check_steps(self, steps: int) -> None:
        """Refuse a number of time steps that does not fit the channels or the groups."""
        expected = sum(self.subset_lengths) if self.subset_lengths else self.steps
        counted = self.subset_lengths is not None or self.pooling == "concat"
        if counted and self.pooling != "keep" and steps != expected:
            argument = "subset_lengths" if self.subset_lengths else "n_timestamps"
            raise DataError(
                "image",
                f"has {steps} time steps, but backbone_temporal_{argument} is {expected}",
                "Give images of that many, or change it.",
            )

    def _pool(self, feature: Tensor) -> Tensor:
        if self.permutation is not None:
            order = [0, *(axis + 1 for axis in self.permutation)]
            pooled = self._pooled(feature.permute(order))
            axes = self.permutation if pooled.ndim == len(self.permutation) else order
            return pooled.permute([axes.index(axis) for axis in range(pooled.ndim)])
        return self._pooled(feature)

    def _pooled(self, steps: Tensor) -> Tensor:
        if steps.ndim == 5 and steps.shape[-2:] == (1, 1):
            # The existing toolkit treats a map of one pixel as one token; its models must load.
            steps = steps.flatten(3).mT
        if self.subset_lengths is not None and self.pooling != "keep":
            within = _WITHIN_GROUPS[self.pooling]
            groups = steps.split(self.subset_lengths, dim=1)
            steps = torch.stack([within(group) for group in groups], dim=1)
        if self.pooling == "concat":
            return torch.cat(list(steps.unbind(1)), dim=-1 if steps.ndim == 4 else 1)
        return _POOLINGS[self.pooling](steps)


def _batch_and_steps(x: Images) -> tuple[int, int]:
    """Return the batch size and the number of time steps that all images share."""
    images = list(x.values()) if isinstance(x, dict) else [x]
    counts = {(image.shape[0], image.shape[2]) for image in images if image.ndim == 5}
    if len(counts) != 1:
        shapes = ", ".join(str(tuple(image.shape)) for image in images)
        raise DataError(
            "image",
            f"has the shape {shapes}, without a common number of time steps",
            "Give time series (B, C, T, H, W): expand_temporal_dimension of the data makes them.",
        )
    return counts.pop()


def _fold(x: Images) -> Images:
    if isinstance(x, dict):
        _, steps = _batch_and_steps(x)
        return {
            name: image.transpose(1, 2).flatten(0, 1)
            if image.ndim == 5
            else image.repeat_interleave(steps, dim=0)
            for name, image in x.items()
        }
    return x.transpose(1, 2).flatten(0, 1)


def _split(value: object, batch: int, steps: int) -> object:
    if not isinstance(value, Tensor) or value.ndim < 2:
        return value
    if value.shape[:2] == (batch, steps) and value.ndim > 2:
        return value.flatten(0, 1).unsqueeze(1)
    return value.repeat_interleave(steps, dim=0)
