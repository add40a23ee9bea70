"""What values of the options of `terratorch predict` cannot be, and which need another one.

All of this is known without the task, and told before anything heavy is imported.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from terratorch.cli.prediction.settings import (
    TILE_OPTIONS,
    PredictionSettings,
    add_to_argparse,
)
from terratorch.cli.terminal.option_parser import OptionParser
from terratorch.errors import ConfigurationError
from terratorch.tiles.parameters import TiledInferenceParameters, with_options


@dataclass(frozen=True)
class _Needs:
    """An option that is of no use without another.

    Attributes:
        option: The option.
        other: Whether there is what it needs.
        seen: What is seen otherwise; `{value}` stands for that of the option.
        cure: What can be done.
        value: The value that needs it; None for any.
    """

    option: str
    other: Callable[[PredictionSettings], Any]
    seen: str
    cure: str
    value: str | None = None

    def check(self, settings: PredictionSettings) -> None:
        value = getattr(settings, self.option)
        is_given = value is not None if self.value is None else self.value in (value or ())
        if is_given and not self.other(settings):
            raise ConfigurationError(self.option, self.seen.format(value=value), self.cure)


def _polygons(settings: PredictionSettings) -> bool:
    return settings.vectorize is not None


def _workers(settings: PredictionSettings) -> bool:
    return settings.distributed is not None


def _several_predictions(settings: PredictionSettings) -> bool:
    return bool(settings.augment or settings.further_ckpt_paths)


_POLYGONS = ("{value:g}, but no polygons are made", "Give --vectorize gpkg as well.")
_WORKERS = ("{value}, but nothing is distributed", "Add --distributed ray.")
_NEEDS = (
    _Needs("vector_min_area", _polygons, *_POLYGONS),
    _Needs("vector_simplify", _polygons, *_POLYGONS),
    _Needs("workers", _workers, *_WORKERS),
    _Needs("ray_address", _workers, *_WORKERS),
    _Needs(
        "uncertainty",
        _several_predictions,
        "the variance is that of several predictions, and there is one",
        "Add --augment flips rotations, or several checkpoints: --ckpt_path A.ckpt B.ckpt.",
        "variance",
    ),
)
# Of tiles, these stand for two sides; the rest is checked where tiles are.
_LEAST = {"crop": 1, "stride": 1, "vector_min_area": 0, "vector_simplify": 0, "workers": 1}
# Any stride and any delta fit: what a task or a scene says of the others is not known yet.
_ANY_TILES = TiledInferenceParameters(sys.maxsize, 1, sys.maxsize, 1, delta=0)


def check_settings(settings: PredictionSettings) -> None:
    """Refuse values that no task could use, and options that need another one.

    Args:
        settings: The options.

    Raises:
        ConfigurationError: If there is one.
    """
    for name, least in _LEAST.items():
        value = getattr(settings, name)
        if value is not None and value < least:
            raise ConfigurationError(name, f"{value:g} is too small", f"Use at least {least}.")
    tiles = {name: getattr(settings, name) for name in (*TILE_OPTIONS, "batch_size")}
    with_options(_ANY_TILES, tiles)
    for rule in _NEEDS:
        rule.check(settings)
    _check_traceable(settings)


def _check_traceable(settings: PredictionSettings) -> None:
    """Refuse polygons of maps that hold no classes."""
    if settings.vectorize is None or settings.out_dtype is None:
        return
    from terratorch.prediction.products.tracing import TRACEABLE

    if settings.out_dtype not in TRACEABLE:
        raise ConfigurationError(
            "vectorize",
            f"no polygons can be made of maps of {settings.out_dtype}",
            f"Give an --out_dtype of {', '.join(TRACEABLE)}, or leave it out.",
        )


def checked_settings(arguments: Sequence[str], content: Mapping[str, Any]) -> PredictionSettings:
    """Return the options of the command line, else of the configuration, once they are checked.

    Args:
        arguments: The arguments; those that are none of these options are left alone.
        content: What the configuration says.

    Raises:
        ConfigurationError: If a value cannot be used, or an option needs another one.
    """
    parser = OptionParser(prog="terratorch predict", add_help=False)
    add_to_argparse(parser)
    given, _ = parser.parse_known_args(arguments, argparse.Namespace())
    named = {name: value for name, value in vars(given).items() if value is not None}
    settings = PredictionSettings.chosen({**content, **named}.get)
    check_settings(settings)
    return settings
