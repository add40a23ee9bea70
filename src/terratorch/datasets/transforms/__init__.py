"""Transforms of samples: our own, in addition to those of albumentations.

albumentations is imported when a transform is first used.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "AddConstantToLabels": "samples",
    "FlattenSamplesIntoChannels": "dimensions",
    "FlattenTemporalIntoChannels": "dimensions",
    "MultimodalToTensor": "multimodal",
    "MultimodalTransforms": "multimodal",
    "Padding": "samples",
    "Rearrange": "dimensions",
    "SelectBands": "samples",
    "UnflattenSamplesFromChannels": "dimensions",
    "UnflattenTemporalFromChannels": "dimensions",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module = importlib.import_module(f"terratorch.datasets.transforms.{_HOMES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
