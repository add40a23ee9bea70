"""Data sets: generic ones for folders of files, and transforms.

The data sets are imported when they are asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "GenericNonGeoClassificationDataset": "generic_scalar_label_dataset",
    "GenericNonGeoPixelwiseRegressionDataset": "generic_pixel_wise_dataset",
    "GenericNonGeoSegmentationDataset": "generic_pixel_wise_dataset",
    "HLSBands": "utils",
    "InputSpec": "inputs.input_spec",
    "ModalitiesSpec": "inputs.modalities",
    "OpticalBands": "utils",
    "SARBands": "utils",
    "normalize_images": "inputs.modalities",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"terratorch.datasets.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
