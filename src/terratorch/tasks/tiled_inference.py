"""The public path of tiled inference; the code is in `terratorch.tiles`."""

from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.tiled import InferenceInput, tiled_inference

__all__ = ["InferenceInput", "TiledInferenceParameters", "tiled_inference"]
