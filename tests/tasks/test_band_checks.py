import pytest
import torch

from terratorch.contracts.input_spec import InputSpec
from terratorch.contracts.model_description import ModelDescription
from terratorch.errors import ConfigurationError
from terratorch.tasks.band_checks import check_bands, check_channels

RGB = ["RED", "GREEN", "BLUE"]
BGR = ["BLUE", "GREEN", "RED"]


class Data:
    def __init__(self, predict=None, **bands):
        self.input_spec = InputSpec.create(**bands)
        self.predict_input_spec = self.input_spec.with_bands(None, predict)


class Built:
    """A model that a factory built."""

    def __init__(self, bands=None, argument="backbone_bands", in_chans=None):
        bands = tuple(bands) if isinstance(bands, list) else bands
        self.described = ModelDescription(
            "x", bands=bands, bands_argument=argument, in_chans=in_chans
        )


@pytest.mark.parametrize(
    ("data", "model", "message"),
    [
        (
            {"dataset_bands": RGB},
            Built(BGR),
            r"data\.init_args\.dataset_bands: the images have the bands RED, GREEN, BLUE, but "
            r"model\.init_args\.model_args\.backbone_bands is BLUE, GREEN, RED",
        ),
        (
            {"dataset_bands": BGR, "output_bands": RGB},
            Built(BGR, "model_bands"),
            r"output_bands: .*model_args\.model_bands is BLUE",
        ),
        ({"dataset_bands": BGR, "output_bands": [0]}, Built(BGR), "the bands BLUE, but"),
    ],
)
def test_other_names_or_another_order_of_bands_is_refused(data, model, message):
    with pytest.raises(ConfigurationError, match=message):
        check_bands(Data(**data), model, "fit")


@pytest.mark.parametrize(
    ("data", "bands"),
    [
        ({"dataset_bands": RGB}, RGB),
        ({"dataset_bands": RGB}, [0, 1, 2]),
        ({"dataset_bands": RGB}, ["BLUE", "GREEN", 7]),
        ({"dataset_bands": RGB}, None),
        ({"dataset_bands": RGB}, {"s2": tuple(BGR)}),
        ({}, BGR),
    ],
)
def test_bands_that_agree_or_have_no_names_pass(data, bands):
    check_bands(Data(**data), Built(bands), "fit")


def test_each_modality_is_compared():
    data = Data(dataset_bands=RGB)
    data.input_spec = InputSpec({"s2": data.input_spec.image, "s1": data.input_spec.image})
    check_bands(data, Built({"s2": tuple(RGB)}), "fit")
    with pytest.raises(ConfigurationError, match=r"dataset_bands\.s2: .*_bands\.s2 is BLUE"):
        check_bands(data, Built({"s2": tuple(BGR)}), "fit")


def test_data_and_models_of_another_kind_are_not_checked():
    check_bands(object(), Built(BGR), "fit")
    check_bands(None, Built(BGR), "predict")
    check_bands(Data(dataset_bands=RGB), torch.nn.Identity(), "fit")
    check_channels(torch.zeros(2, 6, 8, 8), torch.nn.Identity())


def test_images_to_predict_are_compared_too():
    data = Data(dataset_bands=RGB, predict=BGR)
    check_bands(data, Built(RGB), "fit")
    with pytest.raises(ConfigurationError, match="predict_output_bands"):
        check_bands(data, Built(RGB), "predict")


def test_the_bands_of_weights_count_if_the_model_names_none(caplog):
    trained = Built(BGR, argument=None)
    with pytest.raises(ConfigurationError, match="the weights of the backbone have BLUE, GREEN"):
        check_bands(Data(dataset_bands=RGB), trained, "fit")
    check_bands(Data(dataset_bands=BGR), trained, "fit")
    assert not caplog.records
    check_bands(Data(dataset_bands=["BLUE", "GREEN", "VV"]), trained, "fit")
    assert "backbone_bands" in caplog.text


@pytest.mark.parametrize(
    ("argument", "named"), [("model_bands", "model_bands"), (None, "backbone_in_chans")]
)
def test_another_number_of_bands_names_the_argument(argument, named):
    model = Built(argument=argument, in_chans=4)
    check_channels(torch.zeros(2, 4, 3, 8, 8), model)
    message = rf"model_args\.{named}: 4 bands, but the images have 6.*output_bands"
    with pytest.raises(ConfigurationError, match=message):
        check_channels(torch.zeros(2, 6, 8, 8), model)


def test_images_by_modality_have_no_common_number_of_bands():
    check_channels({"s2": torch.zeros(2, 6, 8, 8)}, Built(in_chans=4))
