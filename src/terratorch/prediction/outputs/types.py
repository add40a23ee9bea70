"""The table of output types: nothing else in the package branches on what a task predicts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from terratorch.contracts.outputs import (
    Boxes,
    OutputValue,
    PatchVectors,
    Raster,
    Table,
    Vectors,
)
from terratorch.contracts.prediction import Prediction
from terratorch.errors import ConfigurationError
from terratorch.prediction.maps.writer import Georeference
from terratorch.prediction.options import ENSEMBLE_OPTIONS, STORAGE_OPTIONS
from terratorch.prediction.outputs import boxes, pictures, raster, table, vectors
from terratorch.prediction.outputs.base import (
    BatchFiles,
    FinishImage,
    GatheredScene,
    JoinRequest,
    OutputFolder,
    SceneFiles,
)
from terratorch.prediction.outputs.merging import BoxJoiner
from terratorch.prediction.partial import Unfinished
from terratorch.prediction.products.products import FinishedMap
from terratorch.tiles.joining import Joiner

OpenSceneFiles = Callable[
    [Georeference, OutputFolder, FinishImage, Mapping[str, str], Unfinished | None], SceneFiles
]


Paint = Callable[[OutputValue, NDArray[np.uint8], float, list[str] | None], NDArray[np.uint8]]


@dataclass(frozen=True)
class SceneHandling:
    """How outputs of scenes that are cut into tiles are handled.

    Attributes:
        join: Joins the outputs of tiles.
        files: Opens the files of a scene, which are written as rows are finished.
        gather: Puts a scene together in memory.
        is_complete: Returns whether an image has complete files of a run with some tags.
        layers: Returns the files of an image by layer.
    """

    join: Callable[[JoinRequest], Joiner]
    files: OpenSceneFiles
    gather: Callable[[Georeference], GatheredScene]
    is_complete: Callable[[OutputFolder, Georeference, Mapping[str, str]], bool]
    layers: Callable[[OutputFolder, str], dict[str, Path]]


@dataclass(frozen=True)
class OutputType:
    """How outputs of one type are handled.

    Attributes:
        stored_as: What the files are, in messages: "is written as ...".
        formats: The values of `--format` that it can be stored in; the first is the default.
        options: The options of storage, products and several predictions that apply to it.
        batch_files: Opens the files of images that are predicted whole.
        read: Reads a file of the main layer.
        in_python: Returns what Python users get of a batch of one.
        draw: Draws a file of the main layer as PNG; None draws a map.
        summarise: Returns figures of the outputs of batches, given the names of the classes.
        paint: Draws an output, a batch of one, given the picture of its image, the pixels of the
            picture for a pixel of the image, and the names of the classes; None shows the image.
        scenes: How scenes are handled; None if images are always predicted whole.
        derive: Writes further files of a finished image, and returns them.
    """

    stored_as: str
    formats: tuple[str, ...]
    options: Collection[str]
    batch_files: Callable[[OutputFolder, FinishImage], BatchFiles]
    read: Callable[[Path], OutputValue]
    summarise: Callable[[Sequence[OutputValue], list[str] | None], dict[str, str]]
    in_python: Callable[[Prediction], Tensor | Boxes]
    draw: Callable[[FinishedMap, Path], None] | None = None
    paint: Paint | None = None
    scenes: SceneHandling | None = None
    derive: Callable[[OutputFolder, Mapping[str, Path]], list[Path]] | None = None

    @property
    def handling(self) -> SceneHandling:
        """How scenes are handled, of a type that can be cut into tiles."""
        assert self.scenes is not None, f"{self.stored_as}: images are predicted whole"
        return self.scenes

    def check_option(self, name: str, value: object) -> None:
        """Check that an option applies to this type.

        Args:
            name: One of `CHECKED_OPTIONS`.
            value: Its value, which is not the default.

        Raises:
            ConfigurationError: If it does not.
        """
        if name not in self.options:
            listed = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            raise ConfigurationError(
                name, f"{listed}, but predictions are written as {self.stored_as}", "Leave it out."
            )
        if name == "format" and value not in self.formats:
            raise ConfigurationError(
                name,
                f"{value}, but predictions are written as {self.stored_as}",
                f"Use {' or '.join(self.formats)}.",
            )


_MEMBERS = ("augment", "further_ckpt_paths")
# Boxes of the parts of a scene would have to be merged across workers.
CHECKED_OPTIONS = (*STORAGE_OPTIONS, *ENSEMBLE_OPTIONS, "distributed")

OUTPUT_TYPES: dict[type[OutputValue], OutputType] = {
    Raster: OutputType(
        stored_as="maps",
        formats=("gtiff", "cog"),
        options=CHECKED_OPTIONS,
        batch_files=raster.RasterImages,
        read=raster.read_raster,
        summarise=raster.summarise_raster,
        in_python=raster.masked_raster,
        scenes=SceneHandling(
            join=raster.join_rasters,
            files=raster.RasterFiles,
            gather=raster.GatheredRaster,
            is_complete=raster.is_raster_complete,
            layers=raster.raster_layers,
        ),
    ),
    Table: OutputType(
        stored_as="one table, and not as maps",
        formats=("csv",),
        options=(*ENSEMBLE_OPTIONS, "distributed"),  # another message names workers
        batch_files=table.TableFile,
        read=table.read_table,
        summarise=table.summarise_table,
        in_python=table.first_row,
    ),
    Boxes: OutputType(
        stored_as="boxes",
        formats=("gpkg", "geojson", "parquet"),
        options=("format",),
        batch_files=boxes.BoxImages,
        read=boxes.read_boxes,
        summarise=boxes.summarise_boxes,
        in_python=boxes.boxes_of,
        draw=pictures.draw_boxes,
        paint=pictures.paint_boxes,
        scenes=SceneHandling(
            join=BoxJoiner,
            files=boxes.BoxFiles,
            gather=boxes.GatheredBoxes,
            is_complete=boxes.is_box_file_complete,
            layers=boxes.box_layers,
        ),
    ),
    PatchVectors: OutputType(
        stored_as="rasters of vectors",
        formats=("gtiff", "cog", "parquet"),
        options=("format", "mosaic", "distributed", *_MEMBERS),
        batch_files=vectors.PatchImages,
        read=vectors.read_patches,
        summarise=vectors.summarise_vectors,
        in_python=vectors.masked_vectors,
        draw=pictures.draw_patches,
        paint=pictures.paint_patches,
        scenes=SceneHandling(
            join=raster.join_rasters,
            files=vectors.patch_files,
            gather=raster.GatheredRaster,
            is_complete=raster.is_raster_complete,
            layers=raster.raster_layers,
        ),
        derive=vectors.write_patch_table,
    ),
    Vectors: OutputType(
        stored_as="one table of vectors",
        formats=("parquet",),
        options=("format", "distributed", *_MEMBERS),
        batch_files=vectors.VectorFile,
        read=vectors.read_vectors,
        summarise=vectors.summarise_vectors,
        in_python=vectors.masked_vectors,
        draw=pictures.draw_vectors,
    ),
}
