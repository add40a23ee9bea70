"""How predictions are stored as pixels: dtype, nodata, band names, class names and colours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from terratorch.colors import palette
from terratorch.contracts.map_tags import CLASS_NAMES_TAG, CONTENT_TAG
from terratorch.contracts.outputs import Content, Raster
from terratorch.contracts.prediction import MAIN_LAYER
from terratorch.errors import ConfigurationError, DataError, did_you_mean

# What stands for nodata. For classes the last id of the dtype, which is never that of a class; for
# floats NaN, since any number may be a prediction. The source's own value may be either.
NODATA: dict[str, float] = {
    "uint8": 255,
    "uint16": 65535,
    "uint32": 2**32 - 1,
    "int8": -1,
    "int16": -1,
    "int32": -1,
    "float32": float("nan"),
    "float64": float("nan"),
}

# Sums of floats are off by as much.
_ROUNDING = 1e-3

RGBA = tuple[int, int, int, int]


# A probability as a byte is a count of these steps, 0 to 250: it is off by 0.002 at most.
PROBABILITY_STEP = 0.004


@dataclass(frozen=True)
class MapOptions:
    """How maps are stored, as the user asks for it.

    Attributes:
        out_dtype: Of the main layer; None fits it to what is predicted.
        scores_dtype: Of probabilities and logits: `float32`, `float16`, or, of probabilities alone,
            `uint8`.
        format: `gtiff`, `cog`, or another format of the type of output; None is its default.
    """

    out_dtype: str | None = None
    scores_dtype: str | None = None
    format: str | None = None

    def check(self, outputs: Iterable[Content]) -> None:
        """Refuse a type of scores that would not be used, or that would damage some.

        Raises:
            ConfigurationError: If there are no scores, or bytes are asked for numbers of any range.
        """
        if self.scores_dtype is None:
            return
        held = list(outputs)
        scores = [output for output in held if output.is_scores]
        if not scores:
            raise ConfigurationError(
                "scores_dtype",
                f"{self.scores_dtype}, but no scores are written, only {', '.join(held)}",
                "Ask for them, where the task has classes: --outputs classes probabilities; or "
                "leave scores_dtype out.",
            )
        if self.scores_dtype == "uint8" and Content.LOGITS in scores:
            raise ConfigurationError(
                "scores_dtype",
                "logits have no fixed range, so they cannot be scaled to uint8",
                "Write probabilities instead, or use float16.",
            )


@dataclass(frozen=True)
class Encoding:
    """How one layer is stored.

    Attributes:
        dtype: Of the file.
        band_names: A description of each band.
        class_names: Names of the classes, where the pixels are class ids.
        content: What the pixels mean.
        step: What the pixels are multiples of, None where they are stored as they are.
        half: Whether floats are stored in 16 bits.
        format: `gtiff`, or `cog` for a cloud-optimised GeoTIFF.
    """

    dtype: str
    band_names: tuple[str, ...]
    class_names: tuple[str, ...] | None = None
    content: Content = Content.VALUES
    step: float | None = None
    half: bool = False
    format: str = "gtiff"

    @property
    def is_classes(self) -> bool:
        """Whether the pixels are class ids."""
        return self.content is Content.CLASSES

    @property
    def nodata(self) -> float:
        """What stands for nodata."""
        return NODATA[self.dtype]

    def creation_options(self) -> dict[str, Any]:
        """Return the options of GDAL for a GeoTIFF of these pixels."""
        options: dict[str, Any] = {"predictor": 3 if self.dtype.startswith("float") else 2}
        if self.half:
            options["NBITS"] = 16  # readers see float32
        if len(self.band_names) > 1:
            options["photometric"] = "MINISBLACK"  # three or four bands of bytes are no picture
        return options

    def tags(self) -> dict[str, str]:
        """Return the content, and the class names as one JSON list and one tag a class."""
        tags = {CONTENT_TAG: self.content.value}
        if not self.is_classes or self.class_names is None:
            return tags
        names = list(self.class_names)
        listed = {CLASS_NAMES_TAG: json.dumps(names, ensure_ascii=False)}
        return tags | listed | {f"class_{index}": name for index, name in enumerate(names)}

    def colormap(self) -> dict[int, RGBA] | None:
        """Return the colour of each class, where the file can hold a table of colours."""
        if not self.is_classes or self.dtype not in ("uint8", "uint16"):
            return None
        names = self.class_names
        if names is None:
            if self.dtype != "uint8":
                return None  # tens of thousands of classes that nobody named
            # The colour of an id does not depend on how many there are.
            names = tuple(map(str, range(int(self.nodata))))
        colors = {index: (*color, 255) for index, color in enumerate(palette(names))}
        return colors | {int(self.nodata): (255, 255, 255, 0)}

    def encode(self, values: Tensor, valid: Tensor | None, filename: str) -> NDArray[Any]:
        """Return `(C, h, w)` pixels of the file's dtype, nodata where the input is.

        Args:
            values: `(C, h, w)`.
            valid: `(h, w)`, False where the input holds nodata.
            filename: The image, for messages.

        Raises:
            DataError: If a value is not a class, or does not fit into the dtype.
        """
        values = values.detach().cpu()
        pixels = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
        hidden = None if valid is None else ~valid.cpu().numpy()
        if self.is_classes:
            self._check_classes(pixels, hidden, filename)
        if self.step is not None:
            self._check_probabilities(pixels, hidden, filename)
            pixels = np.rint(np.nan_to_num(pixels) / self.step)
        if self.half:
            pixels = pixels.astype(np.float16)  # rounded: GDAL would cut the last bits off
        encoded = pixels.astype(self.dtype)
        if hidden is not None:
            encoded[:, hidden] = self.nodata
        return encoded

    def _check_classes(
        self, pixels: NDArray[Any], hidden: NDArray[np.bool_] | None, filename: str
    ) -> None:
        seen = pixels if hidden is None else pixels[:, ~hidden]
        if not seen.size:
            return
        low, high = seen.min(), seen.max()
        if self.class_names is not None:
            last, cure = len(self.class_names) - 1, "Give as many class_names as num_classes."
        else:
            last, cure = self._last_class(), "Use a wider --out_dtype, such as int32."
        if low < 0 or high > last:
            raise DataError(
                filename,
                f"its predicted classes are {low} to {high}, of which 0 to {last} can be written",
                cure,
            )

    def _check_probabilities(
        self, pixels: NDArray[Any], hidden: NDArray[np.bool_] | None, filename: str
    ) -> None:
        seen = pixels if hidden is None else pixels[:, ~hidden]
        if seen.size and not (seen.min() >= -_ROUNDING and seen.max() <= 1 + _ROUNDING):
            raise DataError(
                filename,
                f"its probabilities are {seen.min():g} to {seen.max():g}, and not 0 to 1",
                "Leave scores_dtype out.",
            )

    def _last_class(self) -> int:
        if self.dtype.startswith("float"):
            return int(2 ** (np.finfo(self.dtype).nmant + 1))
        most = int(np.iinfo(self.dtype).max)
        return most - 1 if self.nodata == most else most


def layer_encoding(
    raster: Raster,
    layer: str,
    class_names: Sequence[str] | None,
    options: MapOptions | None = None,
    classes: int | None = None,
) -> Encoding:
    """Choose how a layer is stored.

    Args:
        raster: The layer.
        layer: Its name.
        class_names: Names of the classes.
        options: What was asked for. By default class ids are `uint8`, or `uint16` for more than 255
            classes, and all else `float32`.
        classes: How many classes there can be, where the prediction is a part of a map; None takes
            the highest that there is.

    Raises:
        ConfigurationError: If the dtype is not one of maps, or an integer for what is not classes.
    """
    options = options or MapOptions()
    values, held = raster.values, raster.content
    names = None if class_names is None else tuple(class_names)
    scores_dtype = options.scores_dtype if held.is_scores else None
    step = PROBABILITY_STEP if scores_dtype == "uint8" else None
    assert step is None or held is Content.PROBABILITIES, "checked when the options were"
    if scores_dtype is None:
        dtype = _dtype(values, layer, held, options.out_dtype, names, classes)
    else:
        dtype = "uint8" if step else "float32"
    return Encoding(
        dtype=dtype,
        band_names=raster.band_names or _band_names(values, layer, held, names),
        class_names=names,
        content=held,
        step=step,
        half=scores_dtype == "float16",
        format="cog" if options.format == "cog" else "gtiff",
    )


def _dtype(
    values: Tensor,
    layer: str,
    held: Content,
    out_dtype: str | None,
    names: Sequence[str] | None,
    classes: int | None,
) -> str:
    is_classes = held is Content.CLASSES
    if out_dtype is None:
        if not is_classes:
            return "float64" if values.dtype == torch.float64 else "float32"
        if names is not None:
            classes = len(names)
        most = int(values.max()) + 1 if classes is None else classes
        return "uint8" if most <= NODATA["uint8"] else "uint16"
    if out_dtype not in NODATA:
        raise ConfigurationError(
            "out_dtype",
            f"{out_dtype!r} is not a dtype of maps",
            did_you_mean(out_dtype, NODATA) or f"Use one of {', '.join(NODATA)}.",
        )
    if not is_classes and not out_dtype.startswith("float"):
        if layer != MAIN_LAYER:
            return "float32"  # it is the dtype of the classes beside it
        raise ConfigurationError(
            "out_dtype",
            f"{out_dtype} would cut off the decimals of the layer '{layer}'",
            "Use float32, or leave it out."
            + " To save space, use --scores_dtype uint8." * (held is Content.PROBABILITIES),
        )
    return out_dtype


def _band_names(
    values: Tensor, layer: str, held: Content, names: Sequence[str] | None
) -> tuple[str, ...]:
    count = values.shape[1] if values.ndim == 4 else 1
    if count == 1:
        return ("class",) if held is Content.CLASSES else (layer,)
    if names is not None and len(names) == count:
        return tuple(names)
    return tuple(f"{layer}_{index}" for index in range(count))
