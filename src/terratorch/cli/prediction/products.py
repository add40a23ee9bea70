"""What `terratorch predict` makes of finished maps, from its options."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule

from terratorch.contracts.outputs import Content, OutputValue
from terratorch.errors import ConfigurationError
from terratorch.prediction.options import STORAGE_OPTIONS, PredictionOptions
from terratorch.prediction.outputs.types import OUTPUT_TYPES
from terratorch.prediction.products.mosaic import Mosaic
from terratorch.prediction.products.products import FolderProduct, MapProduct, Products
from terratorch.prediction.products.quicklook import QuicklookProduct
from terratorch.prediction.products.stac import Provenance, StacItem
from terratorch.prediction.products.vectorize import PolygonFile, import_writers
from terratorch.tasks.base_task import TerraTorchTask

# What of a model names it.
_MODEL_KEYS = ("backbone", "model")


def products_of(settings: PredictionOptions, provenance: Provenance) -> Products:
    """Return what is made of each map, and of all.

    Args:
        settings: The options.
        provenance: How the maps are made.
    """
    of_maps: list[MapProduct] = []
    of_folder: list[FolderProduct] = []
    if settings.quicklook:
        of_maps.append(QuicklookProduct())
    if settings.vectorize is not None:
        of_maps.append(
            PolygonFile(settings.vectorize, settings.vector_min_area, settings.vector_simplify)
        )
    if settings.stac:
        of_maps.append(StacItem(provenance))  # the last one: it leads to the others
    if settings.mosaic:
        of_folder.append(Mosaic(settings.output_file_prefix or ""))
    return Products(of_maps, of_folder, settings.strict)


def provenance_of(
    task: LightningModule, settings: PredictionOptions, checkpoint: str | Path | None
) -> Provenance:
    """Return how maps are made.

    Args:
        task: The task.
        settings: The options.
        checkpoint: The file of the weights, where there is one.
    """
    given = [checkpoint] if checkpoint is not None else []
    files = [Path(path) for path in (*given, *(settings.further_ckpt_paths or ()))]
    model = None
    if isinstance(task, TerraTorchTask):
        arguments = task.settings.model_args
        model = next((name for key in _MODEL_KEYS if (name := arguments.get(key))), None)
    return Provenance(
        task=type(task).__name__,
        model=model if isinstance(model, str) else None,
        checkpoints=tuple(path for path in files if path.is_file()),
    )


def check_products(settings: PredictionOptions, processes: int) -> None:
    """Refuse options that cannot be met, or that would not be used, before anything is predicted.

    Args:
        settings: The options.
        processes: How many share the images.

    Raises:
        ConfigurationError: If one is of no use, or its value cannot be used.
        MissingDependencyError: If polygons need a package that is not installed.
    """
    if settings.mosaic and processes > 1:
        raise ConfigurationError(
            "mosaic",
            f"the images are shared by {processes} processes, none of which knows all maps",
            "Give --devices 1; afterwards, run again with --mosaic: maps that are complete are "
            "not made again.",
        )
    settings.check()
    if settings.vectorize is not None:
        import_writers(settings.vectorize)


def check_product_outputs(
    settings: PredictionOptions, type_: type[OutputValue], outputs: Iterable[Content]
) -> None:
    """Refuse options of storage and of products that the outputs of a task have no use for.

    Args:
        settings: The options.
        type_: The type of the outputs.
        outputs: What the layers hold.

    Raises:
        ConfigurationError: If there are no maps, or none of classes where polygons are asked for.
    """
    row = OUTPUT_TYPES[type_]
    for name in row.unused(STORAGE_OPTIONS):
        value: Any = getattr(settings, name)
        if value != getattr(PredictionOptions, name):
            raise ConfigurationError(
                name,
                f"{value}, but what is predicted is written as {row.stored_as}",
                "Leave it out.",
            )
    held = list(outputs)
    if settings.vectorize is not None and Content.CLASSES not in held:
        raise ConfigurationError(
            "vectorize",
            f"polygons are made of classes, but what is written is {', '.join(held)}",
            "Add classes to --outputs."
            if any(one.is_scores for one in held)
            else "Leave it out: a map of values has no classes.",
        )
