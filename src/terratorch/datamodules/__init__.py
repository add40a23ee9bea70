"""Data modules: loaders, splits and normalisation for data sets.

The data modules are imported when they are first used.
"""

from __future__ import annotations

from typing import Any

from terratorch.registry import DATAMODULE_REGISTRY, builtin

__all__ = sorted(builtin.DATAMODULES)


def __getattr__(name: str) -> Any:
    if name in builtin.DATAMODULES:
        return DATAMODULE_REGISTRY[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
