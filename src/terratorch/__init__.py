"""TerraTorch: fine-tune, evaluate and run geospatial foundation models.

The registries are importable from here; everything else is imported from its own module, so that
`import terratorch` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from terratorch.registry import (
        BACKBONE_REGISTRY,
        DECODER_REGISTRY,
        FULL_MODEL_REGISTRY,
        NECK_REGISTRY,
    )

__version__ = "0.1.0"

__all__ = [
    "BACKBONE_REGISTRY",
    "DECODER_REGISTRY",
    "FULL_MODEL_REGISTRY",
    "NECK_REGISTRY",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        import terratorch.registry

        return getattr(terratorch.registry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
