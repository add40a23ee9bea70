"""Tensors that need no storage: every value is a hash of a key and a position.

Stored outputs were made with these inputs and weights.
"""

import zlib

import numpy as np
import torch


def hashed(key, shape):
    """Values in [-1, 1): splitmix64 of position + crc32(key) * 2**32."""
    x = np.arange(int(np.prod(shape)), dtype=np.uint64)
    x = x + (np.uint64(zlib.crc32(key.encode())) << np.uint64(32))
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    values = (x >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
    return torch.from_numpy(values.reshape(shape))


def fill_with_hashes(model):
    """Give every parameter a value that depends on its name; position tables keep theirs."""
    state = model.state_dict()
    for key, value in state.items():
        if "pos_embed" in key or not value.is_floating_point():
            continue
        filled = hashed(key, tuple(value.shape))
        if key.endswith("running_var"):
            filled = 1.0 + 0.5 * filled
        elif key.endswith(("bias", "running_mean")):
            filled = 0.1 * filled
        elif value.ndim >= 2:
            filled = filled * (1.0 / (value.numel() // value.shape[0])) ** 0.5
        elif key.endswith("weight"):
            filled = 1.0 + 0.1 * filled
        else:
            filled = 0.1 * filled
        state[key] = filled.float()
    model.load_state_dict(state)
    return model.eval()
