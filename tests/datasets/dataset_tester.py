"""What every data set keeps to; the test of one gives it and what its samples hold."""

import pickle
from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.utils.data import Dataset

from terratorch.contracts.facts import FACTS, TARGETS
from terratorch.datamodules.collation import collate

SHAPES = {"temporal_coords": (1, 2), "location_coords": (2,), "gsd": (), "bounds": (4,)}


def check_dataset(
    dataset: Dataset,
    bands: int,
    target: str | None,
    dtype: torch.dtype = torch.int64,
    steps: int = 0,
) -> None:
    """Check each sample of a data set: shapes, dtypes, facts, plot, collation and pickling.

    Args:
        dataset: The data set.
        bands: Bands of an image.
        target: The key of the target; None without one.
        dtype: The dtype of the target.
        steps: Time steps of an image; 0 for an image without an axis of time.
    """
    assert len(dataset) > 0
    samples = [dataset[index] for index in range(len(dataset))]
    for sample in samples:
        _check_image(sample["image"], bands, steps)
        _check_target(sample, target, dtype)
        _check_facts(sample, steps)
    _check_plot(dataset, samples[0], target)
    again = pickle.loads(pickle.dumps(dataset))
    for sample, other in zip(samples, (again[index] for index in range(len(again))), strict=True):
        assert sample.keys() == other.keys()
        assert all(_same(sample[key], other[key]) for key in sample)
    batch = collate(samples[:1] * 2)
    assert batch["image"].shape[0] == 2
    assert batch["filename"] == [samples[0]["filename"]] * 2
    assert len({sample["filename"] for sample in samples}) == len(samples)


def _check_image(image: Tensor, bands: int, steps: int) -> None:
    assert image.dtype == torch.float32
    assert image.is_contiguous()
    assert image.ndim == (4 if steps else 3)
    assert image.shape[0] == bands
    assert not steps or image.shape[1] == steps
    assert torch.isfinite(image).all()


def _check_target(sample: Mapping, target: str | None, dtype: torch.dtype) -> None:
    assert sample.keys() & TARGETS == ({target} if target else set())
    if target is None:
        return
    assert sample[target].dtype == dtype
    if target == "mask":
        assert sample[target].shape == sample["image"].shape[-2:]


def _check_facts(sample: Mapping, steps: int) -> None:
    assert sample.keys() - TARGETS - {"image"} <= FACTS.keys()
    for name, shape in {**SHAPES, "temporal_coords": (steps or 1, 2)}.items():
        assert sample[name].shape == shape, name
        assert sample[name].dtype == torch.float32, name
    latitude, longitude = sample["location_coords"].tolist()
    west, south, east, north = sample["bounds"].tolist()
    assert west <= longitude <= east
    assert south <= latitude <= north
    assert sample["crs"].startswith("EPSG:")
    assert isinstance(sample["filename"], str)


def _check_plot(dataset: Dataset, sample: Mapping, target: str | None) -> None:
    prediction = {} if target is None else {"prediction": sample[target]}
    figure = dataset.plot({**sample, **prediction})
    assert isinstance(figure, Figure)
    plt.close(figure)


def _same(one: object, other: object) -> bool:
    if isinstance(one, Tensor):
        return torch.equal(one.nan_to_num(), other.nan_to_num())
    return one == other
