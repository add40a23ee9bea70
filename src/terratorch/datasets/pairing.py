"""Pair images and labels by name.

An image `chip_1_merged.tif` found by `*_merged.tif` and a label `chip_1.mask.tif` found by
`*.mask.tif` belong together, since the wildcard stands for `chip_1` in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from terratorch.datasets.files import FoundFile, SplitFile, find_files, shortened
from terratorch.errors import DataError


@dataclass(frozen=True, slots=True)
class Pair:
    """An image and its label."""

    image: Path
    label: Path


@dataclass(frozen=True)
class OptionNames:
    """What the options are called where the user wrote them, for error messages."""

    images: str = "data_root"
    labels: str = "label_data_root"
    image_pattern: str = "image_grep"
    label_pattern: str = "label_grep"
    split: str = "split"
    transform: str = "transform"

    @classmethod
    def of_data_module(cls, stage: str) -> OptionNames:
        """Return the names in a data module, of a stage such as `train`."""
        return cls(
            images=f"{stage}_data_root",
            labels=f"{stage}_label_data_root",
            image_pattern="img_grep",
            split=f"{stage}_split",
            transform=f"{stage}_transform",
        )


def pair_files(
    image_folder: Path,
    label_folder: Path | None,
    image_pattern: str | None = "*",
    label_pattern: str | None = "*",
    split: SplitFile | None = None,
    options: OptionNames | None = None,
) -> list[Pair]:
    """Pair the images in a folder with their labels, sorted by the path of the image.

    Args:
        image_folder: Where the images are.
        label_folder: Where the labels are; None if with the images.
        image_pattern: Glob pattern of the images' names.
        label_pattern: Glob pattern of the labels' names.
        split: Which of them to take; None for all.
        options: What the options are called in error messages.

    Raises:
        DataError: If an image has no label, a label no image, or nothing is found; the message
            names what is missing on either side.
    """
    options = options or OptionNames()
    images = find_files(image_folder, image_pattern, options.images)
    if label_folder is None or label_folder.resolve() == image_folder.resolve():
        labels = find_files(image_folder, label_pattern, options.images)
        images, labels = _tell_apart(images, labels, image_folder, options)
    else:
        labels = find_files(label_folder, label_pattern, options.labels)
    if split is not None:
        keys = split.keys(images, labels)
        images = [file for file in images if file.key in keys]
        labels = [file for file in labels if file.key in keys]
    by_key = {"images": _by_key(images, options), "labels": _by_key(labels, options)}
    _check_complete(by_key["images"], by_key["labels"], image_folder, options)
    return [Pair(file.path, by_key["labels"][file.key].path) for file in images]


def _tell_apart(
    images: list[FoundFile], labels: list[FoundFile], folder: Path, options: OptionNames
) -> tuple[list[FoundFile], list[FoundFile]]:
    """In a folder of both, give files that both patterns match to the narrower pattern."""
    image_names = {file.relative for file in images}
    label_names = {file.relative for file in labels}
    if image_names == label_names:
        raise DataError(
            f"{options.images} {folder}",
            f"{options.image_pattern} and {options.label_pattern} match the same files",
            f"Give patterns that distinguish them, such as '*_merged.tif' and '*.mask.tif', or the "
            f"folder of the labels ({options.labels}).",
        )
    if label_names < image_names:
        images = [file for file in images if file.relative not in label_names]
    elif image_names < label_names:
        labels = [file for file in labels if file.relative not in image_names]
    return images, labels


def _by_key(files: Sequence[FoundFile], options: OptionNames) -> dict[str, FoundFile]:
    by_key: dict[str, FoundFile] = {}
    for file in files:
        other = by_key.setdefault(file.key, file)
        if other is not file:
            raise DataError(
                str(other.path),
                f"{file.path.name} has the same chip name '{file.key}'",
                f"Narrow {options.image_pattern} or {options.label_pattern} to one of them, "
                "such as '*.tif'.",
            )
    return by_key


def _check_complete(
    images: dict[str, FoundFile], labels: dict[str, FoundFile], folder: Path, options: OptionNames
) -> None:
    without_label = [file.relative for key, file in images.items() if key not in labels]
    without_image = [file.relative for key, file in labels.items() if key not in images]
    if not without_label and not without_image:
        return
    seen = []
    if without_label:
        seen.append(
            f"{len(without_label)} of {len(images)} images have no label "
            f"({shortened(without_label, 3)})"
        )
    if without_image:
        seen.append(
            f"{len(without_image)} of {len(labels)} labels have no image "
            f"({shortened(without_image, 3)})"
        )
    matched = len(images) - len(without_label)
    if matched:
        cure = "Add what is missing, or name the complete ones in a split file."
    else:
        cure = (
            "They belong together where the wildcards stand for the same text: adapt "
            f"{options.image_pattern} and {options.label_pattern}, as in 'img_*.tif' and "
            "'mask_*.tif'."
        )
    raise DataError(f"{options.images} {folder}", "; ".join(seen), cure)
