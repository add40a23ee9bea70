"""EfficientNet-Lite0 weights: from the names of the published file to those of timm.

The file `efficientnet-lite0-57934424.pth` holds the ImageNet weights of EfficientNet-Lite0
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite) in the layout of
efficientnet-pytorch. They belong to timm's `tf_efficientnet_lite0`; its twin `efficientnet_lite0`
takes them without a word and pads and normalises differently.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from terratorch.errors import WeightsError
from terratorch.geo.held_file import replacing

BLOCKS_PER_STAGE = (1, 2, 2, 3, 3, 4, 1)
OUTSIDE_BLOCKS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
# The first block does not expand its channels: it has one convolution and one norm less.
IN_FIRST_BLOCK = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
IN_OTHER_BLOCKS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def timm_key(key: str) -> str:
    """Return the name in timm's `tf_efficientnet_lite0` of a key of the published file.

    Raises:
        WeightsError: If the key is not one of that file.
    """
    parts = key.split(".")
    try:
        if parts[0] != "_blocks":
            return ".".join([OUTSIDE_BLOCKS[parts[0]], *parts[1:]])
        names = IN_FIRST_BLOCK if parts[1] == "0" else IN_OTHER_BLOCKS
        stage, block = _stage_and_block(int(parts[1]))
        return ".".join(["blocks", str(stage), str(block), names[parts[2]], *parts[3:]])
    except (KeyError, IndexError, ValueError) as error:
        raise WeightsError(
            f"Weight '{key}'", "it is not a key of the EfficientNet-Lite0 file"
        ) from error


def rename(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the same tensors under the names of timm's `tf_efficientnet_lite0`."""
    return {timm_key(key): tensor for key, tensor in state_dict.items()}


def convert(source: Path, target: Path) -> None:
    """Write the published file (`.pth`) as safetensors with the names of timm."""
    try:
        state_dict = torch.load(source, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise WeightsError(f"{source.name}", f"it cannot be read as weights ({error})") from error
    tensors = {key: tensor.contiguous() for key, tensor in rename(state_dict).items()}
    with replacing(target) as partial:
        save_file(tensors, partial, metadata={"format": "pt"})


def _stage_and_block(index: int) -> tuple[int, int]:
    for stage, count in enumerate(BLOCKS_PER_STAGE):
        if index < count:
            return stage, index
        index -= count
    raise IndexError(index)
