"""Facts: what is known about images apart from their pixels, and how batches carry them.

A fact is a key of the batch. Models take facts by these names (`terratorch.models.inputs`);
facts that the model does not take are ignored, so samples may carry all that is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from terratorch.contracts.images import Images

Sample: TypeAlias = dict[str, Any]
"""A sample or a batch by its public keys: `image`, targets such as `mask`, and facts."""


@dataclass(frozen=True)
class Fact:
    """One row of the table of facts.

    Attributes:
        holds: What a batch holds under the name, with shape, order and unit.
        source: Where the fact comes from, for the message if a model takes it and it is not known.
        for_models: Whether a model may ask for it.
        per_batch: Whether one value holds for all images of a batch.
    """

    holds: str
    source: str = ""
    for_models: bool = True
    per_batch: bool = False


FACTS: dict[str, Fact] = {
    "temporal_coords": Fact(
        "(B, T, 2): year and day of year, 0 to 365, of each time step; NaN if not known",
        "The date is read from the tags of a file, from its STAC item, or from its name, such as "
        "scene_20200131.tif. For prediction, --date 2020-01-31 sets it.",
    ),
    "location_coords": Fact(
        "(B, 2): latitude and longitude of the centre, in degrees (WGS 84); NaN if not known",
        "The place is read from the georeferencing of a file. For prediction, --location LAT,LON "
        "sets it.",
    ),
    "wavelengths": Fact(
        "(C,): central wavelength of each band that goes to the model, in micrometres",
        "Name the bands in dataset_bands; wavelengths are known of the names in terratorch.bands.",
        per_batch=True,
    ),
    "gsd": Fact(
        "(B,): ground sampling distance, in metres per pixel; NaN if not known",
        "The size of a pixel is read from the georeferencing of a file.",
    ),
    "missing": Fact(
        "{modality: (B,) bool}: which samples lack a modality; see `terratorch.contracts.facts`",
        "It is there for inputs of several modalities.",
    ),
    "valid": Fact("(B, H, W) bool: where all bands are valid", for_models=False),
    "filename": Fact("list of str: the file of each sample", for_models=False),
    "crs": Fact("list of str: the CRS of each file, empty if not known", for_models=False),
    "bounds": Fact(
        "(B, 4): west, south, east and north of each file, in degrees (WGS 84); NaN if not known",
        for_models=False,
    ),
}

TARGETS = frozenset({"mask", "label", "labels", "boxes", "masks"})
"""Keys of a batch that hold targets."""


@dataclass(frozen=True)
class Batch:
    """A batch by the parts that it is read into.

    Attributes:
        images: One tensor, or several by modality.
        targets: The targets, by key.
        facts: All else, by key.
    """

    images: Images
    targets: Mapping[str, object]
    facts: Mapping[str, object]


def read_batch(batch: Mapping[str, object]) -> Batch:
    """Read the public keys of a batch into images, targets and facts.

    For images by modality the facts always include `missing`. A modality that no sample of the
    batch has is not in the images; one that some samples lack holds its means in their place.
    """
    images = batch["image"]
    assert isinstance(images, (Tensor, dict))
    targets = {key: value for key, value in batch.items() if key in TARGETS}
    facts = {key: value for key, value in batch.items() if key != "image" and key not in TARGETS}
    if isinstance(images, dict) and images and "missing" not in facts:
        facts["missing"] = {
            name: torch.zeros(len(image), dtype=torch.bool, device=image.device)
            for name, image in images.items()
        }
    return Batch(images, targets, facts)
