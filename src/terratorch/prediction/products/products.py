"""What is made of finished maps: pictures, polygons, catalogue items, a mosaic.

A product takes files, not tensors: it can be made of a map that an earlier run has written.
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

# What goes wrong with one product of one map, and not with the program.
_FAILURES = (TerraTorchError, OSError, RasterioError, CPLE_BaseError, MemoryError)


@dataclass(frozen=True)
class FinishedMap:
    """A map that is complete.

    Attributes:
        image: The image that was predicted.
        layers: The file of each layer that is there.
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
        """Return the file, which lies beside the map."""
        return finished.path.with_name(f"{finished.path.stem}{self.suffix}")

    def is_current(self, finished: FinishedMap) -> bool:
        """Whether the file is there and need not be made again: it is not older than the map."""
        return is_newer(self.path_of(finished), finished.path)

    @abstractmethod
    def make(self, finished: FinishedMap, path: Path) -> None:
        """Write the file.

        Args:
            finished: The map.
            path: Where to write: the final name in a temporary folder, which is thrown away with
                all that is left in it.
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
            maps: The maps, those of earlier runs that were complete among them.
            folder: Where the files go in the end.
            temporary: Where to write.
        """


@dataclass
class Products:
    """What was asked for, made of each map as it is finished and of all in the end.

    A product that fails is noted and the rest goes on: the map is there.

    Attributes:
        of_maps: Made of each map, in this order.
        of_folder: Made in the end.
        strict: Whether the first failure is raised.
        written: The files.
        failures: What could not be made, and why.
    """

    of_maps: Sequence[MapProduct] = ()
    of_folder: Sequence[FolderProduct] = ()
    strict: bool = False
    written: list[Path] = field(default_factory=list)
    failures: dict[Path, TerraTorchError] = field(default_factory=dict)
    _maps: list[FinishedMap] = field(default_factory=list)

    def take(self, finished: FinishedMap) -> None:
        """Make what is asked for of a map, unless it is there already.

        Raises:
            TerraTorchError: If something cannot be made and `strict` is set.
        """
        self._maps.append(finished)
        for product in self.of_maps:
            path = product.path_of(finished)
            with self._failures_noted(product.name, path):
                if product.is_current(finished):
                    continue
                with temporary_folder(path.parent) as temporary:
                    made = temporary / path.name
                    product.make(finished, made)
                    os.replace(made, path)
                self.written.append(path)

    def close(self, folder: Path) -> None:
        """Make what is asked for of all maps.

        Raises:
            TerraTorchError: If something cannot be made and `strict` is set.
        """
        for product in self.of_folder:
            with self._failures_noted(product.name, folder), temporary_folder(folder) as temporary:
                for made in product.make(self._maps, folder, temporary):
                    path = folder / made.name
                    os.replace(made, path)
                    self.written.append(path)

    @contextmanager
    def _failures_noted(self, name: str, path: Path) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            failure = _failure(name, path, error)
            if self.strict:
                raise failure from error
            logger.warning("The %s of %s failed; the reason is told at the end", name, path)
            self.failures[path] = failure


def _failure(name: str, path: Path, error: BaseException) -> TerraTorchError:
    if isinstance(error, TerraTorchError):
        return error
    return DataError(
        str(path),
        f"the {name} could not be made ({why_not_written(path.parent, error)})",
        "The map is complete: run again, and only what is missing is made.",
    )


def is_newer(path: Path, source: Path) -> bool:
    """Whether a file is there and was not made before another."""
    return path.is_file() and path.stat().st_mtime_ns >= source.stat().st_mtime_ns
