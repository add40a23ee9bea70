"""The options of a prediction: each is declared once, for the command line, the YAML and Python.

Importing this module needs neither torch nor a parser, so that mistakes are reported at once.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from terratorch.errors import ConfigurationError, did_you_mean
from terratorch.tiles.parameters import TiledInferenceParameters, with_options

# The types of a map; None fits the type to the predicted values.
OutDtype = Literal["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
OutputName = Literal["classes", "probabilities", "logits", "values", "boxes", "vectors"]
ScoresDtype = Literal["float32", "float16", "uint8"]
StorageFormat = Literal["gtiff", "cog", "gpkg", "geojson", "parquet", "csv"]
VectorFormat = Literal["gpkg", "geojson", "parquet"]
Distributed = Literal["ray"]
Augment = Literal["flips", "rotations"]
Uncertainty = Literal["entropy", "variance"]

# Options that combine several predictions of an image.
ENSEMBLE_OPTIONS = ("augment", "uncertainty", "further_ckpt_paths")
# Options that limit the prediction to a part of each scene.
AREA_OPTIONS = ("area", "area_crs", "valid_mask")
# Options that replace facts of the files.
FACT_OPTIONS = ("date", "location")
# Options that set the tiles, the sizes first.
TILE_SIZES = ("crop", "stride", "delta", "h_crop", "w_crop", "h_stride", "w_stride")
TILE_OPTIONS = (*TILE_SIZES, "average_patches", "blend_overlaps", "padding")
# Options of storage and of products, not all of which apply to every type of output.
STORAGE_OPTIONS = ("out_dtype", "scores_dtype", "format", "vectorize", "stac", "mosaic")


def _option(default: Any, text: str, metavar: str | None = None) -> Any:
    return field(default=default, metadata={"help": text, "metavar": metavar})


@dataclass(frozen=True)
class PredictionOptions:
    """What a prediction writes, and how. `None` means that the option is not set.

    A field is a switch (`bool`), a value, or a list of values.
    """

    predict_output_dir: str | None = _option(None, "folder for the maps", "DIR")
    out_dtype: OutDtype | None = _option(None, "type of the maps; by default it fits the task")
    outputs: list[OutputName] | None = _option(
        None, "outputs to write: classes, probabilities, logits, values, boxes or vectors", "NAME"
    )
    scores_dtype: ScoresDtype | None = _option(
        None, "type of probabilities and logits; uint8 scales probabilities to save space"
    )
    format: StorageFormat | None = _option(
        None,
        "format of the files: gtiff or cog for maps, gpkg, geojson or parquet for boxes, gtiff, "
        "cog or parquet for vectors",
    )
    quicklook: bool = _option(True, "draw a picture of each map")
    vectorize: VectorFormat | None = _option(
        None, "write the polygons of each class map: GeoPackage, GeoJSON or GeoParquet"
    )
    vector_min_area: float | None = _option(None, "drop polygons smaller than AREA m2", "AREA")
    vector_simplify: float | None = _option(
        None, "simplify polygons by LENGTH metres; neighbours keep common borders", "LENGTH"
    )
    stac: bool = _option(False, "write a STAC item for each map")
    mosaic: bool = _option(False, "join the maps of the run into a virtual raster, mosaic.vrt")
    augment: list[Augment] | None = _option(
        None, "average the predictions of flipped or rotated copies of each tile"
    )
    uncertainty: list[Uncertainty] | None = _option(
        None, "write the uncertainty; variance needs --augment or several checkpoints"
    )
    further_ckpt_paths: list[str] | None = _option(
        None, "checkpoints that predict together with the one of --ckpt_path", "FILE"
    )
    output_file_prefix: str | None = _option(None, "prefix for the name of every map", "TEXT")
    scene_folders: bool = _option(
        False, "each folder of --predict_data is one scene: a file per band, date or modality"
    )
    area: str | None = _option(
        None, "predict within a file of polygons, or WEST,SOUTH,EAST,NORTH in degrees", "AREA"
    )
    area_crs: str | None = _option(None, "coordinate system of --area", "EPSG:CODE")
    valid_mask: str | None = _option(
        None, "masks on the grids of the scenes: a file, a folder, or a path with {stem}", "PATH"
    )
    date: list[str] | None = _option(
        None, "when the images were taken, such as 2020-01-31; one for each time step", "DATE"
    )
    location: str | None = _option(
        None, "location of images without georeference: latitude and longitude", "LAT,LON"
    )
    crop: int | None = _option(None, "tile size in pixels")
    stride: int | None = _option(None, "pixels from one tile to the next")
    delta: int | None = _option(None, "pixels to drop along each side of a tile")
    h_crop: int | None = _option(None, "tile height, instead of --crop")
    w_crop: int | None = _option(None, "tile width, instead of --crop")
    h_stride: int | None = _option(None, "pixels to the next row of tiles, instead of --stride")
    w_stride: int | None = _option(None, "pixels to the next column, instead of --stride")
    average_patches: bool | None = _option(None, "average where tiles overlap: true or false")
    blend_overlaps: bool | None = _option(None, "weight the average by a cosine: true or false")
    padding: bool | str | None = _option(
        None, "beyond the scene: reflect, replicate, constant, circular, or false", "MODE"
    )
    batch_size: int | str | None = _option(
        None, "tiles, or whole images, per forward pass: a number, or auto", "N"
    )
    overwrite: bool = _option(False, "predict again where maps are already complete")
    strict: bool = _option(False, "stop at the first image that cannot be read")
    distributed: Distributed | None = _option(
        None, "spread the work over Ray workers, on this machine or on a cluster"
    )
    workers: int | None = _option(
        None, "number of workers; by default one per GPU, or per group of CPU threads", "N"
    )
    ray_address: str | None = _option(
        None, "address of a Ray cluster, or auto; without it, Ray starts on this machine", "HOST"
    )

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> PredictionOptions:
        """Build the options from YAML values or parsed arguments, and check them.

        Args:
            values: Values by name; other names are ignored, and `None` means not set.

        Raises:
            ConfigurationError: If a value is not valid, or an option needs another one.
        """
        options = cls(**read_values(values))
        options.check()
        return options

    def check(self) -> None:
        """Check everything that is known without the model.

        Raises:
            ConfigurationError: If a value is not valid, or an option needs another one.
        """
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigurationError(name, f"{value:g} is too small", f"Use at least {least}.")
        with_options(_ANY_TILES, {name: getattr(self, name) for name in _TILE_VALUES})
        for rule in _REQUIREMENTS:
            rule.check(self)
        if self.vectorize is not None and self.out_dtype is not None:
            _check_vector_dtype(self.out_dtype)


def read_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are set, by name, including those set to their default.

    Args:
        values: YAML values or parsed arguments by name.

    Raises:
        ConfigurationError: If a value has the wrong type.
    """
    # `null` on the command line means what it means in YAML.
    named = {name: values.get(name) for name in OPTIONS}
    return {
        name: OPTIONS[name].read(value)
        for name, value in named.items()
        if value is not None and value != "null"
    }


@dataclass(frozen=True)
class Option:
    """A row of the declaration.

    Attributes:
        name: The field.
        kind: The type of a value or list item; None if there are several.
        is_list: Whether it takes a list.
        is_switch: Whether it is on or off, without a value.
        default: Its default.
        help: One line for the user.
        metavar: The placeholder of its value.
    """

    name: str
    kind: Any
    is_list: bool
    is_switch: bool
    default: object
    help: str
    metavar: str | None

    @property
    def words(self) -> tuple[str, ...]:
        """The words to choose from; empty if it is not a choice."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    def read(self, value: Any) -> Any:
        """Check a value and return it.

        Raises:
            ConfigurationError: If it has the wrong type.
        """
        if not self.is_list:
            return self._read_item(value)
        items = value if isinstance(value, list) else [value]
        if not items:
            raise ConfigurationError(self.name, "the list is empty", "Fill it, or remove it.")
        return [self._read_item(item) for item in items]

    def _read_item(self, value: Any) -> Any:
        if self.words:
            return _word(self.name, value, self.words)
        if self.name in _READERS:
            return _READERS[self.name](self.name, value)
        if self.kind in _NUMBERS:
            return _number(self.name, value, self.kind)
        if self.kind is str:
            return read_text(self.name, value)
        if self.kind is bool:
            return _true_or_false(self.name, value)
        return value


def read_text(name: str, value: object) -> str:
    """Return a value that must be text.

    Args:
        name: The option, for the message.
        value: The value.

    Raises:
        ConfigurationError: If it is not text.
    """
    if isinstance(value, str):
        return value
    cure = "Remove it." if value is None else f"Put it in quotes: '{value}'."
    if isinstance(value, list | dict):
        cure = "Give one value."
    raise ConfigurationError(name, f"{value!r} is not text", cure)


def _word(name: str, value: object, words: tuple[str, ...]) -> object:
    if value not in words:
        raise ConfigurationError(
            name,
            f"{value!r} is not one of {', '.join(words)}",
            did_you_mean(str(value), words) or "Use one of these.",
        )
    return value


_NUMBERS: dict[Any, str] = {int: "a whole number", float: "a number"}


def _number(name: str, value: object, kind: Callable[[str], float]) -> float:
    try:
        number = kind(str(value))  # also of a number: 3.5 and true are not integers
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigurationError(name, f"{value!r} is not {_NUMBERS[kind]}", "Use one such as 8.")
    return number


def _true_or_false(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(
            name, f"{value!r} is not true or false", "Write one of these, without quotes."
        )
    return value


def _area(name: str, value: Any) -> str:
    if not isinstance(value, list):
        return read_text(name, value)
    if len(value) != 4 or any(type(bound) not in (int, float) for bound in value):
        raise ConfigurationError(
            name, f"{value!r} is not four numbers", "Write [WEST, SOUTH, EAST, NORTH]."
        )
    return ",".join(map(str, value))


def _crs(name: str, value: Any) -> str:
    """Return the name of a CRS; a number is an EPSG code."""
    is_code = type(value) is int or (isinstance(value, str) and value.isdecimal())
    return f"EPSG:{value}" if is_code else read_text(name, value)


def _date(name: str, value: Any) -> str:
    """Return a date as text; YAML makes it a date."""
    return value.isoformat() if isinstance(value, date) else read_text(name, value)


def _location(name: str, value: Any) -> str:
    if isinstance(value, list) and len(value) == 2:
        return ",".join(map(str, value))
    return read_text(name, value)


_READERS: dict[str, Callable[[str, Any], str]] = {
    "area": _area,
    "area_crs": _crs,
    "date": _date,
    "location": _location,
}


def _declared() -> dict[str, Option]:
    hints = get_type_hints(PredictionOptions)
    return {row.name: _row(row.name, hints[row.name], row) for row in fields(PredictionOptions)}


def _row(name: str, hint: Any, declared: Any) -> Option:
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [kind for kind in members if kind is not NoneType]
    is_list = get_origin(kinds[0]) is list
    kind = get_args(kinds[0])[0] if is_list else kinds[0]
    return Option(
        name,
        kind if len(kinds) == 1 else None,
        is_list,
        hint is bool,
        declared.default,
        declared.metadata["help"],
        declared.metadata["metavar"],
    )


OPTIONS = _declared()


@dataclass(frozen=True)
class _Requirement:
    """An option that needs another one.

    Attributes:
        option: The option.
        is_met: Whether the options have what it needs.
        seen: The message if not; `{value}` is the value of the option.
        cure: What the user can do.
        value: The list item that needs it; None for any value.
    """

    option: str
    is_met: Callable[[PredictionOptions], bool]
    seen: str
    cure: str
    value: str | None = None

    def check(self, options: PredictionOptions) -> None:
        value = getattr(options, self.option)
        applies = value is not None if self.value is None else self.value in (value or ())
        if applies and not self.is_met(options):
            raise ConfigurationError(self.option, self.seen.format(value=value), self.cure)


def _has_polygons(options: PredictionOptions) -> bool:
    return options.vectorize is not None


def _is_distributed(options: PredictionOptions) -> bool:
    return options.distributed is not None


def _has_several_predictions(options: PredictionOptions) -> bool:
    return bool(options.augment or options.further_ckpt_paths)


_POLYGONS = ("{value:g}, but no polygons are written", "Add --vectorize gpkg.")
_WORKERS = ("{value}, but the work is not distributed", "Add --distributed ray.")
_REQUIREMENTS = (
    _Requirement("vector_min_area", _has_polygons, *_POLYGONS),
    _Requirement("vector_simplify", _has_polygons, *_POLYGONS),
    _Requirement("workers", _is_distributed, *_WORKERS),
    _Requirement("ray_address", _is_distributed, *_WORKERS),
    _Requirement(
        "uncertainty",
        _has_several_predictions,
        "variance needs several predictions of an image, and there is one",
        "Add --augment flips rotations, or several checkpoints: --ckpt_path A.ckpt B.ckpt.",
        "variance",
    ),
)
# `crop` and `stride` set two sides; the other values of tiles are checked by `with_options`.
_LEAST = {"crop": 1, "stride": 1, "vector_min_area": 0, "vector_simplify": 0, "workers": 1}
_TILE_VALUES = (*TILE_OPTIONS, "batch_size")
# The task or the scene may set the other sizes, so these accept any stride and delta.
_ANY_TILES = TiledInferenceParameters(sys.maxsize, 1, sys.maxsize, 1, delta=0)


def _check_vector_dtype(out_dtype: str) -> None:
    from terratorch.prediction.products.tracing import TRACEABLE

    if out_dtype not in TRACEABLE:
        raise ConfigurationError(
            "vectorize",
            f"polygons cannot be made from maps of {out_dtype}",
            f"Use an --out_dtype of {', '.join(TRACEABLE)}, or omit it.",
        )


def missing_folder() -> ConfigurationError:
    """Return the error of a prediction without a folder for its maps."""
    return ConfigurationError(
        "predict_output_dir", "is missing", "Set the folder for the maps: --predict_output_dir DIR"
    )
