"""From samples to a batch: missing modalities are marked, targets of any number stay lists.

In a batch of several modalities `missing` has a flag for each sample, by modality. A modality that
no sample has is not in the images; one that some samples lack holds its means in their place, which
are 0 after normalisation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.utils.data import default_collate

from terratorch.contracts.facts import Sample
from terratorch.contracts.input_spec import ImageSpec, InputSpec
from terratorch.errors import DataError

LISTED = frozenset({"boxes", "labels", "masks"})
"""Targets of which images have any number; a batch has a list of them."""


def completed(samples: Sequence[Sample], spec: InputSpec) -> list[Sample]:
    """Return samples with the same modalities, and with `missing` for those that they lacked.

    Samples of a single image are returned unchanged.

    Args:
        samples: The samples of a batch; `image` lacks a modality, or has None for it.
        spec: The modalities.

    Raises:
        DataError: If a sample has no image at all, or one that is not in the specification.
    """
    if spec.is_single:
        return list(samples)
    images = [_images_of(sample, spec) for sample in samples]
    examples = {
        name: next(having[name] for having in images if name in having)
        for name in spec.images
        if any(name in having for having in images)
    }
    whole: list[Sample] = []
    for sample, present in zip(samples, images, strict=True):
        filled = {
            name: present[name] if name in present else _means(example, spec.images[name])
            for name, example in examples.items()
        }
        missing = {name: torch.tensor(name not in present) for name in spec.images}
        whole.append({**sample, "image": filled, "missing": missing})
    return whole


def _images_of(sample: Sample, spec: InputSpec) -> dict[str, Tensor]:
    images = sample["image"]
    file = str(sample.get("filename", "image"))
    if not isinstance(images, Mapping):
        raise DataError(
            file,
            f"one image, but the model takes the modalities {', '.join(spec.images)}",
            "Give a dictionary of images, by modality.",
        )
    unknown = sorted(images.keys() - spec.images.keys())
    present = {name: image for name, image in images.items() if image is not None}
    if unknown or not present:
        raise DataError(
            file,
            f"an image of {unknown[0]}, which input_spec does not describe"
            if unknown
            else "no image of any modality",
            f"The modalities are {', '.join(spec.images)}; give at least one of them.",
        )
    return present


def _means(like: Tensor, spec: ImageSpec) -> Tensor:
    """Return an image of the means of its bands, `(C, ...)` as another one."""
    if spec.means is None or len(spec.means) == 0 or len(like) % len(spec.means):
        return torch.zeros_like(like)
    means = torch.tensor(spec.means).repeat(len(like) // len(spec.means)).to(like)
    return means.view(-1, *[1] * (like.ndim - 1)).expand_as(like).contiguous()


def is_listed(key: object, values: Sequence[object]) -> bool:
    """Return whether the values of a key stay a list: of targets of any number, or of any size."""
    if key in LISTED:
        return True
    shapes = {tuple(value.shape) for value in values if isinstance(value, Tensor)}
    return len(shapes) > 1 and key not in ("image", "mask")


def collate(samples: Sequence[Sample]) -> Sample:
    """Return a batch of samples; targets of any number stay a list."""
    columns = {key: [sample[key] for sample in samples] for key in samples[0]}
    return {
        key: values if is_listed(key, values) else default_collate(values)
        for key, values in columns.items()
    }
