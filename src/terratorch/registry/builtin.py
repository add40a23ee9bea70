"""Rows of the built-in names: `name -> "module:attribute"`, imported at first use.

Backbones and full models come in families, a line each; their names are rows of the family's table.
A test compares necks and decoders with the decorators, both ways.
"""

from __future__ import annotations


def _rows(module: str, *names: str) -> dict[str, str]:
    return {name: f"terratorch.{module}:{name}" for name in names}


BACKBONES = ("terratorch.models.backbones.prithvi.variants:ENCODERS",)
FULL_MODELS = ("terratorch.models.backbones.prithvi.variants:AUTOENCODERS",)

NECKS: dict[str, str] = {
    **_rows("models.necks.select", "SelectIndices", "PermuteDims"),
    **_rows("models.necks.modalities", "MergeModalities"),
    **_rows("models.necks.tokens", "ReshapeTokensToImage", "AggregateTokens"),
    **_rows(
        "models.necks.pyramid",
        "InterpolateToPyramidal",
        "MaxpoolToPyramidal",
        "LearnedInterpolateToPyramidal",
        "AddBottleneckLayer",
        "FeaturePyramidNetworkNeck",
    ),
}

DECODERS: dict[str, str] = {
    **_rows(
        "models.decoders.aspp_head",
        "ASPPModule",
        "ASPPHead",
        "ASPPSegmentationHead",
        "ASPPRegressionHead",
    ),
    **_rows("models.decoders.fcn_decoder", "FCNDecoder"),
    **_rows("models.decoders.identity_decoder", "IdentityDecoder"),
    **_rows("models.decoders.linear_decoder", "LinearDecoder"),
    **_rows("models.decoders.mlp_decoder", "MLPDecoder"),
    **_rows("models.decoders.satmae_head", "SatMAEHead"),
    **_rows("models.decoders.unet_decoder", "UNetDecoder"),
    **_rows("models.decoders.upernet_decoder", "UperNetDecoder"),
}

HEADS: dict[str, str] = {
    **_rows("models.heads.segmentation_head", "SegmentationHead"),
    **_rows("models.heads.regression_head", "RegressionHead"),
    **_rows("models.heads.scalar_head", "ScalarHead", "ClassificationHead"),
}

FACTORIES: dict[str, str] = {
    **_rows("models.encoder_decoder_factory", "EncoderDecoderFactory"),
    **_rows("models.full_model_factory", "FullModelFactory"),
}

TASKS: dict[str, str] = {
    **_rows("tasks.segmentation_tasks", "SemanticSegmentationTask"),
    **_rows("tasks.classification_tasks", "ClassificationTask"),
    **_rows("tasks.regression_tasks", "PixelwiseRegressionTask"),
}

DATAMODULES: dict[str, str] = {
    **_rows(
        "datamodules.generic_pixel_wise_data_module",
        "GenericNonGeoPixelwiseRegressionDataModule",
        "GenericNonGeoSegmentationDataModule",
    ),
    **_rows(
        "datamodules.generic_scalar_label_data_module", "GenericNonGeoClassificationDataModule"
    ),
}
