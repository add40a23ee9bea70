"""Transforms of albumentations that take float images to be in [0, 1], and clip all above.

On reflectance x 10000 they would make every pixel 1, without a word.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from terratorch.datasets.transforms.build import flattened
from terratorch.errors import ConfigurationError

UNIT_RANGE = frozenset(
    [
        "AdditiveNoise",
        "AdvancedBlur",
        "AutoContrast",
        "CLAHE",
        "ChromaticAberration",
        "ColorJitter",
        "Defocus",
        "Downscale",
        "Emboss",
        "Equalize",
        "FancyPCA",
        "GaussNoise",
        "GaussianBlur",
        "HEStain",
        "HueSaturationValue",
        "ISONoise",
        "Illumination",
        "ImageCompression",
        "InvertImg",
        "MedianBlur",
        "MotionBlur",
        "MultiplicativeNoise",
        "PlanckianJitter",
        "PlasmaBrightnessContrast",
        "PlasmaShadow",
        "Posterize",
        "RGBShift",
        "RandomBrightnessContrast",
        "RandomFog",
        "RandomGravel",
        "RandomRain",
        "RandomShadow",
        "RandomSnow",
        "RandomSunFlare",
        "RandomToneCurve",
        "RingingOvershoot",
        "Sharpen",
        "ShotNoise",
        "Solarize",
        "Spatter",
        "Superpixels",
        "ToSepia",
        "UnsharpMask",
        "ZoomBlur",
    ]
)

# Some bright pixels above 1 are clipped as these transforms mean it; whole images are not.
_TOLERATED = 0.01


def unit_range_names(transforms: Iterable[object]) -> list[str]:
    """Return the names of the transforms, also inside OneOf and the like, that clip to [0, 1]."""
    return [
        type(step).__name__ for step in flattened(transforms) if type(step).__name__ in UNIT_RANGE
    ]


def check_unit_range(image: NDArray[np.float32], names: list[str], thing: str) -> None:
    """Raise unless an image is in the range that the transforms expect.

    Args:
        image: The image before the transforms.
        names: What `unit_range_names` returned.
        thing: The option that the transforms come from.

    Raises:
        ConfigurationError: If more than one pixel of a hundred is above 1.
    """
    if names and np.mean(image > 1) > _TOLERATED:
        raise ConfigurationError(
            f"{thing}: {names[0]}",
            f"takes images in [0, 1] and clips all above, but they go up to {image.max():g}",
            "Set constant_scale, such as 0.0001 for reflectance x 10000 (and means and stds in the "
            "same units), or remove the transform.",
        )
