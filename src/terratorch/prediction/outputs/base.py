"""What the types of output have in common: how their results arrive, and where files go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from terratorch.contracts.prediction import MAIN_LAYER, Prediction
from terratorch.errors import DataError
from terratorch.geo.remote import parse_path
from terratorch.prediction.maps.encoding import MapOptions
from terratorch.prediction.products.products import Products
from terratorch.tiles.plan import TilePlan
from terratorch.tiles.sink import TileWeights


@dataclass(frozen=True)
class FinishedRows:
    """The prediction of some rows of a scene, which no later tile changes.

    Attributes:
        top: The first row.
        bottom: The row after the last.
        prediction: A batch of one. A raster holds these rows; boxes are in pixels of the scene.
        valid: `(n, W)`, False where the image holds nodata; None where all of it is valid.
        scores: Number of scores that a raster was decided from.
    """

    top: int
    bottom: int
    prediction: Prediction
    valid: Tensor | None = None
    scores: int = 1


TakeRows = Callable[[FinishedRows], None]


@dataclass(frozen=True)
class JoinRequest:
    """The outputs of the tiles of one scene, or of a part of it, that are to be joined.

    Attributes:
        filename: The image.
        plan: Its tiles.
        begin: The first row that is needed.
        end: The row after the last.
        zeroed: Whether rows must hold zeros before tiles are blended into them.
        weights: Returns the blending weights.
        decide: Maps what the model returned, as a batch of one, and the name of the image to its
            prediction.
        valid: Returns where rows are valid, `(n, W)`, given begin, end and width; None if all are.
        take: Takes finished rows, in order.
        reject: Called if the model returned NaN; the scene then has no prediction.
    """

    filename: str
    plan: TilePlan
    begin: int
    end: int
    zeroed: bool
    weights: Callable[[], TileWeights]
    decide: Callable[[Any, str], Prediction]
    valid: Callable[[int, int, int], Tensor | None]
    take: TakeRows
    reject: Callable[[DataError], None]


class SceneFiles(Protocol):
    """The files of one scene, written as its rows are finished.

    Attributes:
        written: The files, once they are complete.
    """

    written: list[Path]

    def write(self, rows: FinishedRows) -> None:
        """Take finished rows; the last ones complete the files."""
        ...

    def suspend(self) -> None:
        """Keep what another run can resume from, and remove the rest, unless it is complete."""
        ...

    def discard(self) -> None:
        """Remove what was written, unless it is complete."""
        ...


class BatchFiles(Protocol):
    """The files of images that are predicted whole, batch by batch."""

    def add(self, prediction: Prediction) -> list[Path]:
        """Write a batch, and return the files that hold it."""
        ...

    def close(self, complete: bool) -> None:
        """Complete the files that hold several images, or remove them."""
        ...


class GatheredScene(Protocol):
    """The prediction of a scene in memory, put together as its rows are finished."""

    def take(self, rows: FinishedRows) -> None:
        """Take finished rows."""
        ...

    def prediction(self) -> Prediction:
        """Return the main output of the scene, as a batch of one."""
        ...


class OutputFolder:
    """Where the files of a prediction go, and what they are called.

    Files are called `PREFIX` + the name of the image without its suffix + `_pred` + the suffix of
    the format; further layers `_pred_LAYER`.

    Args:
        directory: The folder.
        prefix: What every name begins with.
        options: How outputs are stored.
        products: What is made of finished files.
    """

    def __init__(
        self,
        directory: str | Path,
        prefix: str | None = None,
        options: MapOptions | None = None,
        products: Products | None = None,
    ) -> None:
        self.directory = Path(directory)
        self.prefix = prefix or ""
        self.options = options or MapOptions()
        self.products = products or Products()
        self._sources: dict[Path, str] = {}

    def path_of(self, filename: str, layer: str = MAIN_LAYER, suffix: str = ".tif") -> Path:
        """Return the file of a layer of an image.

        Raises:
            DataError: If another image of this run has the same file.
        """
        stem = parse_path(filename).stem
        end = "" if layer == MAIN_LAYER else f"_{layer}"
        path = self.directory / f"{self.prefix}{stem}_pred{end}{suffix}"
        other = self._sources.setdefault(path, filename)
        if other != filename:
            raise DataError(
                filename,
                f"its map would overwrite that of {other}: both would be {path}",
                "Predict each folder into an output folder of its own, or rename one of them.",
            )
        return path


FinishImage = Callable[[str, Mapping[str, Path]], None]
"""Takes an image and the file of each of its layers once they are complete."""
