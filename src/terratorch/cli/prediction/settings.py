"""The options of `terratorch predict` on what is written and how: one table for both parsers."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

# The types that a map can be written in; None fits the type to what is predicted.
OutDtype = Literal["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]


ScoresDtype = Literal["float32", "float16", "uint8"]
MapFormat = Literal["gtiff", "cog"]
VectorFormat = Literal["gpkg", "geojson", "parquet"]
Distributed = Literal["ray"]
Augment = Literal["flips", "rotations"]
Uncertainty = Literal["entropy", "variance"]

# Those that make one prediction from several.
JOINT_OPTIONS = ("augment", "uncertainty", "further_ckpt_paths")


def _option(default: Any, text: str, metavar: str | None = None) -> Any:
    return field(default=default, metadata={"help": text, "metavar": metavar})


@dataclass(frozen=True)
class PredictionSettings:
    """What is written, and how; each field is an option of the command line and of the YAML.

    A field is a switch, a value, or a sequence of values; None stands for what is not given.
    """

    predict_output_dir: str | None = _option(None, "the folder that maps are written to", "DIR")
    out_dtype: OutDtype | None = _option(None, "type of the maps; by default it fits the task")
    outputs: list[str] | None = _option(
        None, "what is written: classes, probabilities, logits, or values", "NAME"
    )
    scores_dtype: ScoresDtype | None = _option(
        None, "type of probabilities and logits; uint8 scales probabilities to save space"
    )
    format: MapFormat = _option("gtiff", "of the maps: GeoTIFF, or a cloud-optimised one")
    quicklook: bool = _option(True, "draw a picture beside each map")
    vectorize: VectorFormat | None = _option(
        None, "write the polygons of each map of classes: GeoPackage, GeoJSON or GeoParquet"
    )
    vector_min_area: float | None = _option(
        None, "leave out polygons of less than so many m2", "AREA"
    )
    vector_simplify: float | None = _option(
        None, "simplify polygons by so many metres; neighbours keep common borders", "LENGTH"
    )
    stac: bool = _option(False, "write a STAC item beside each map")
    mosaic: bool = _option(False, "join the maps of the run into a virtual raster, mosaic.vrt")
    augment: list[Augment] | None = _option(
        None, "average the predictions of flipped or rotated copies of what the model sees"
    )
    uncertainty: list[Uncertainty] | None = _option(
        None, "write how uncertain predictions are; variance needs --augment or several checkpoints"
    )
    further_ckpt_paths: list[str] | None = _option(
        None, "checkpoints that predict together with ckpt_path, as its further values", "FILE"
    )
    output_file_prefix: str | None = _option(None, "what the name of every map begins with", "TEXT")
    scene_folders: bool = _option(
        False, "each folder of --predict_data is one scene, with a file for each band or date"
    )
    area: str | None = _option(
        None, "predict within a file of polygons, or WEST,SOUTH,EAST,NORTH in degrees", "AREA"
    )
    area_crs: str | None = _option(None, "what the coordinates of --area are in", "EPSG:CODE")
    valid_mask: str | None = _option(
        None, "rasters on the grids of the scenes: a file, a folder, or a path with {stem}", "PATH"
    )
    crop: int | None = _option(None, "pixels a side of a tile")
    stride: int | None = _option(None, "pixels from one tile to the next")
    delta: int | None = _option(None, "pixels that are dropped along the sides of a tile")
    h_crop: int | None = _option(None, "height of a tile, instead of --crop")
    w_crop: int | None = _option(None, "width of a tile, instead of --crop")
    h_stride: int | None = _option(None, "pixels to the next row of tiles, instead of --stride")
    w_stride: int | None = _option(None, "pixels to the next column, instead of --stride")
    average_patches: bool | None = _option(None, "average where tiles overlap: true or false")
    blend_overlaps: bool | None = _option(None, "weight the average by a cosine: true or false")
    padding: bool | str | None = _option(
        None, "beyond the scene: reflect, replicate, constant, circular, or false", "MODE"
    )
    batch_size: int | str | None = _option(
        None, "tiles, or whole images, at once: a number, or auto for what fits and is fastest", "N"
    )
    overwrite: bool = _option(False, "make maps again that are complete")
    strict: bool = _option(False, "stop at the first image that cannot be read")
    distributed: Distributed | None = _option(
        None, "spread the work over workers of Ray: on this machine, or of a cluster"
    )
    workers: int | None = _option(
        None, "how many; by default one for each GPU, or for as many CPUs as there are threads", "N"
    )
    ray_address: str | None = _option(
        None, "of a Ray cluster, or auto for that of this machine; else Ray is started here", "HOST"
    )

    def updated(self, other: PredictionSettings) -> PredictionSettings:
        """Return these settings with those of another that are given there."""
        given = {
            option.name: value
            for option in fields(other)
            if (value := getattr(other, option.name)) != option.default
        }
        return dataclasses.replace(self, **given)

    @classmethod
    def chosen(cls, get: Callable[[str], Any]) -> PredictionSettings:
        """Return the settings whose values a function gives by name; None is not given."""
        values = {option.name: get(option.name) for option in fields(cls)}
        return cls(**{name: value for name, value in values.items() if value is not None})


@dataclass(frozen=True)
class _Option:
    name: str
    hint: Any
    default: Any
    metadata: Mapping[str, Any]

    @property
    def kind(self) -> Any:
        """The type without None; what reads the value where it is one of several."""
        if NoneType not in get_args(self.hint):
            return self.hint
        kinds = [kind for kind in get_args(self.hint) if kind is not NoneType]
        return _scalar if len(kinds) > 1 or kinds == [bool] else kinds[0]


def _scalar(text: str) -> Any:
    """Return a value as the YAML would have it: a number, true or false, or text."""
    from yaml import YAMLError, safe_load

    try:
        return safe_load(text)
    except YAMLError:
        return text


def _options() -> Iterator[_Option]:
    hints = get_type_hints(PredictionSettings)
    for option in fields(PredictionSettings):
        yield _Option(option.name, hints[option.name], option.default, option.metadata)


def add_to_argparse(parser: argparse.ArgumentParser) -> None:
    """Add the options to the parser of a prediction without configuration."""
    for option in _options():
        text, metavar = option.metadata["help"], option.metadata["metavar"]
        kind = option.kind
        if kind is bool:
            _add_switch(parser, option)
            continue
        many: dict[str, Any] = {}
        if get_origin(kind) in (list, tuple):
            many, kind = {"nargs": "+"}, get_args(kind)[0]
        choices = get_args(kind) if get_origin(kind) is Literal else None
        parser.add_argument(
            f"--{option.name}",
            type=str if choices else kind,
            choices=choices,
            default=option.default,
            metavar=metavar,
            help=text,
            **many,
        )


def _add_switch(parser: argparse.ArgumentParser, option: _Option) -> None:
    """Add `--NAME`, and `--no_NAME` for what is on by default."""
    name, text, default = option.name, option.metadata["help"], option.default
    parser.add_argument(f"--{name}", action="store_true", default=default, help=text)
    if default:
        parser.add_argument(f"--no_{name}", dest=name, action="store_false", help=f"do not {text}")


def add_to_jsonargparse(add_argument: Callable[..., Any]) -> None:
    """Add the options to the parser of Lightning, where they may stand in the YAML as well."""
    from jsonargparse import ActionYesNo

    for option in _options():
        text = option.metadata["help"]
        if option.hint is bool and option.default:
            # `--no_NAME`, and `NAME: false` in the YAML.
            action = ActionYesNo(no_prefix="no_")
            add_argument(f"--{option.name}", action=action, default=True, help=text)
            continue
        if option.hint is bool:
            add_argument(f"--{option.name}", action="store_true", help=text)
            continue
        many = {"nargs": "+"} if get_origin(option.kind) in (list, tuple) else {}
        hint = get_args(option.kind)[0] if many else option.hint
        add_argument(f"--{option.name}", type=hint, default=option.default, help=text, **many)
