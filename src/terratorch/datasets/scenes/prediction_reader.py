"""From the pixels of a file to what a model is given, without gaps: of one image or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rasterio import DatasetReader
from torch import Tensor

from terratorch.contracts.images import Images
from terratorch.contracts.input_spec import SINGLE, ImageSpec, InputSpec
from terratorch.datasets.image_reader import ImageReader
from terratorch.errors import DataError
from terratorch.geo.joined_raster import MODALITY_TAG
from terratorch.geo.raster import RasterData


@dataclass(frozen=True)
class FileBands:
    """The bands of a file that are read.

    Attributes:
        indexes: Which, counted from 1.
        parts: Where those of each modality are among them; under `image` for a single image.
        steps: A band of each time step, counted from 1.
    """

    indexes: tuple[int, ...]
    parts: Mapping[str, slice]
    steps: tuple[int, ...] = (1,)


class PredictionReader:
    """Turns what was read into images; nodata and NaN become `no_data_replace` or the mean.

    The mean of a band is 0 after normalisation.

    Args:
        spec: What the model is given.
    """

    def __init__(self, spec: InputSpec) -> None:
        self._spec = spec
        self._inputs = {name: _Input(image) for name, image in spec.images.items()}

    @property
    def is_single(self) -> bool:
        """Whether a sample has one image."""
        return self._spec.is_single

    def bands(self, path: Path, dataset: DatasetReader) -> FileBands:
        """Return which bands of an open file are read.

        Bands of modalities are identified by their tag, or follow one after the other.

        Raises:
            DataError: If it has other bands than expected.
        """
        places = self._places(path, dataset)
        indexes: list[int] = []
        parts: dict[str, slice] = {}
        for name, image_input in self._inputs.items():
            if not places.get(name, (1,)) and self._spec.may_lack_modalities:
                continue
            selected = image_input.indexes(path, dataset, places.get(name))
            parts[name] = slice(len(indexes), len(indexes) + len(selected))
            indexes += selected
        return FileBands(tuple(indexes), parts, self._steps(places))

    def image(self, raster: RasterData, bands: FileBands) -> Images:
        """Return `(C, H, W)`, or `(C, T, H, W)`, of pixels that were read; floats in place.

        Args:
            raster: The pixels of `bands`.
            bands: What they are.
        """

        def image_of(name: str) -> Tensor | None:
            part = bands.parts.get(name)
            return None if part is None else self._inputs[name].image(_part(raster, part))

        return self._spec.each(image_of)

    def missing(self, bands: FileBands) -> dict[str, Tensor]:
        """Return for each modality whether a file lacks it, as the fact `missing` of a sample."""
        return {name: torch.tensor(name not in bands.parts) for name in self._spec.images}

    def _steps(self, places: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
        """Return a band of each time step, of the first modality that has several."""
        series = (name for name, image in self._spec.images.items() if image.has_time)
        name = next((name for name in series if places.get(name)), None)
        if name is None:
            return (next((place for bands in places.values() for place in bands), 1),)
        bands = places[name]
        steps = self._spec.images[name].selection.steps(len(bands))
        return tuple(bands[step - 1] for step in steps)

    def _places(self, path: Path, dataset: DatasetReader) -> Mapping[str, Sequence[int]]:
        """Return the bands of each modality, counted from 1."""
        if self._spec.is_single:
            return {SINGLE: dataset.indexes}
        tags = [dataset.tags(index).get(MODALITY_TAG) for index in dataset.indexes]
        if any(tags):
            return {
                name: [place for place, tag in enumerate(tags, start=1) if tag == name]
                for name in self._inputs
            }
        return self._places_in_turn(path, dataset.count)

    def _places_in_turn(self, path: Path, bands: int) -> Mapping[str, Sequence[int]]:
        """Return the bands of each modality if they follow one after the other, in their order."""
        counts = {name: image_input.bands_in_file for name, image_input in self._inputs.items()}
        rest = bands - sum(count or 0 for count in counts.values())
        unknown = [name for name, count in counts.items() if count is None]
        if (len(unknown), rest) != (0, 0) and not (len(unknown) == 1 and rest > 0):
            listed = ", ".join(f"{name} {count or 'any'}" for name, count in counts.items())
            raise DataError(
                str(path),
                f"{bands} bands, but the model takes several images ({listed})",
                "Give the files of each modality, as NAME=PATH or in --scene_folders; or one file "
                "with the bands of all, in this order.",
            )
        places: dict[str, Sequence[int]] = {}
        begin = 1
        for name, count in counts.items():
            end = begin + (rest if count is None else count)
            places[name], begin = range(begin, end), end
        return places


class _Input:
    """How one of the images is made."""

    def __init__(self, spec: ImageSpec) -> None:
        self.reader = ImageReader(spec)
        self._fill = spec.means

    @property
    def bands_in_file(self) -> int | None:
        selection = self.reader.spec.selection
        if selection.expand_time or selection.file_bands is None:
            return None
        return len(selection.file_bands)

    def indexes(
        self, path: Path, dataset: DatasetReader, places: Sequence[int] | None
    ) -> tuple[int, ...]:
        selected = self.reader.indexes(path, dataset, places)
        # If bands have no names, the model takes as many as there are means.
        expected = len(selected) if self._fill is None else len(self._fill)
        if self.reader.spec.selection.count is None and len(selected) != expected:
            raise DataError(
                str(path),
                f"{len(selected)} band{'' if len(selected) == 1 else 's'}, but the model takes "
                f"{expected}, the length of means and stds",
                "Give images with the bands of the training, in their order; or list those of the "
                "files in dataset_bands of a configuration, and those to take in output_bands.",
            )
        return selected

    def image(self, raster: RasterData) -> Tensor:
        return torch.from_numpy(self.reader.filled(raster, self._fill))


def _part(raster: RasterData, bands: slice) -> RasterData:
    invalid = None if raster.invalid is None else raster.invalid[bands]
    if invalid is not None and not invalid.any():
        invalid = None
    return RasterData(raster.path, raster.data[bands], invalid, raster.nodata)
