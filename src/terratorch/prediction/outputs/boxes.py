"""Boxes and instances: merged over tiles, stored as polygons with score and class."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine
from shapely import MultiPolygon
from torch import Tensor

from terratorch.contracts.outputs import Boxes, OutputValue, pixel_window
from terratorch.contracts.prediction import MAIN_LAYER, Prediction
from terratorch.errors import DataError
from terratorch.geo.partial_file import temporary_folder
from terratorch.geo.vector_files import VECTOR_FORMATS, import_writers
from terratorch.optional import import_optional
from terratorch.prediction.maps.writer import Georeference, make_folder, output_errors
from terratorch.prediction.outputs.base import FinishedRows, FinishImage, OutputFolder
from terratorch.prediction.partial import Unfinished

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

DEFAULT_FORMAT = "gpkg"
_PURPOSE = "read and write boxes"
_SIDES = ["left", "top", "right", "bottom"]  # columns, in pixels of the image


def as_boxes(output: OutputValue) -> Boxes:
    """Return an output that is boxes."""
    assert isinstance(output, Boxes), f"a {type(output).__name__} among boxes"
    return output


def box_file(folder: OutputFolder, filename: str) -> Path:
    """Return the file of the boxes of an image."""
    suffix = VECTOR_FORMATS[folder.options.format or DEFAULT_FORMAT].suffix
    return folder.path_of(filename, suffix=suffix)


class BoxFiles:
    """The boxes of one scene, written as one file when the last rows are finished.

    Args:
        reference: Where the pixels lie.
        folder: Names the file.
        finish: Called once the file is complete.
        tags: What the file records about its run.
        unfinished: Unused: boxes are not resumed within a scene.

    Attributes:
        written: The file, once it is complete.
    """

    def __init__(
        self,
        reference: Georeference,
        folder: OutputFolder,
        finish: FinishImage,
        tags: Mapping[str, str],
        unfinished: Unfinished | None = None,
    ) -> None:
        self.reference, self.folder, self.finish, self.tags = reference, folder, finish, tags
        self.written: list[Path] = []
        self._gathered = GatheredBoxes(reference)
        import_writers(folder.options.format or DEFAULT_FORMAT)

    def write(self, rows: FinishedRows) -> None:
        """Take finished boxes; with the last ones the file is written."""
        self._gathered.take(rows)
        if rows.bottom == self.reference.height:
            prediction = self._gathered.prediction()
            path = write_boxes(prediction, self.reference, self.folder, self.tags)
            self.written.append(path)
            self.finish(self.reference.path, {MAIN_LAYER: path})

    def suspend(self) -> None:
        """Nothing to keep: nothing is written before the scene is finished."""

    def discard(self) -> None:
        """Nothing to remove: nothing is written before the scene is finished."""


class BoxImages:
    """The boxes of images that are predicted whole, a file for each.

    Args:
        folder: Names the files.
        finish: Called once the file of an image is complete.
    """

    def __init__(self, folder: OutputFolder, finish: FinishImage) -> None:
        self.folder, self.finish = folder, finish
        import_writers(folder.options.format or DEFAULT_FORMAT)

    def add(self, prediction: Prediction) -> list[Path]:
        """Write the boxes of each image."""
        written = []
        for image in prediction.split():
            (filename,) = image.filenames
            path = write_boxes(image, Georeference.of(filename), self.folder, {})
            self.finish(filename, {MAIN_LAYER: path})
            written.append(path)
        return written

    def close(self, complete: bool) -> None:
        """Nothing to do: each file holds one image."""


class GatheredBoxes:
    """The boxes of a scene.

    Args:
        reference: Unused: boxes know where they are.
    """

    def __init__(self, reference: Georeference) -> None:
        self._parts: list[Prediction] = []

    def take(self, rows: FinishedRows) -> None:
        """Take the boxes that are finished."""
        self._parts.append(rows.prediction)

    def prediction(self) -> Prediction:
        """Return all boxes of the scene, as a batch of one."""
        parts = [as_boxes(part.main) for part in self._parts]
        masks = [part.masks[0] for part in parts if part.masks is not None]
        boxes = Boxes(
            (torch.cat([part.boxes[0] for part in parts]),),
            (torch.cat([part.scores[0] for part in parts]),),
            (torch.cat([part.labels[0] for part in parts]),),
            (tuple(mask for part in masks for mask in part),) if masks else None,
        )
        first = self._parts[0]
        return Prediction({MAIN_LAYER: boxes}, first.filenames, None, first.class_names)


def write_boxes(
    prediction: Prediction,
    reference: Georeference,
    folder: OutputFolder,
    tags: Mapping[str, str],
) -> Path:
    """Write the boxes of one image; the file appears when it is complete.

    Raises:
        DataError: If the format needs coordinates, and the image has none.
        OutputError: If the folder cannot be written to.
    """
    file_format = VECTOR_FORMATS[folder.options.format or DEFAULT_FORMAT]
    path = box_file(folder, reference.path)
    if file_format.suffix == ".geojson" and reference.crs is None:
        raise DataError(
            reference.path,
            "it has no coordinate reference system, and GeoJSON holds longitude and latitude",
            "Use --format gpkg or parquet.",
        )
    frame = _frame(prediction, reference)
    frame.attrs["description"] = json.dumps(_description(prediction, reference, tags))
    make_folder(path.parent)
    with output_errors(path), temporary_folder(path.parent) as temporary:
        try:
            file_format.write(frame, temporary / path.name)
        except RuntimeError as error:  # of pyogrio, whose errors have no common class of their own
            raise OSError(str(error)) from error
        os.replace(temporary / path.name, path)
    return path


def _description(
    prediction: Prediction, reference: Georeference, tags: Mapping[str, str]
) -> dict[str, Any]:
    return {
        **tags,
        "image": Path(reference.path).name,
        "size": [reference.height, reference.width],
        "transform": list(_transform(reference))[:6],
        "crs": None if reference.crs is None else reference.crs.to_wkt(),
        "class_names": prediction.class_names,
    }


def _transform(reference: Georeference) -> Affine:
    return reference.transform or Affine.identity()


def _frame(prediction: Prediction, reference: Georeference) -> GeoDataFrame:
    boxes, names = as_boxes(prediction.main), prediction.class_names
    corners, labels = boxes.boxes[0].double().numpy(), boxes.labels[0].tolist()
    if names is not None and labels and max(labels) >= len(names):
        raise DataError(
            reference.path,
            f"a box has the class {max(labels)}, but there are {len(names)} class_names",
            "Give as many class_names as num_classes.",
        )
    columns: dict[str, Any] = {
        "class_id": labels,
        "class_name": [str(label) if names is None else names[label] for label in labels],
        "score": boxes.scores[0].double().numpy(),
        **{side: corners[:, index] for index, side in enumerate(_SIDES)},
    }
    if boxes.masks is None:
        polygons = shapely.box(*corners.T)
    else:
        polygons = np.array(
            [
                _outline(mask.numpy(), pixel_window(box))
                for mask, box in zip(boxes.masks[0], boxes.boxes[0], strict=True)
            ],
            dtype=object,
        )
    transform = _transform(reference)

    def moved(points: Any) -> Any:
        x, y = transform @ (points[:, 0], points[:, 1])
        return np.stack([x, y], axis=1)

    geopandas = import_optional("geopandas", "vector", _PURPOSE)
    crs = None if reference.crs is None else reference.crs.to_wkt()
    frame = geopandas.GeoDataFrame(columns, geometry=shapely.transform(polygons, moved), crs=crs)
    frame.attrs["geometry_type"] = "Polygon" if boxes.masks is None else "MultiPolygon"
    return frame


def _outline(mask: NDArray[np.bool_], window: tuple[int, int, int, int]) -> MultiPolygon:
    """Return the outline of a mask along the sides of its pixels, in pixels of the image."""
    left, top, _, _ = window
    steps = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(steps == 1)
    ends = np.nonzero(steps == -1)[1]
    runs = shapely.box(left + starts, top + rows, left + ends, top + rows + 1)
    outline = shapely.simplify(shapely.union_all(runs), 0)  # without corners on straight sides
    return shapely.multipolygons(shapely.get_parts(outline))


def boxes_of(image: Prediction) -> Boxes:
    """Return the boxes of a batch of one."""
    return as_boxes(image.main)


def description_of(path: Path) -> dict[str, Any]:
    """Return what a file of boxes records about itself; empty if it is not such a file."""
    file_format = next(
        (each for each in VECTOR_FORMATS.values() if each.suffix == path.suffix), None
    )
    described = None if file_format is None else file_format.described(path)
    try:
        content = json.loads(described or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def is_box_file_complete(
    folder: OutputFolder, reference: Georeference, tags: Mapping[str, str]
) -> bool:
    """Return whether the boxes of an image were written by a run with these tags."""
    path = box_file(folder, reference.path)
    if not path.is_file():
        return False
    described = description_of(path)
    size = [reference.height, reference.width]
    return described.get("size") == size and all(described.get(tag) == tags[tag] for tag in tags)


def box_layers(folder: OutputFolder, filename: str) -> dict[str, Path]:
    """Return the file of the boxes of an image, as the main layer."""
    return {MAIN_LAYER: box_file(folder, filename)}


def read_boxes(path: Path) -> Boxes:
    """Read the boxes that `terratorch predict` wrote, in pixels of the image.

    Raises:
        DataError: If the file does not hold such boxes.
        MissingDependencyError: If geopandas is not installed.
    """
    described = description_of(path)
    if "transform" not in described:
        raise DataError(str(path), "it does not hold boxes that terratorch predict wrote")
    geopandas = import_optional("geopandas", "vector", _PURPOSE)
    frame = geopandas.read_parquet(path) if path.suffix == ".parquet" else geopandas.read_file(path)
    if frame.empty:  # GeoJSON without features has no columns
        return Boxes((torch.zeros(0, 4),), (torch.zeros(0),), (torch.zeros(0).long(),))
    boxes = torch.tensor(frame[_SIDES].to_numpy(np.float32))
    masks = None
    if (frame.geometry.geom_type == "MultiPolygon").any():
        if path.suffix == ".geojson":  # in longitude and latitude
            frame = frame.to_crs(described["crs"])
        masks = (_masks(frame, boxes, ~Affine(*described["transform"])),)
    scores = torch.tensor(frame["score"].to_numpy(np.float32))
    labels = torch.tensor(frame["class_id"].to_numpy(np.int64))
    return Boxes((boxes,), (scores,), (labels,), masks)


def _masks(frame: GeoDataFrame, boxes: Tensor, to_pixels: Affine) -> tuple[Tensor, ...]:
    masks = []
    for polygon, box in zip(frame.geometry, boxes, strict=True):
        left, top, right, bottom = pixel_window(box)
        burnt = rasterize(
            [polygon],
            out_shape=(bottom - top, right - left),
            transform=~to_pixels @ Affine.translation(left, top),
            dtype="uint8",
        )
        masks.append(torch.from_numpy(burnt.astype(bool)))
    return tuple(masks)


def summarise_boxes(
    outputs: Sequence[OutputValue], class_names: list[str] | None
) -> dict[str, str]:
    """Return the number of objects of each class, and their mean score."""
    batches = list(map(as_boxes, outputs))
    labels = torch.cat([each for boxes in batches for each in boxes.labels])
    scores = torch.cat([each for boxes in batches for each in boxes.scores])
    summary = {"objects": str(len(labels))}
    for label in labels.unique().tolist():
        name = str(label) if class_names is None else class_names[label]
        chosen = labels == label
        summary[name] = f"{int(chosen.sum())} (mean score {float(scores[chosen].mean()):.2f})"
    return summary
