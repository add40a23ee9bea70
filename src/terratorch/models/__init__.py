"""Models: their contracts, the factories that build them, and their parts.

The factories are imported at first use.
"""

from __future__ import annotations

from typing import Any

from terratorch.registry import MODEL_FACTORY_REGISTRY, builtin

__all__ = sorted(builtin.FACTORIES)


def __getattr__(name: str) -> Any:
    if name in builtin.FACTORIES:
        return MODEL_FACTORY_REGISTRY[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
