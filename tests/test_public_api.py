"""The public paths that people's code and configurations use; each leads somewhere."""

import importlib

import pytest

import terratorch

PATHS = {
    "terratorch": "BACKBONE_REGISTRY DECODER_REGISTRY FULL_MODEL_REGISTRY NECK_REGISTRY "
    "__version__",
    "terratorch.registry": "BACKBONE_REGISTRY DECODER_REGISTRY NECK_REGISTRY FULL_MODEL_REGISTRY "
    "MODEL_FACTORY_REGISTRY TERRATORCH_BACKBONE_REGISTRY TERRATORCH_DECODER_REGISTRY "
    "TERRATORCH_NECK_REGISTRY TERRATORCH_FULL_MODEL_REGISTRY TERRATORCH_BACKBONE_FACTORY "
    "Registry MultiSourceRegistry",
    "terratorch.registry.registry": "Registry MultiSourceRegistry",
    "terratorch.utils": "InvalidModelError",
    "terratorch.cli_tools": "CustomWriter LightningInferenceModel MyLightningCLI MyTrainer "
    "StateDictAwareModelCheckpoint StudioDeploySaveConfigCallback build_lightning_cli",
    "terratorch.models.model": "AuxiliaryHead Model ModelFactory ModelOutput",
    "terratorch.models.encoder_decoder_factory": "EncoderDecoderFactory",
    "terratorch.models.full_model_factory": "FullModelFactory",
    "terratorch.models.pixel_wise_model": "PixelWiseModel",
    "terratorch.models.scalar_output_model": "ScalarOutputModel",
    "terratorch.models.necks": "AddBottleneckLayer AggregateTokens FeaturePyramidNetworkNeck "
    "InterpolateToPyramidal LearnedInterpolateToPyramidal MaxpoolToPyramidal Neck PermuteDims "
    "ReshapeTokensToImage SelectIndices build_neck_list",
    "terratorch.models.decoders": "ASPPRegressionHead ASPPSegmentationHead FCNDecoder "
    "IdentityDecoder LinearDecoder MLPDecoder SatMAEHead SatMAEHeadViT UNetDecoder UperNetDecoder",
    "terratorch.models.heads": "ClassificationHead RegressionHead ScalarHead SegmentationHead",
    "terratorch.models.utils": "center_crop pad_images",
    "terratorch.models.backbones.prithvi_mae": "PrithviMAE PrithviViT get_3d_sincos_pos_embed",
    "terratorch.models.backbones.prithvi_vit": "prithvi_eo_tiny prithvi_eo_v2_300",
    "terratorch.tasks": "ClassificationTask SemanticSegmentationTask",
    "terratorch.tasks.base_task": "TerraTorchTask",
    "terratorch.tasks.segmentation_tasks": "SemanticSegmentationTask",
    "terratorch.tasks.classification_tasks": "ClassificationTask",
    "terratorch.tasks.loss_handler": "CombinedLoss LossHandler",
    "terratorch.tasks.metrics": "BoundaryMeanIoU",
    "terratorch.tasks.optimizer_factory": "optimizer_factory",
    "terratorch.tasks.tiled_inference": "InferenceInput TiledInferenceParameters tiled_inference",
    "terratorch.datamodules": "GenericNonGeoClassificationDataModule "
    "GenericNonGeoSegmentationDataModule",
    "terratorch.datamodules.generic_pixel_wise_data_module": "GenericNonGeoSegmentationDataModule",
    "terratorch.datamodules.generic_scalar_label_data_module": (
        "GenericNonGeoClassificationDataModule"
    ),
    "terratorch.datamodules.utils": "Normalize",
    "terratorch.datasets": "GenericNonGeoClassificationDataset GenericNonGeoSegmentationDataset "
    "HLSBands OpticalBands SARBands",
    "terratorch.datasets.generic_pixel_wise_dataset": "GenericNonGeoSegmentationDataset "
    "GenericPixelWiseDataset",
    "terratorch.datasets.generic_scalar_label_dataset": "GenericNonGeoClassificationDataset "
    "GenericScalarLabelDataset",
    "terratorch.datasets.utils": "HLSBands OpticalBands SARBands",
    "terratorch.datasets.transforms": "AddConstantToLabels FlattenSamplesIntoChannels "
    "FlattenTemporalIntoChannels MultimodalToTensor MultimodalTransforms Padding Rearrange "
    "SelectBands UnflattenSamplesFromChannels UnflattenTemporalFromChannels",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("module", PATHS)
def test_a_public_path_leads_somewhere(module):
    found = importlib.import_module(module)
    missing = [name for name in PATHS[module].split() if not hasattr(found, name)]
    assert not missing


def test_the_top_of_the_package_is_exact():
    assert sorted(terratorch.__all__) == sorted(PATHS["terratorch"].split())
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        terratorch.nothing  # noqa: B018 - looking it up is what is tested
