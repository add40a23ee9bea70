"""Read labels: masks of class ids, and rasters of values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from terratorch.contracts.images import Pixels
from terratorch.errors import DataError
from terratorch.geo.raster import RasterData, open_raster, read_bands

NO_LABEL = -1
"""The class id of a pixel without label, where nothing else was asked for."""


def read_class_mask(
    path: Path, no_label_replace: int | None = None, reduce_zero_label: bool = False
) -> NDArray[np.int64]:
    """Read a mask of class ids, `(H, W)`.

    Args:
        path: The file, of one band.
        no_label_replace: The id of pixels that are nodata or NaN in the file; nodata keeps its
            value where None, and NaN is an error.
        reduce_zero_label: Whether ids count from 1 and 0 means unlabelled. Ids are lowered by 1; 0
            becomes `no_label_replace`, or -1 if that is None. Nodata stays unchanged.

    Raises:
        DataError: If it has several bands, NaN that nothing replaces, fractions, or ids below -1.
    """
    raster = _read_one_band(path)
    values, invalid = raster.data[0], raster.invalid
    missing = None if invalid is None else invalid[0]
    if values.dtype.kind == "f":
        values = _whole_numbers(path, values, missing, no_label_replace)
    mask: NDArray[np.int64] = values.astype(np.int64)
    if reduce_zero_label:
        unlabelled = NO_LABEL if no_label_replace is None else no_label_replace
        lowered = np.where(mask == 0, unlabelled, mask - 1)
        mask = lowered if missing is None else np.where(missing & (mask != 0), mask, lowered)
    if missing is not None and no_label_replace is not None:
        mask[missing] = no_label_replace
    if values.dtype.kind != "u":
        _check_not_negative(path, mask, missing, no_label_replace)
    return mask


def read_value_mask(
    path: Path, no_label_replace: float | None = None, reduce_zero_label: bool = False
) -> NDArray[np.float32]:
    """Read a raster of values, `(H, W)`.

    Args:
        path: The file, of one band.
        no_label_replace: Replaces nodata and NaN; they become NaN if None, which losses and
            metrics skip.
        reduce_zero_label: Whether 1 is subtracted.
    """
    raster = _read_one_band(path)
    with np.errstate(over="ignore"):  # nodata of float64 files is beyond float32
        values: NDArray[np.float32] = raster.data[0].astype(np.float32)
    if reduce_zero_label:
        values -= 1
    if raster.invalid is not None:
        values[raster.invalid[0]] = np.nan if no_label_replace is None else no_label_replace
    return values


def _read_one_band(path: Path) -> RasterData:
    with open_raster(path) as dataset:
        if dataset.count != 1:
            raise DataError(
                str(path),
                f"{dataset.count} bands, but a label has one",
                "Is it an image? Check label_grep, and that labels hold ids, not colours.",
            )
        return read_bands(dataset)


def _whole_numbers(
    path: Path, values: Pixels, missing: NDArray[np.bool_] | None, replacement: int | None
) -> Pixels:
    finite = np.isfinite(values)
    if not finite.all():
        if replacement is None:
            raise DataError(
                str(path),
                f"NaN in the label ({int((~finite).sum())} of {values.size} pixels)",
                "Set no_label_replace to the id of pixels without label, for example -1.",
            )
        values = np.where(finite, values, replacement)
    fractions = values != np.round(values)
    if missing is not None:
        fractions &= ~missing
    if fractions.any():
        raise DataError(
            str(path),
            f"the label holds {values[fractions][0]:g}, which is not a class id",
            "Class ids are whole numbers; for values, use a regression data module.",
        )
    return values


def _check_not_negative(
    path: Path,
    mask: NDArray[np.int64],
    missing: NDArray[np.bool_] | None,
    replacement: int | None,
) -> None:
    if mask.min() >= NO_LABEL:
        return
    wrong = mask < NO_LABEL
    if replacement is not None:
        wrong &= mask != replacement
    if missing is not None:
        wrong &= ~missing
    if wrong.any():
        raise DataError(
            str(path),
            f"the label holds {int(mask[wrong][0])}, which is not a class id",
            "Ids count from 0, and -1 means unlabelled. Mark other values as nodata in the file "
            "and set no_label_replace.",
        )
