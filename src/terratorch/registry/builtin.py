"""Rows of the built-in names: `name -> "module:attribute"`, imported at first use.

A test compares the backbones, necks, decoders and full models with the decorators, both ways.
"""

from __future__ import annotations


def _rows(module: str, *names: str) -> dict[str, str]:
    return {name: f"terratorch.{module}:{name}" for name in names}


BACKBONES: dict[str, str] = {}

NECKS: dict[str, str] = {}

DECODERS: dict[str, str] = {}

FULL_MODELS: dict[str, str] = {}

HEADS: dict[str, str] = {}

FACTORIES: dict[str, str] = {
    **_rows("models.encoder_decoder_factory", "EncoderDecoderFactory"),
    **_rows("models.full_model_factory", "FullModelFactory"),
}

TASKS: dict[str, str] = {
    **_rows("tasks.segmentation_tasks", "SemanticSegmentationTask"),
    **_rows("tasks.classification_tasks", "ClassificationTask"),
}

DATAMODULES: dict[str, str] = {
    **_rows("datamodules.generic_pixel_wise_data_module", "GenericNonGeoSegmentationDataModule"),
    **_rows(
        "datamodules.generic_scalar_label_data_module", "GenericNonGeoClassificationDataModule"
    ),
}
