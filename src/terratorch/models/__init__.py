"""Models: their contracts, the factories that build them, and their parts.

The factories are imported at first use.
"""

from __future__ import annotations

from terratorch.registry import MODEL_FACTORY_REGISTRY, builtin
from terratorch.registry.registry import Constructor

__all__ = sorted(builtin.FACTORIES)


def __getattr__(name: str) -> Constructor:
    if name in builtin.FACTORIES:
        return MODEL_FACTORY_REGISTRY[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
