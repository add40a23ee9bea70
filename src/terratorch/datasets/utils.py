"""Band enums under the path where configurations and notebooks import them."""

from terratorch.bands import HLSBands, OpticalBands, SARBands, generate_bands_intervals

__all__ = ["HLSBands", "OpticalBands", "SARBands", "generate_bands_intervals"]
