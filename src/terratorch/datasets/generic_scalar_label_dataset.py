"""Data sets of image files with one label each, which is the folder they are in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terratorch.bands import Band
from terratorch.contracts.facts import Sample
from terratorch.contracts.input_spec import ImageSpec
from terratorch.datasets.files import FoundFile, SplitFile, check_folder, find_files, shortened
from terratorch.datasets.image_folder_dataset import ImageFolderDataset
from terratorch.datasets.pairing import OptionNames
from terratorch.datasets.transforms.build import Transforms
from terratorch.errors import ConfigurationError, DataError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class GenericScalarLabelDataset(ImageFolderDataset):
    """Images in folders; the name of the folder is the class.

    Args:
        data_root: The folder with a folder for each class.
        split: File with the names of the chips to use, one per line; None for all.
        require_label: Whether images need a class; otherwise they may be in `data_root` itself.
        ignore_split_file_extensions: Whether to ignore extensions in the split file.
        allow_substring_split_file: Whether part of a name is enough in the split file.
        rgb_indices: Output bands to show as red, green and blue; by default found by name.
        dataset_bands: The bands of a file, in order: names, positions or inclusive intervals.
        output_bands: The bands to read, in order; all by default.
        constant_scale: Values are multiplied by this.
        transform: Transforms as people write them in YAML, or a `Compose` of albumentations.
        no_data_replace: Replaces nodata and NaN, before scaling; None if they are errors.
        expand_temporal_dimension: Whether files hold several time steps of `dataset_bands`; images
            are then `(C, T, H, W)`.
        temporal_channel_major: Whether all time steps of a band follow each other in a file,
            instead of all bands of a time step.
        class_names: The classes, in the order of their ids; the sorted names of folders where None.
        names: The names of the options in error messages.
        image_spec: How images are read, instead of the options on bands and values above.

    Attributes:
        classes: The classes, in the order of their ids.
    """

    def __init__(
        self,
        data_root: Path,
        split: Path | None = None,
        require_label: bool = True,
        ignore_split_file_extensions: bool = True,
        allow_substring_split_file: bool = True,
        rgb_indices: list[int] | None = None,
        dataset_bands: list[Band] | None = None,
        output_bands: list[Band] | None = None,
        constant_scale: float = 1,
        transform: Transforms = None,
        no_data_replace: float | None = 0,
        expand_temporal_dimension: bool = False,
        temporal_channel_major: bool = False,
        *,
        class_names: Sequence[str] | None = None,
        names: OptionNames | None = None,
        image_spec: ImageSpec | None = None,
    ) -> None:
        names = names or OptionNames()
        spec = image_spec or ImageSpec.create(
            dataset_bands=dataset_bands,
            output_bands=output_bands,
            constant_scale=constant_scale,
            no_data_replace=no_data_replace,
            expand_temporal_dimension=expand_temporal_dimension,
            temporal_channel_major=temporal_channel_major,
            rgb_indices=rgb_indices,
        )
        super().__init__(spec, transform, names.transform)
        root = Path(data_root)
        self.classes = find_classes(root, class_names, names.images) if require_label else []
        files = find_files(root, "*/**" if require_label else "**", names.images)
        if split:
            files = SplitFile.read(
                split, ignore_split_file_extensions, allow_substring_split_file, names.split
            ).select(files)
        self._ids = {name: number for number, name in enumerate(self.classes)}
        self.samples = [(file.path, self._class_id(file)) for file in files]

    @property
    def image_files(self) -> list[Path]:
        """The images, in the order of the samples."""
        return [path for path, _ in self.samples]

    @property
    def targets(self) -> list[int | None]:
        """The class id of each sample; None if labels are not required."""
        return [label for _, label in self.samples]

    def __getitem__(self, index: int) -> Sample:
        path, label = self.samples[index]
        image, facts = self._read(path)
        sample: Sample = {"image": self._tensor(image), **facts}
        if label is not None:
            sample["label"] = torch.tensor(label)
        return sample

    def read_label(self, index: int) -> int | None:
        """Return the class id of a sample."""
        return self.samples[index][1]

    def _tensor(self, image: NDArray[np.float32]) -> Tensor:
        if self._pipeline is None:
            return torch.from_numpy(image)
        tensor, _ = self._pipeline(image)
        return tensor

    def _class_id(self, file: FoundFile) -> int | None:
        return self._ids[file.relative.split("/")[0]] if self.classes else None


class GenericNonGeoClassificationDataset(GenericScalarLabelDataset):
    """Images in folders; the name of the folder is the class.

    Args:
        num_classes: How many classes there are.

    The other arguments are those of `GenericScalarLabelDataset`.
    """

    def __init__(
        self,
        data_root: Path,
        num_classes: int,
        split: Path | None = None,
        require_label: bool = True,
        ignore_split_file_extensions: bool = True,
        allow_substring_split_file: bool = True,
        rgb_indices: list[int] | None = None,
        dataset_bands: list[Band] | None = None,
        output_bands: list[Band] | None = None,
        class_names: list[str] | None = None,
        constant_scale: float = 1,
        transform: Transforms = None,
        no_data_replace: float = 0,
        expand_temporal_dimension: bool = False,
        temporal_channel_major: bool = False,
        *,
        names: OptionNames | None = None,
        image_spec: ImageSpec | None = None,
    ) -> None:
        super().__init__(
            data_root,
            split=split,
            require_label=require_label,
            ignore_split_file_extensions=ignore_split_file_extensions,
            allow_substring_split_file=allow_substring_split_file,
            rgb_indices=rgb_indices,
            dataset_bands=dataset_bands,
            output_bands=output_bands,
            constant_scale=constant_scale,
            transform=transform,
            no_data_replace=no_data_replace,
            expand_temporal_dimension=expand_temporal_dimension,
            temporal_channel_major=temporal_channel_major,
            class_names=class_names,
            names=names,
            image_spec=image_spec,
        )
        if require_label and len(self.classes) != num_classes:
            raise ConfigurationError(
                "num_classes",
                f"{num_classes}, but there are {len(self.classes)} classes: "
                f"{shortened(self.classes, 10)}",
                f"Each folder in {data_root} is a class.",
            )
        self.num_classes = num_classes
        self.class_names = self.classes or None

    def plot(self, sample: Sample, suptitle: str | None = None) -> Figure:
        """Draw a sample: the image, and the names of its label and prediction.

        Args:
            sample: `image` `(C, H, W)` or `(C, T, H, W)`, `label` and `prediction` as class ids.
            suptitle: A title above.
        """
        from terratorch.datasets.plotting import plot_label

        return plot_label(sample, self.rgb_indices, self.class_names, suptitle)


def class_folders(root: Path) -> list[str]:
    """Return the names of the folders in a folder, sorted; none if it is not there."""
    if not root.is_dir():
        return []
    return sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )


def find_classes(root: Path, class_names: Sequence[str] | None, thing: str) -> list[str]:
    """Return the names of the class folders, in the order of their ids.

    Args:
        root: The folder they are in.
        class_names: The order of the classes; sorted by name where None.
        thing: The option that gives the folder, for error messages.

    Raises:
        DataError: If there are no folders, or one whose class has no name.
    """
    check_folder(root, thing)
    folders = class_folders(root)
    if not folders:
        raise DataError(
            f"{thing} {root}",
            "no folders in it, but each class has a folder with its images",
            "Sort the images into folders by class.",
        )
    if class_names is None:
        return folders
    unknown = [name for name in folders if name not in class_names]
    if unknown:
        raise DataError(
            f"{thing} {root}",
            f"the folder '{unknown[0]}' is not in class_names",
            did_you_mean(unknown[0], class_names) or f"They are: {', '.join(class_names)}.",
        )
    return list(class_names)
