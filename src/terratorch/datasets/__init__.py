"""Data sets: generic ones for folders of files, transforms, and the specification of inputs.

Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "GenericNonGeoClassificationDataset": "datasets.generic_scalar_label_dataset",
    "GenericNonGeoPixelwiseRegressionDataset": "datasets.generic_pixel_wise_dataset",
    "GenericNonGeoSegmentationDataset": "datasets.generic_pixel_wise_dataset",
    "HLSBands": "datasets.utils",
    "ImageSpec": "contracts.input_spec",
    "InputSpec": "contracts.input_spec",
    "OpticalBands": "datasets.utils",
    "SARBands": "datasets.utils",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"terratorch.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
