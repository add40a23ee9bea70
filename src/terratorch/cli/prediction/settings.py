"""The options of `terratorch predict` on what is written and how: one table for both parsers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from terratorch.cli import option_values
from terratorch.errors import ConfigurationError, did_you_mean

# The types that a map can be written in; None fits the type to what is predicted.
OutDtype = Literal["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
# What a layer of a map can hold.
OutputName = Literal["classes", "probabilities", "logits", "values"]
ScoresDtype = Literal["float32", "float16", "uint8"]
MapFormat = Literal["gtiff", "cog"]
VectorFormat = Literal["gpkg", "geojson", "parquet"]
Distributed = Literal["ray"]
Augment = Literal["flips", "rotations"]
Uncertainty = Literal["entropy", "variance"]

# Those that make one prediction from several.
JOINT_OPTIONS = ("augment", "uncertainty", "further_ckpt_paths")
# Those that say how scenes are cut, and of these the sizes.
TILE_SIZES = ("crop", "stride", "delta", "h_crop", "w_crop", "h_stride", "w_stride")
TILE_OPTIONS = (*TILE_SIZES, "average_patches", "blend_overlaps", "padding")


def _option(
    default: Any,
    text: str,
    metavar: str | None = None,
    read: Callable[[str, Any], Any] | None = None,
    hint: Any = None,
) -> Any:
    """Return an option; it may be read in its own way, and stand in the YAML as other types."""
    facts = {"help": text, "metavar": metavar, "read": read, "hint": hint}
    return field(default=default, metadata=facts)


@dataclass(frozen=True)
class PredictionSettings:
    """What is written, and how; each field is an option of the command line and of the YAML.

    A field is a switch, a value, or a sequence of values; None stands for what is not given.
    """

    predict_output_dir: str | None = _option(None, "the folder that maps are written to", "DIR")
    out_dtype: OutDtype | None = _option(None, "type of the maps; by default it fits the task")
    outputs: list[OutputName] | None = _option(
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
        False, "each folder of --predict_data is one scene: a file for each band, date, modality"
    )
    area: str | None = _option(
        None,
        "predict within a file of polygons, or WEST,SOUTH,EAST,NORTH in degrees",
        metavar="AREA",
        read=option_values.area,
        hint=str | list[float] | None,
    )
    area_crs: str | None = _option(
        None,
        "what the coordinates of --area are in",
        metavar="EPSG:CODE",
        read=option_values.crs,
        hint=str | int | None,
    )
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

    @classmethod
    def chosen(cls, get: Callable[[str], Any]) -> PredictionSettings:
        """Return the settings whose values a function gives by name; None is not given.

        Args:
            get: Gives what stands in the YAML, or text of the command line.

        Raises:
            ConfigurationError: If a value is none that the option can have.
        """
        return cls(**given_options(get))


def given_options(get: Callable[[str], Any]) -> dict[str, Any]:
    """Return the options that are given by name, also where they are what they are by default.

    Args:
        get: Gives what stands in the YAML, or text of the command line; None is not given.

    Raises:
        ConfigurationError: If a value is none that the option can have.
    """
    values = {option.name: option.read(get(option.name)) for option in _options()}
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class _Option:
    name: str
    hint: Any
    default: Any
    metadata: Mapping[str, Any]

    @property
    def kind(self) -> Any:
        """The type of a value, or of an item of a list, without None; None for one of several."""
        kinds = [kind for kind in _members(self.hint) if kind is not NoneType]
        if len(kinds) > 1:
            return None
        return get_args(kinds[0])[0] if self.takes_many else kinds[0]

    @property
    def takes_many(self) -> bool:
        """Whether it is a list."""
        return any(get_origin(kind) is list for kind in _members(self.hint))

    @property
    def is_switch(self) -> bool:
        """Whether it is on or off, without a value."""
        return self.hint is bool

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it can be, or its items; empty where it is no word."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    def read(self, given: Any) -> Any:
        """Return the value of what stands in the YAML, or of text of the command line.

        Raises:
            ConfigurationError: If it is none that the option can have.
        """
        if given is None or given == "null":  # as the YAML would have it
            return None
        if self.takes_many:
            items = given if isinstance(given, list) else [given]
            if not items:
                raise ConfigurationError(
                    self.name, "the list is empty", "Fill it, or leave it out."
                )
            return [self._item(item) for item in items]
        return self._item(given)

    def _item(self, given: Any) -> Any:
        if self.choices and given not in self.choices:
            listed = ", ".join(self.choices)
            cure = did_you_mean(str(given), self.choices) or "Use one of these."
            raise ConfigurationError(self.name, f"{given!r} is none of {listed}", cure)
        if self.choices:
            return given
        if self.metadata["read"] is not None:
            return self.metadata["read"](self.name, given)
        if self.kind in option_values.NUMBERS:
            return option_values.number(self.name, given, self.kind)
        if self.kind is str:
            return option_values.text(self.name, given)
        if self.is_switch:
            return option_values.switch(self.name, given)
        value = option_values.scalar(given)
        return option_values.switch(self.name, value) if self.kind is bool else value


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _options() -> Iterator[_Option]:
    hints = get_type_hints(PredictionSettings)
    for option in fields(PredictionSettings):
        yield _Option(option.name, hints[option.name], option.default, option.metadata)


def add_to_argparse(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser that collects text, and None for what is not given.

    `PredictionSettings.chosen` reads the text, as it reads what stands in the YAML.
    """
    for option in _options():
        if option.is_switch:
            _add_switch(parser, option)
            continue
        # argparse would tell the choices, but not the closest.
        words = f"{{{','.join(option.choices)}}}" if option.choices else None
        parser.add_argument(
            f"--{option.name}",
            nargs="+" if option.takes_many else None,
            metavar=option.metadata["metavar"] or words,
            help=option.metadata["help"],
        )


def _add_switch(parser: argparse.ArgumentParser, option: _Option) -> None:
    """Add `--NAME`, and `--no_NAME` for what is on by default."""
    name, text = option.name, option.metadata["help"]
    parser.add_argument(f"--{name}", action="store_true", default=None, help=text)
    if option.default:
        parser.add_argument(f"--no_{name}", dest=name, action="store_false", help=f"do not {text}")


def add_to_jsonargparse(add_argument: Callable[..., Any]) -> None:
    """Add the options to the parser of Lightning, where they may stand in the YAML as well.

    What is not given is None there, whatever the default: so it does not hide what a writer says.
    """
    from jsonargparse import ActionYesNo

    for option in _options():
        text = option.metadata["help"]
        if option.is_switch:
            # `--no_NAME` of what is on by default, and `NAME: false` in the YAML.
            action = ActionYesNo(no_prefix="no_") if option.default else "store_true"
            add_argument(f"--{option.name}", action=action, default=None, help=text)
            continue
        many = {"nargs": "+"} if option.takes_many else {}
        hint = option.kind if many else (option.metadata["hint"] or option.hint) | None
        add_argument(f"--{option.name}", type=hint, default=None, help=text, **many)
