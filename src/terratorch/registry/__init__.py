"""The registries: names of backbones, necks, decoders, heads, models, factories, tasks, data.

Importing this loads neither torch nor numpy: built-in names are rows of `builtin.py`.
"""

from terratorch.registry import builtin
from terratorch.registry.external import LazySource
from terratorch.registry.plugins import load_custom_modules, load_plugins
from terratorch.registry.registry import MultiSourceRegistry, Place, Registry, Source

__all__ = [
    "BACKBONE_REGISTRY",
    "DATAMODULE_REGISTRY",
    "DECODER_REGISTRY",
    "FULL_MODEL_REGISTRY",
    "HEAD_REGISTRY",
    "MODEL_FACTORY_REGISTRY",
    "NECK_REGISTRY",
    "TASK_REGISTRY",
    "TERRATORCH_BACKBONE_FACTORY",
    "TERRATORCH_BACKBONE_REGISTRY",
    "TERRATORCH_DECODER_REGISTRY",
    "TERRATORCH_FULL_MODEL_REGISTRY",
    "TERRATORCH_NECK_REGISTRY",
    "MultiSourceRegistry",
    "Place",
    "Registry",
    "Source",
    "load_custom_modules",
    "load_plugins",
]


def _registry(kind: str, rows: dict[str, str], listed: str) -> Registry:
    return Registry(kind, rows, f"terratorch list {listed}", prepare=load_plugins)


TERRATORCH_BACKBONE_REGISTRY = _registry("backbone", builtin.BACKBONES, "backbones")
TERRATORCH_NECK_REGISTRY = _registry("neck", builtin.NECKS, "necks")
TERRATORCH_DECODER_REGISTRY = _registry("decoder", builtin.DECODERS, "decoders")
TERRATORCH_FULL_MODEL_REGISTRY = _registry("model", builtin.FULL_MODELS, "models")

# Some documentation uses this name.
TERRATORCH_BACKBONE_FACTORY = TERRATORCH_BACKBONE_REGISTRY

BACKBONE_REGISTRY = MultiSourceRegistry(
    "backbone",
    {
        "terratorch": TERRATORCH_BACKBONE_REGISTRY,
        "timm": LazySource("terratorch.models.backbones.timm_source:TimmSource", package="timm"),
        "torchgeo": LazySource(
            "terratorch.models.backbones.torchgeo_source:TorchgeoSource", package="torchgeo"
        ),
    },
    "terratorch list backbones",
)
NECK_REGISTRY = MultiSourceRegistry(
    "neck", {"terratorch": TERRATORCH_NECK_REGISTRY}, "terratorch list necks"
)
DECODER_REGISTRY = MultiSourceRegistry(
    "decoder",
    {
        "terratorch": TERRATORCH_DECODER_REGISTRY,
        "smp": LazySource(
            "terratorch.models.decoders.smp_source:SmpDecoderSource",
            package="segmentation_models_pytorch",
        ),
    },
    "terratorch list decoders",
)
FULL_MODEL_REGISTRY = MultiSourceRegistry(
    "model", {"terratorch": TERRATORCH_FULL_MODEL_REGISTRY}, "terratorch list models"
)
MODEL_FACTORY_REGISTRY = _registry("model factory", builtin.FACTORIES, "factories")

HEAD_REGISTRY = _registry("head", builtin.HEADS, "heads")
TASK_REGISTRY = _registry("task", builtin.TASKS, "tasks")
DATAMODULE_REGISTRY = _registry("data module", builtin.DATAMODULES, "datamodules")
