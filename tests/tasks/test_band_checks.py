import pytest
import torch

from terratorch.contracts.input_spec import InputSpec
from terratorch.errors import ConfigurationError
from terratorch.tasks.band_checks import check_band_count, check_same_bands

RGB = ["RED", "GREEN", "BLUE"]
BGR = ["BLUE", "GREEN", "RED"]


class Data:
    def __init__(self, predict=None, **bands):
        self.input_spec = InputSpec.create(**bands)
        self.predict_input_spec = self.input_spec.with_bands(None, predict)


@pytest.mark.parametrize(
    ("data", "model_args", "says"),
    [
        (
            {"dataset_bands": RGB},
            {"backbone_bands": BGR},
            r"data\.init_args\.dataset_bands: the images have the bands RED, GREEN, BLUE, but "
            r"model\.init_args\.model_args\.backbone_bands is BLUE, GREEN, RED",
        ),
        (
            {"dataset_bands": BGR, "output_bands": RGB},
            {"backbone_kwargs": {"bands": BGR}},
            r"output_bands: .*model_args\.backbone_kwargs\.bands is BLUE",
        ),
        ({"dataset_bands": BGR, "output_bands": [0]}, {"model_bands": BGR}, "the bands BLUE, but"),
    ],
)
def test_other_names_or_another_order_of_bands_is_refused(data, model_args, says):
    with pytest.raises(ConfigurationError, match=says):
        check_same_bands(Data(**data), model_args, "fit")


@pytest.mark.parametrize(
    ("data", "model_args"),
    [
        ({"dataset_bands": RGB}, {"backbone_bands": ["B04", "green", "HLSBands.BLUE"]}),
        ({"dataset_bands": RGB}, {"backbone_bands": [0, 1, 2]}),
        ({"dataset_bands": RGB}, {"backbone_bands": ["BLUE", "GREEN", 7]}),
        ({"dataset_bands": RGB}, {}),
        ({}, {"backbone_bands": BGR}),
    ],
)
def test_bands_that_agree_or_have_no_names_pass(data, model_args):
    check_same_bands(Data(**data), model_args, "fit")


def test_a_data_module_of_another_kind_is_not_asked():
    check_same_bands(object(), {"backbone_bands": BGR}, "fit")
    check_same_bands(None, {"backbone_bands": BGR}, "predict")


def test_images_to_predict_are_compared_too():
    data = Data(dataset_bands=RGB, predict=BGR)
    check_same_bands(data, {"backbone_bands": RGB}, "fit")
    with pytest.raises(ConfigurationError, match="predict_output_bands"):
        check_same_bands(data, {"backbone_bands": RGB}, "predict")


class Trained:
    class encoder:
        model_bands = tuple(BGR)


@pytest.mark.parametrize("args", [{"backbone_pretrained": True}, {"backbone_ckpt_path": "w.pt"}])
def test_the_bands_of_weights_count_where_the_model_names_none(args, caplog):
    with pytest.raises(ConfigurationError, match="weights of the backbone were trained on is BLUE"):
        check_same_bands(Data(dataset_bands=RGB), args, "fit", Trained())
    check_same_bands(Data(dataset_bands=BGR), args, "fit", Trained())
    check_same_bands(Data(dataset_bands=RGB), {"backbone_pretrained": False}, "fit", Trained())
    assert not caplog.records
    check_same_bands(Data(dataset_bands=["BLUE", "GREEN", "VV"]), args, "fit", Trained())
    assert "backbone_bands" in caplog.text


@pytest.mark.parametrize(
    "model_args",
    [{"backbone_in_chans": 4}, {"backbone_kwargs": {"in_chans": 4}}, {"model_bands": [[0, 3]]}],
)
def test_another_number_of_bands_names_the_argument(model_args):
    check_band_count(torch.zeros(2, 4, 3, 8, 8), model_args)
    with pytest.raises(ConfigurationError, match=r"4 bands, but the images have 6.*output_bands"):
        check_band_count(torch.zeros(2, 6, 8, 8), model_args)


def test_images_by_modality_have_no_one_number_of_bands():
    check_band_count({"s2": torch.zeros(2, 6, 8, 8)}, {"backbone_in_chans": 4})
