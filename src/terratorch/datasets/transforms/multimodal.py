"""Transforms of samples with several modalities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from terratorch.contracts.facts import Sample
from terratorch.datasets.transforms.build import Transform
from terratorch.errors import ConfigurationError

# Modalities of a sample that spatial transforms skip, in addition to those that the user names.
_NOT_IMAGES = ("filename", "label")


class MultimodalToTensor:
    """Turn the arrays of modalities into tensors, with channels first.

    `(H, W, C)` becomes `(C, H, W)`, `(T, H, W, C)` becomes `(C, T, H, W)`; vectors and masks
    `(H, W)` stay unchanged.

    Args:
        modalities: Which entries of the sample are images.
    """

    def __init__(self, modalities: Sequence[str]) -> None:
        self.modalities = list(modalities)

    def __call__(self, sample: Sample) -> Sample:
        """Return the sample with tensors."""
        return {key: self._convert(key, value) for key, value in sample.items()}

    def _convert(self, key: str, value: object) -> object:
        if not isinstance(value, np.ndarray):
            return value
        if key in self.modalities and value.ndim >= 3:
            value = np.moveaxis(value, -1, 0)
        return torch.from_numpy(np.ascontiguousarray(value))


class MultimodalTransforms:
    """Apply transforms to the modalities of a sample: one random choice for all, or for each.

    Args:
        transforms: A `Compose` of albumentations for all, or one for each modality by name.
        shared: Whether all modalities get the same random choice; this needs one `Compose`, whose
            `additional_targets` name the modalities.
        non_image_modalities: Modalities that are skipped.
        non_image_transform: What is applied to those instead.
    """

    def __init__(
        self,
        transforms: Transform,
        shared: bool = True,
        non_image_modalities: list[str] | None = None,
        non_image_transform: Callable[[object], object] | None = None,
    ) -> None:
        if shared and isinstance(transforms, Mapping):
            raise ConfigurationError(
                "transforms",
                "one for each modality, but shared is true",
                "Give one for all, or set shared to false.",
            )
        self.transforms, self.shared = transforms, shared
        self.non_image_modalities = list(non_image_modalities or ())
        self.non_image_transform = non_image_transform

    def __call__(self, sample: Sample) -> Sample:
        """Return the transformed sample."""
        apart = {
            key: value
            for key, value in sample.items()
            if key in (*self.non_image_modalities, *_NOT_IMAGES)
        }
        images = {key: value for key, value in sample.items() if key not in apart}
        done = self._shared(images) if self.shared else self._each(images)
        return done | {key: self._other(key, value) for key, value in apart.items()}

    def _shared(self, images: Sample) -> Sample:
        if "image" in images:
            return dict(self.transforms(**images))
        # albumentations wants one of them under this name, to take the size from.
        first = next(iter(images))
        done = dict(self.transforms(image=images.pop(first), **images))
        return {first: done.pop("image"), **done}

    def _each(self, images: Sample) -> Sample:
        done = {}
        for key, value in images.items():
            one = self.transforms[key] if isinstance(self.transforms, Mapping) else self.transforms
            done[key] = one(image=value)["image"]
        return done

    def _other(self, key: str, value: object) -> object:
        use = self.non_image_transform is not None and key in self.non_image_modalities
        return self.non_image_transform(value) if use and self.non_image_transform else value
