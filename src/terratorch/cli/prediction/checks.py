"""Options of a prediction that a Trainer, a writer or Python cannot follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terratorch.errors import ConfigurationError
from terratorch.prediction.options import (
    AREA_OPTIONS,
    ENSEMBLE_OPTIONS,
    FACT_OPTIONS,
    TILE_OPTIONS,
    PredictionOptions,
)


def check_processes(options: PredictionOptions, is_table: bool, processes: int) -> None:
    """Refuse several processes that cannot share the work.

    Args:
        options: The options.
        is_table: Whether one table is written.
        processes: How many the Trainer runs.

    Raises:
        ConfigurationError: If there are several.
    """
    if processes == 1:
        return
    if options.distributed is not None:
        raise ConfigurationError(
            "trainer.devices",
            f"{processes} processes, and each would distribute the work",
            f"Use 1 with --distributed {options.distributed}: --workers sets their number.",
        )
    if is_table:
        raise ConfigurationError(
            "trainer.devices",
            f"{processes} processes, but labels of images are written as one table",
            "Use 1.",
        )
    if options.mosaic:
        raise ConfigurationError(
            "mosaic",
            f"the images are shared by {processes} processes, and none of them knows all maps",
            "Use --devices 1; or run again with --mosaic afterwards, which skips complete maps.",
        )


def choose_devices(options: PredictionOptions, devices: Any, is_table: bool = False) -> Any:
    """Return the devices of the Trainer: 1 instead of `auto` if it must be one process.

    Args:
        options: The options.
        devices: The devices that are set, or `auto`.
        is_table: Whether one table is written.
    """
    needs_one = options.distributed is not None or is_table
    return 1 if needs_one and devices == "auto" else devices


def check_used_by_writer(options: Mapping[str, Any], writer: str) -> None:
    """Refuse options for the files of a prediction if the user's own writer writes them.

    Args:
        options: The options that are set, by name.
        writer: The class of the writer.

    Raises:
        ConfigurationError: If one of them is set.
    """
    for name, value in options.items():
        if name not in ("scene_folders", *ENSEMBLE_OPTIONS, *FACT_OPTIONS):
            raise ConfigurationError(
                name,
                f"{value}, but {writer} in trainer.callbacks writes the predictions",
                f"Remove it, or {writer}.",
            )


def check_used_in_python(options: PredictionOptions) -> None:
    """Refuse options that `LightningInferenceModel` does not follow but that would change a map.

    Raises:
        ConfigurationError: If one of them is set.
    """
    for name in ("outputs", *ENSEMBLE_OPTIONS, *AREA_OPTIONS, *TILE_OPTIONS, *FACT_OPTIONS):
        value = getattr(options, name)
        if value is not None:
            raise ConfigurationError(
                name,
                f"{value}, which LightningInferenceModel does not follow",
                "Remove it from the configuration, or use terratorch predict or "
                "terratorch.prediction; tiles can be set as "
                "model.init_args.tiled_inference_parameters.",
            )


def check_batch_size(options: PredictionOptions, batch_size: int | None) -> None:
    """Refuse a batch size if a data module makes the batches.

    Args:
        options: The options.
        batch_size: That of the data module.

    Raises:
        ConfigurationError: If the option is another one.
    """
    if options.batch_size not in (None, batch_size):
        raise ConfigurationError(
            "batch_size",
            f"{options.batch_size}, but here the data module makes the batches",
            "Set data.init_args.batch_size.",
        )
