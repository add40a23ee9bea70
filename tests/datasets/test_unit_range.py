"""Transforms that clip to [0, 1] say so instead of making every pixel 1."""

import inspect
import warnings

import numpy as np
import pytest

from terratorch.datasets.transforms.albumentations_import import import_albumentations
from terratorch.datasets.transforms.pipeline import Pipeline
from terratorch.datasets.transforms.unit_range import UNIT_RANGE
from terratorch.errors import ConfigurationError

# They need further arguments, and images to adapt to.
UNTRIED = {"FDA", "HistogramMatching", "PixelDistributionAdaptation", "TextImage"}


@pytest.mark.slow
def test_the_table_is_what_the_transforms_do():
    albumentations = import_albumentations()
    image = np.full((16, 16, 3), 1000.0, np.float32)
    clipping = set()
    for name, kind in vars(albumentations).items():
        if not (inspect.isclass(kind) and issubclass(kind, albumentations.ImageOnlyTransform)):
            continue
        if kind is albumentations.ImageOnlyTransform or name in UNTRIED:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind(p=1.0)(image=image)["image"].max() <= 1:
                clipping.add(name)
    assert clipping == UNIT_RANGE


@pytest.mark.parametrize(
    "transforms",
    [
        [{"class_path": "RandomBrightnessContrast"}],
        [{"class_path": "OneOf", "init_args": {"transforms": [{"class_path": "GaussNoise"}]}}],
    ],
)
def test_reflectance_times_10000_is_refused(transforms):
    pipeline = Pipeline(transforms, "data.init_args.train_transform")
    image = np.full((3, 8, 8), 1500, np.float32)
    with pytest.raises(ConfigurationError, match=r"train_transform: \w+: takes images in \[0, 1\]"):
        pipeline(image)
    image /= 10000
    image[0, 0, 0] = 1.3  # a bright pixel is no reason
    assert pipeline(image)[0].shape == (3, 8, 8)


def test_geometric_transforms_take_any_range():
    image = np.full((3, 8, 8), 1500, np.float32)
    assert Pipeline([{"class_path": "D4"}])(image)[0].max() == 1500
