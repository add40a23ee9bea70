"""Predict files with a trained model: from Python, from a service, or for the command line.

The names below are imported when they are used, since they need torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_MODULES = {
    "PredictionOptions": "options",
    "PredictionReport": "report",
    "Predictor": "predictor",
    "find_scenes": "files",
    "predict": "run",
}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
