"""EfficientNet-Lite0 weights: rename the keys of the published file to those of timm.

The file `efficientnet-lite0-57934424.pth` holds the ImageNet weights of EfficientNet-Lite0
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite) in the layout of
efficientnet-pytorch. They belong to timm's `tf_efficientnet_lite0`; its twin `efficientnet_lite0`
loads them without an error, but pads and normalises differently.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from terratorch.errors import WeightsError
from terratorch.geo.partial_file import replacing

_BLOCKS_PER_STAGE = (1, 2, 2, 3, 3, 4, 1)
_BLOCKS = [f"{i}.{j}" for i, count in enumerate(_BLOCKS_PER_STAGE) for j in range(count)]
_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_LAYERS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
# The first block does not expand its channels: it has one convolution and one norm less.
_FIRST_LAYERS = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}


def timm_key(key: str) -> str:
    """Return the name in timm's `tf_efficientnet_lite0` for a key of the published file.

    Raises:
        WeightsError: If the key is not from that file.
    """
    first, *rest = key.split(".")
    try:
        if first != "_blocks":
            return ".".join([_OUTSIDE[first], *rest])
        block, layer, *names = rest
        layers = _FIRST_LAYERS if block == "0" else _LAYERS
        return ".".join(["blocks", _BLOCKS[int(block)], layers[layer], *names])
    except (KeyError, IndexError, ValueError) as error:
        raise WeightsError(f"Weight '{key}'", "not a key of the EfficientNet-Lite0 file") from error


def rename(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the names of timm's `tf_efficientnet_lite0`."""
    return {timm_key(key): tensor for key, tensor in state_dict.items()}


def convert(source: Path, target: Path) -> None:
    """Write the published file (`.pth`) as safetensors with the names of timm."""
    try:
        state_dict = torch.load(source, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise WeightsError(source.name, f"cannot be read as weights ({error})") from error
    tensors = {key: tensor.contiguous() for key, tensor in rename(state_dict).items()}
    with replacing(target) as partial:
        save_file(tensors, partial, metadata={"format": "pt"})
