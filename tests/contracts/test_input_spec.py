import json
import pickle
from pathlib import Path

import pytest
import torch

from terratorch.contracts.band_selection import BandSelection
from terratorch.contracts.input_spec import ImageSpec, InputSpec, TimeLayout
from terratorch.errors import ConfigurationError, DataError

SIX = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]
FILE = Path("image.tif")


@pytest.mark.parametrize(
    ("dataset_bands", "output_bands", "indexes"),
    [
        (None, None, (1, 2, 3, 4, 5, 6)),
        (SIX, None, (1, 2, 3, 4, 5, 6)),
        (SIX, ["RED", "HLSBands.GREEN", "blue"], (3, 2, 1)),
        (SIX, [0, 5], (1, 6)),
        (None, [5, 0], (6, 1)),
        (None, [(1, 3)], (2, 3, 4)),
        ([(0, 5)], [2, 1], (3, 2)),
        ([(0, 2), (10, 12)], [(10, 12)], (4, 5, 6)),
        (["VV", "VH", (0, 3)], ["VH", 3], (2, 6)),
    ],
)
def test_bands_by_name_position_or_interval(dataset_bands, output_bands, indexes):
    assert BandSelection(dataset_bands, output_bands).indexes(FILE, 6) == indexes


def test_time_steps_of_a_band_come_together():
    selection = BandSelection(["A", "B"], ["B", "A"], expand_time=True)
    # The file holds A1 B1 A2 B2 A3 B3.
    assert selection.indexes(FILE, 6) == (2, 4, 6, 1, 3, 5)
    assert BandSelection(["A", "B"], None, expand_time=True).indexes(FILE, 4) == (1, 3, 2, 4)
    major = BandSelection(["A", "B"], ["B", "A"], expand_time=True, band_major=True)
    # The file holds A1 A2 A3 B1 B2 B3.
    assert major.indexes(FILE, 6) == (4, 5, 6, 1, 2, 3)


@pytest.mark.parametrize(
    ("dataset_bands", "output_bands", "message"),
    [
        (SIX, ["GREN"], r"output_bands\[0\]: 'GREN' is not in .* Did you mean 'GREEN'"),
        (SIX, ["VV"], "dataset_bands lists: BLUE, GREEN"),
        (SIX, [6], "6 is not in dataset_bands"),
        (None, ["RED"], "'RED' is a name, but dataset_bands is not given"),
        (["A", "A"], ["A"], "'A' is in dataset_bands 2 times"),
        ([], None, "dataset_bands: an empty list"),
    ],
)
def test_bands_that_cannot_be_chosen(dataset_bands, output_bands, message):
    with pytest.raises(ConfigurationError, match=message):
        BandSelection(dataset_bands, output_bands)


def test_expanding_time_needs_the_bands_of_one_step():
    with pytest.raises(ConfigurationError, match="expand_temporal_dimension"):
        BandSelection(None, None, expand_time=True)


@pytest.mark.parametrize(
    ("selection", "count", "message"),
    [
        (BandSelection(SIX, None), 3, r"image\.tif: 3 bands, but dataset_bands lists 6: BLUE"),
        (BandSelection(SIX, None), 12, "expand_temporal_dimension if these are several time steps"),
        (BandSelection(SIX, None, expand_time=True), 13, "not a multiple of the 6"),
        (BandSelection(None, [6]), 6, "position 6. Positions count from 0: the last one is 5"),
    ],
)
def test_files_with_other_bands_are_named(selection, count, message):
    with pytest.raises(DataError, match=message):
        selection.indexes(FILE, count)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"means": [1, 2]}, "means: given without stds"),
        ({"stds": [1, 2]}, "stds: given without means"),
        (
            {"means": [1, 2, 3], "stds": [1, 1, 1], "dataset_bands": SIX},
            r"means: 3 values, but 6 bands go to the model \(output_bands\)",
        ),
        ({"means": [1, 2], "stds": [1]}, "means: 2 values, but stds has 1"),
        ({"rgb_indices": [0, 1, 6], "dataset_bands": SIX}, "rgb_indices: 6, but 6 bands .*0 to 5"),
        ({"means": [1, 2], "stds": [1, 0]}, r"stds\[1\]: 0\.0 is not above zero"),
        ({"means": [1, float("nan")], "stds": [1, 1]}, r"means\[1\]: nan is not a number"),
        ({"constant_scale": 0}, r"constant_scale: 0\.0 would make all values alike"),
    ],
)
def test_values_that_do_not_fit_the_bands(values, message):
    with pytest.raises(ConfigurationError, match=message):
        ImageSpec.create(**values)


def test_a_checkpoint_gives_it_back():
    spec = ImageSpec.create(
        dataset_bands=[*SIX, (6, 7)],
        output_bands=["RED", (6, 7)],
        means=[1, 2, 3],
        stds=[1, 1, 1],
        constant_scale=0.0001,
        no_data_replace=0,
        rgb_indices=[0, 1, 2],
    )
    plain = spec.to_dict()
    assert plain["output_bands"] == ["RED", [6, 7]]
    assert ImageSpec.from_dict(plain) == spec


def test_normalisation_of_images_and_batches():
    spec = ImageSpec.create(means=[1, 3], stds=[2, 4])
    image = torch.stack([torch.full((2, 2), 5.0), torch.full((2, 2), 11.0)])
    assert torch.equal(spec.normalize(image), torch.full((2, 2, 2), 2.0))
    assert torch.equal(spec.normalize(image[None]), torch.full((1, 2, 2, 2), 2.0))
    in_time = image[None, :, None].expand(1, 2, 3, 2, 2)
    assert torch.equal(spec.normalize(in_time), torch.full((1, 2, 3, 2, 2), 2.0))
    assert ImageSpec().normalize(image) is image


def test_time_steps_that_were_flattened_are_normalised_each():
    spec = ImageSpec.create(
        dataset_bands=["A", "B"], means=[1, 3], stds=[2, 4], expand_temporal_dimension=True
    )
    flat = torch.tensor([5.0, 11.0, 5.0, 11.0]).view(1, 4, 1, 1)
    assert torch.equal(spec.normalize(flat), torch.full((1, 4, 1, 1), 2.0))


def test_images_with_other_bands_are_not_normalised():
    spec = ImageSpec.create(means=[1, 3], stds=[2, 4])
    with pytest.raises(ConfigurationError, match="2 values, but the images have 4 bands"):
        spec.normalize(torch.zeros(1, 4, 2, 2))


def test_bands_of_prediction_may_differ():
    spec = ImageSpec.create(dataset_bands=["A", "B"], means=[1, 2], stds=[1, 1])
    other = spec.with_bands(["B", "A", "C"], None)
    assert other.selection.indexes(FILE, 3) == (2, 1)
    assert spec.with_bands(None, None) is spec


def test_positions_mean_the_bands_of_training_in_other_files():
    spec = ImageSpec.create(dataset_bands=["A", "B", "C"], output_bands=[0, 2])
    other = spec.with_bands(["C", "B", "A"], None)
    assert other.output_bands == ("A", "C")
    assert other.selection.indexes(FILE, 3) == (3, 1)


def test_a_file_that_describes_its_bands_in_another_order_is_told_once(caplog):
    selection = BandSelection(["BLUE", "GREEN", "RED", "slope"], None)
    for _ in range(2):
        selection.check_order(FILE, ("B04 (665 nm)", "green", "Blue", "slope"))
        selection.check_order(FILE, ("slope", "green", "Blue", "Red"))
    (said,) = caplog.messages
    assert "image.tif: its bands are described in another order than in dataset_bands" in said
    assert "band 1 is RED, in dataset_bands BLUE; band 3 is BLUE, in dataset_bands RED." in said


@pytest.mark.parametrize(
    "descriptions",
    [
        ("B02", "B03", "B04"),
        ("", None, "anything"),
        ("RED", "GREEN", "RED"),  # not an order
        ("B05", "B06", "B07"),  # of another sensor, perhaps
    ],
)
def test_descriptions_that_tell_no_other_order_are_not_told(descriptions, caplog):
    BandSelection(["BLUE", "GREEN", "RED"], None).check_order(FILE, descriptions)
    assert not caplog.messages


def test_checkpoints_keep_modalities_time_layout_and_facts():
    series = ImageSpec.create(
        dataset_bands=["A", "B"], expand_temporal_dimension=True, temporal_channel_major=True
    )
    assert series.time is TimeLayout.BAND_MAJOR
    spec = InputSpec({"S2": series, "DEM": ImageSpec()}).with_facts(["temporal_coords"])
    assert InputSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


OF_VERSION_1 = {
    "dataset_bands": ["RED", [0, 1]],
    "output_bands": None,
    "means": [1.0, 2.0, 3.0],
    "stds": [1.0, 1.0, 1.0],
    "constant_scale": 0.5,
    "no_data_replace": None,
    "expand_temporal_dimension": True,
    "rgb_indices": None,
}


def test_inputs_of_checkpoints_of_version_1_are_read():
    spec = InputSpec.from_dict(OF_VERSION_1)
    assert spec.image.dataset_bands == ("RED", (0, 1))
    assert spec.image.time is TimeLayout.TIME_MAJOR
    assert (spec.image.constant_scale, spec.facts) == (0.5, None)
    several = InputSpec.from_dict({"modalities": {"S2": OF_VERSION_1, "S1": OF_VERSION_1}})
    assert several.images == {"S2": spec.image, "S1": spec.image}


def test_the_bands_are_selected_once():
    spec = ImageSpec.create(dataset_bands=SIX)
    assert spec.selection is spec.selection
    assert pickle.loads(pickle.dumps(spec)) == spec
