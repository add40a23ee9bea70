"""Products of finished maps: pictures, polygons, catalogue items, a mosaic.

A product reads files, not tensors, so that maps of an earlier run get theirs too.
"""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError

from terratorch.contracts.prediction import MAIN_LAYER
from terratorch.errors import DataError, TerraTorchError
from terratorch.geo.disk import why_not_written
from terratorch.geo.partial_file import temporary_folder

logger = logging.getLogger(__name__)

# Errors that concern one product of one map, and not the program.
_FAILURES = (TerraTorchError, OSError, RasterioError, CPLE_BaseError, MemoryError)


@dataclass(frozen=True)
class FinishedMap:
    """A map that is complete.

    Attributes:
        image: The image that was predicted.
        layers: The file of each layer that was written.
        draw: Draws it, given itself and the path of a PNG; None draws a map.
    """

    image: str
    layers: Mapping[str, Path]
    draw: Callable[[FinishedMap, Path], None] | None = None

    @property
    def path(self) -> Path:
        """The file of the main layer, which products are named after."""
        return self.layers[MAIN_LAYER]


class MapProduct(ABC):
    """Makes one file of each finished map.

    Attributes:
        name: What messages call it.
        suffix: Follows the name of the map, instead of `.tif`.
    """

    name: ClassVar[str]
    suffix: str

    def path_of(self, finished: FinishedMap) -> Path:
        """Return the file, which is in the folder of the map."""
        return finished.path.with_name(f"{finished.path.stem}{self.suffix}")

    def is_current(self, finished: FinishedMap) -> bool:
        """Return whether the file exists and is not older than the map."""
        return is_newer(self.path_of(finished), finished.path)

    @abstractmethod
    def make(self, finished: FinishedMap, path: Path) -> None:
        """Write the file.

        Args:
            finished: The map.
            path: The final name, in a temporary folder that is removed with all its files.
        """


class FolderProduct(ABC):
    """Makes files of all maps of a run, when it ends.

    Attributes:
        name: What messages call it.
    """

    name: ClassVar[str]

    @abstractmethod
    def make(self, maps: Sequence[FinishedMap], folder: Path, temporary: Path) -> Iterator[Path]:
        """Write the files into a temporary folder, and yield them.

        Args:
            maps: The maps, including complete ones of earlier runs.
            folder: The folder that the files are moved to.
            temporary: The folder to write to.
        """


@dataclass
class Products:
    """Makes the requested products of each map when it is finished, and of all maps at the end.

    A product that fails is recorded and the others continue, as the map is complete.

    Attributes:
        of_maps: Made of each map, in this order.
        of_folder: Made at the end.
        strict: Whether the first failure is raised.
        written: The files.
        failures: The error of each file that could not be made.
    """

    of_maps: Sequence[MapProduct] = ()
    of_folder: Sequence[FolderProduct] = ()
    strict: bool = False
    written: list[Path] = field(default_factory=list)
    failures: dict[Path, TerraTorchError] = field(default_factory=dict)
    _maps: list[FinishedMap] = field(default_factory=list)

    def take(self, finished: FinishedMap) -> None:
        """Make the products of a map that are not current.

        Raises:
            TerraTorchError: If a product fails and `strict` is set.
        """
        self._maps.append(finished)
        for product in self.of_maps:
            path = product.path_of(finished)
            with self._recording_failures(product.name, path):
                if product.is_current(finished):
                    continue
                with temporary_folder(path.parent) as temporary:
                    made = temporary / path.name
                    product.make(finished, made)
                    os.replace(made, path)
                self.written.append(path)

    def close(self, folder: Path) -> None:
        """Make the products of all maps.

        Raises:
            TerraTorchError: If a product fails and `strict` is set.
        """
        for product in self.of_folder:
            with (
                self._recording_failures(product.name, folder),
                temporary_folder(folder) as temporary,
            ):
                for made in product.make(self._maps, folder, temporary):
                    path = folder / made.name
                    os.replace(made, path)
                    self.written.append(path)

    @contextmanager
    def _recording_failures(self, name: str, path: Path) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            failure = _failure(name, path, error)
            if self.strict:
                raise failure from error
            logger.warning("The %s of %s failed; the summary lists the reason", name, path)
            self.failures[path] = failure


def _failure(name: str, path: Path, error: BaseException) -> TerraTorchError:
    if isinstance(error, TerraTorchError):
        return error
    return DataError(
        str(path),
        f"the {name} could not be made ({why_not_written(path.parent, error)})",
        "The map is complete: run again, and only missing products are made.",
    )


def is_newer(path: Path, source: Path) -> bool:
    """Return whether a file exists and is not older than another."""
    return path.is_file() and path.stat().st_mtime_ns >= source.stat().st_mtime_ns
