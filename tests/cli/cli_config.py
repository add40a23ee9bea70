"""A tiny configuration of a segmentation, for the tests of the command line."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

BANDS = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]


def segmentation_config(chips: Path, output: Path) -> dict[str, Any]:
    """Return a configuration that trains in a second."""
    data = {
        "batch_size": 2,
        "num_workers": 0,
        "num_classes": 3,
        "img_grep": "*_merged.tif",
        "label_grep": "*.mask.tif",
        "dataset_bands": BANDS,
        "means": [1000.0] * 6,
        "stds": [500.0] * 6,
    }
    for split in ("train", "val", "test"):
        data[f"{split}_data_root"] = data[f"{split}_label_data_root"] = str(chips)
    model_args = {
        "backbone": "prithvi_eo_tiny",
        "backbone_bands": BANDS,
        "backbone_embed_dim": 16,
        "backbone_depth": 1,
        "backbone_num_heads": 2,
        "backbone_img_size": 32,
        "decoder": "IdentityDecoder",
        "num_classes": 3,
    }
    return {
        "seed_everything": 0,
        "trainer": {
            "max_epochs": 1,
            "accelerator": "cpu",
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "default_root_dir": str(output),
        },
        "model": {
            "class_path": "SemanticSegmentationTask",
            "init_args": {
                "model_factory": "EncoderDecoderFactory",
                "model_args": model_args,
                "loss": "ce",
                "plot_on_val": False,
                "class_names": ["forest", "crops", "water"],
            },
        },
        "data": {"class_path": "GenericNonGeoSegmentationDataModule", "init_args": data},
    }


def write_config(path: Path, config: dict[str, Any], changes: dict[str, Any] | None = None) -> str:
    """Write a configuration, changed by `path.to.key: value`, and return its path.

    A value of `None` removes the key.
    """
    config = deepcopy(config)
    for place, value in (changes or {}).items():
        *folders, key = place.split(".")
        section = config
        for folder in folders:
            section = section.setdefault(folder, {})
        if value is None:
            section.pop(key)
        else:
            section[key] = value
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return str(path)
