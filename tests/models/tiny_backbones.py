"""Backbones of a few parameters: tokens, maps, and one that returns a vector."""

import torch
from torch import nn

from terratorch.contracts.features import Feature, FeatureKind
from terratorch.registry import TERRATORCH_BACKBONE_REGISTRY


class TinyTokens(nn.Module):
    """Tokens of 8 px patches with a class token, one feature per layer."""

    def __init__(self, depth: int = 6, frames: int = 1, dim: int = 8):
        super().__init__()
        self.proj = nn.Conv3d(3, dim, (1, 8, 8), (1, 8, 8))
        self.cls = nn.Parameter(torch.zeros(1, 1, dim))
        self.layers = nn.ModuleList(nn.Linear(dim, dim) for _ in range(depth))
        self.patch_size = (1, 8, 8)
        self.out_channels = [dim] * depth
        token = Feature(dim, FeatureKind.TOKENS, 8, prefix_tokens=1, frames=frames)
        self.features = (token,) * depth
        self.stop = depth - 1

    def stop_after(self, index: int) -> None:
        self.stop = index
        self.features = self.features[: index + 1]

    def forward(self, x, scale=None):
        x = x if x.ndim == 5 else x[:, :, None]
        tokens = self.proj(x).flatten(2).mT
        tokens = torch.cat([self.cls.expand(len(x), -1, -1), tokens], 1)
        features = []
        for layer in self.layers[: self.stop + 1]:
            tokens = tokens + layer(tokens)
            features.append(tokens if scale is None else tokens * scale)
        return features


class TinyMaps(nn.Module):
    """Maps of strides 2, 4 and 8."""

    def __init__(self, in_chans: int = 3, width: int = 4):
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Conv2d(in_chans if level == 0 else width, width, 3, 2, 1) for level in range(3)
        )
        self.out_channels = [width] * 3
        self.features = tuple(Feature(width, FeatureKind.MAPS, stride) for stride in (2, 4, 8))

    def forward(self, x):
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class TinyVector(nn.Module):
    """One vector of an image of 16 px, returned as a tensor and not as a list."""

    def __init__(self, out_channels=64):
        super().__init__()
        self.flatten = nn.Flatten()
        self.layer = nn.Linear(16 * 16, out_channels)
        self.out_channels = [out_channels]

    def forward(self, x):
        return self.layer(self.flatten(x))


def tiny_vector_128():
    return TinyVector(out_channels=128)


for constructor in (TinyTokens, TinyMaps, TinyVector, tiny_vector_128):
    TERRATORCH_BACKBONE_REGISTRY.register(constructor, overwrite=True)
