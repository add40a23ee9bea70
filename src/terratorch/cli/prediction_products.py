"""What `terratorch predict` makes of finished maps, from its options."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from terratorch.cli.prediction_settings import PredictionSettings
from terratorch.errors import ConfigurationError
from terratorch.inference.pictures import Picture
from terratorch.inference.prediction import Output, PredictionKind
from terratorch.inference.products import FolderProduct, MapProduct, Products
from terratorch.inference.tracing import TRACEABLE
from terratorch.inference.vectorize import Vectors, import_writers

# Options that say how polygons are made, and are of no use without them.
_POLYGON_OPTIONS = ("vector_min_area", "vector_simplify")
# Options of maps, that a table of labels makes no use of.
MAP_PRODUCTS = ("vectorize",)


def products_of(settings: PredictionSettings) -> Products:
    """Return what is made of each map, and of all.

    Args:
        settings: The options.
    """
    of_maps: list[MapProduct] = []
    of_folder: list[FolderProduct] = []
    if settings.quicklook:
        of_maps.append(Picture())
    if settings.vectorize is not None:
        of_maps.append(
            Vectors(settings.vectorize, settings.vector_min_area, settings.vector_simplify)
        )
    return Products(of_maps, of_folder, settings.strict)


def check_products(settings: PredictionSettings) -> None:
    """Refuse options that cannot be met, or that would not be used, before anything is predicted.

    Raises:
        ConfigurationError: If one is of no use, or its value is not a size.
        MissingDependencyError: If polygons need a package that is not installed.
    """
    for name in _POLYGON_OPTIONS:
        value: float | None = getattr(settings, name)
        if value is None:
            continue
        if settings.vectorize is None:
            raise ConfigurationError(
                name, f"{value:g}, but no polygons are made", "Give --vectorize gpkg as well."
            )
        if not 0 <= value < float("inf"):
            raise ConfigurationError(name, f"{value:g}", "Give a number that is 0 or more.")
    if settings.vectorize is None:
        return
    if settings.out_dtype is not None and settings.out_dtype not in TRACEABLE:
        raise ConfigurationError(
            "vectorize",
            f"no polygons can be made of maps of {settings.out_dtype}",
            f"Give an --out_dtype of {', '.join(TRACEABLE)}, or leave it out.",
        )
    import_writers(settings.vectorize)


def check_product_outputs(
    settings: PredictionSettings, kind: PredictionKind, outputs: Iterable[Output]
) -> None:
    """Refuse products that cannot be made of the outputs of a task.

    Args:
        settings: The options.
        kind: What the main layer holds.
        outputs: What the layers hold.

    Raises:
        ConfigurationError: If there are no maps, or none of classes where polygons are asked for.
    """
    for name in MAP_PRODUCTS:
        value: Any = getattr(settings, name)
        if value and kind is PredictionKind.LABELS:
            raise ConfigurationError(
                name, "labels of images are written as one table, and not as maps", "Leave it out."
            )
    held = list(outputs)
    if settings.vectorize is not None and Output.CLASSES not in held:
        raise ConfigurationError(
            "vectorize",
            f"polygons are made of classes, but what is written is {', '.join(held)}",
            "Add classes to --outputs."
            if any(one.is_scores for one in held)
            else "Leave it out: a map of values has no classes.",
        )
