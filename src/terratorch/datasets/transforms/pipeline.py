"""Run transforms on the arrays of a sample, and turn them into tensors."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terratorch.contracts.images import Pixels
from terratorch.datasets.transforms.albumentations_import import import_albumentations
from terratorch.datasets.transforms.build import (
    Transform,
    Transforms,
    build_transforms,
    flattened,
    mentions,
)
from terratorch.datasets.transforms.unit_range import check_unit_range, unit_range_names
from terratorch.errors import ConfigurationError

_CONSTANT_BORDER = 0  # cv2.BORDER_CONSTANT


class Pipeline:
    """Transforms of an image and its mask, which take bands last, and conversion to tensors.

    Images with time pass through spatial transforms with time and bands flattened into channels; if
    the transforms do that themselves, they get the image with time.

    Args:
        transform: A list of transforms as people write them, or a `Compose` of albumentations.
        thing: The option they come from, for error messages.
        no_label: What masks are filled with where transforms of the list rotate or pad beyond the
            image, instead of the 0 of albumentations, which may be a class; None keeps 0, as does
            a `fill_mask` that is written for the transform.

    Attributes:
        filling: The names of the transforms that fill masks with 0 by default.
    """

    def __init__(
        self, transform: Transforms, thing: str = "transform", no_label: float | None = None
    ) -> None:
        compose = import_albumentations().Compose
        self.filling: list[str] = []
        if isinstance(transform, compose):
            self._compose = transform
        else:
            steps = build_transforms(transform, thing)
            pairs = zip(transform, steps, strict=True)
            unset = [step for spec, step in pairs if not mentions(spec, "fill_mask")]
            if no_label is not None:
                _fill_masks(unset, no_label)
            else:
                self.filling = [type(step).__name__ for step in flattened(unset) if _fills(step)]
            # Images with time have another shape than their masks until they are flattened.
            self._compose = compose(steps, is_check_shapes=False)
        self._flattens = any(
            type(step).__name__ in ("FlattenTemporalIntoChannels", "Rearrange")
            for step in self._compose.transforms
        )
        self._thing = thing
        self._unit_range = unit_range_names(self._compose.transforms)
        self._seeded: tuple[int, int] | None = None

    def __call__(
        self, image: NDArray[np.float32], mask: Pixels | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Transform an image `(C, H, W)` or `(C, T, H, W)` and its mask `(H, W)`, if any."""
        check_unit_range(image, self._unit_range, self._thing)
        self._seed()
        steps = None
        arrays: dict[str, Pixels] = {}
        if image.ndim == 4 and not self._flattens:
            steps = image.shape[1]
            image = image.swapaxes(0, 1).reshape(-1, *image.shape[-2:])
        arrays["image"] = np.ascontiguousarray(np.moveaxis(image, 0, -1))
        if mask is not None:
            arrays["mask"] = _for_opencv(mask)
        arrays = self._transformed(arrays)
        tensor = _image_tensor(arrays["image"])
        if steps is not None:
            tensor = tensor.unflatten(0, (steps, -1)).transpose(0, 1).contiguous()
        return tensor, None if mask is None else torch.as_tensor(arrays["mask"])

    def _transformed(self, arrays: dict[str, Pixels]) -> dict[str, Pixels]:
        crops = import_albumentations().augmentations.crops.transforms
        try:
            return dict(self._compose(**arrays))
        except crops.CropSizeError as error:
            height, width = arrays["image"].shape[:2]
            raise ConfigurationError(
                self._thing,
                f"crops more than there is of an image of {height} x {width} pixels",
                "Crop less, or pad before with PadIfNeeded.",
            ) from error

    def _seed(self) -> None:
        """Draw from the seed of torch, which Lightning sets, and which differs in each worker."""
        seed = (os.getpid(), torch.initial_seed())
        if seed != self._seeded:
            self._compose.set_random_seed(seed[1] % 2**32)
            self._seeded = seed


def as_pipeline(
    transform: Transforms, thing: str = "transform", no_label: float | None = None
) -> Pipeline | None:
    """Return the pipeline of some transforms, or None without transforms; see `Pipeline`."""
    if transform is None or (isinstance(transform, Sequence) and not transform):
        return None
    return transform if isinstance(transform, Pipeline) else Pipeline(transform, thing, no_label)


def _fill_masks(transforms: Sequence[Transform], no_label: float) -> None:
    for step in flattened(transforms):
        if getattr(step, "fill_mask", None) in (0, -1):  # theirs, and of our own Padding
            step.fill_mask = no_label


def _fills(step: Transform) -> bool:
    """Return whether a transform may rotate or pad beyond the image, where the mask becomes 0."""
    pads = getattr(step, "pad_if_needed", True) and not getattr(step, "crop_border", False)
    constant = getattr(step, "border_mode", None) == _CONSTANT_BORDER
    return bool(pads and constant and getattr(step, "fill_mask", None) == 0)


def _image_tensor(image: NDArray[np.float32] | Tensor) -> Tensor:
    if not isinstance(image, Tensor):
        image = torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0)))
    # Some transforms give bytes or doubles.
    return image.to(torch.float32).contiguous()


def _for_opencv(mask: Pixels) -> Pixels:
    """Return a mask in a dtype that all transforms take: they know no wide integers."""
    if mask.dtype.kind == "f":
        return mask
    narrow = mask.size == 0 or (mask.min() >= -(2**15) and mask.max() < 2**15)
    return mask.astype(np.int16 if narrow else np.float64)
