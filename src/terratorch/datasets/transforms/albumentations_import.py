"""Import albumentations without its question for a newer version, which goes to the network."""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

_SWITCH = "NO_ALBUMENTATIONS_UPDATE"


def import_albumentations() -> ModuleType:
    """Import albumentations; the environment is as before when this returns."""
    if "albumentations" in sys.modules:
        return sys.modules["albumentations"]
    before = os.environ.get(_SWITCH)
    os.environ[_SWITCH] = "1"
    try:
        return importlib.import_module("albumentations")
    finally:
        if before is None:
            del os.environ[_SWITCH]
        else:
            os.environ[_SWITCH] = before
