"""The public path of tiled inference; the code is in `terratorch.inference`."""

from terratorch.inference.tiles.parameters import TiledInferenceParameters
from terratorch.inference.tiles.tiled import InferenceInput, tiled_inference

__all__ = ["InferenceInput", "TiledInferenceParameters", "tiled_inference"]
