"""The registries: names of backbones, necks, decoders, heads, models, factories, tasks, data.

Importing this loads neither torch nor numpy: built-in names are rows of `builtin.py`.
"""

from terratorch.registry import builtin
from terratorch.registry.external import LazySource
from terratorch.registry.plugins import load_custom_modules, load_plugins
from terratorch.registry.registry import Definition, MultiSourceRegistry, NameSource, Registry

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
    "Definition",
    "MultiSourceRegistry",
    "NameSource",
    "Registry",
    "load_custom_modules",
    "load_plugins",
]


def _registry(
    kind: str, listed: str, rows: dict[str, str] | None = None, families: tuple[str, ...] = ()
) -> Registry:
    return Registry(kind, rows, f"terratorch list {listed}", load_plugins, families)


TERRATORCH_BACKBONE_REGISTRY = _registry("backbone", "backbones", families=builtin.BACKBONES)
TERRATORCH_NECK_REGISTRY = _registry("neck", "necks", builtin.NECKS)
TERRATORCH_DECODER_REGISTRY = _registry("decoder", "decoders", builtin.DECODERS)
TERRATORCH_FULL_MODEL_REGISTRY = _registry("model", "models", families=builtin.FULL_MODELS)

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
MODEL_FACTORY_REGISTRY = _registry("model factory", "factories", builtin.FACTORIES)

HEAD_REGISTRY = _registry("head", "heads", builtin.HEADS)
TASK_REGISTRY = _registry("task", "tasks", builtin.TASKS)
DATAMODULE_REGISTRY = _registry("data module", "datamodules", builtin.DATAMODULES)
