"""How chips are drawn in a report."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from terratorch.evaluation.pictures import (
    WRONG,
    class_pictures,
    image_pictures,
    png_data_uri,
    value_pictures,
)
from terratorch.evaluation.thumbnails import Thumbnail

IMAGE = np.array([[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, np.nan, 9]]], np.float32)


def _pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_classes_and_errors_are_painted():
    target = np.array([[0, 1], [1, 255]], np.float32)
    prediction = np.array([[0, 0], [1, 1]], np.float32)
    chip = Thumbnail("a", 0.5, IMAGE, target, prediction, target < 255)
    (drawn,), scale = class_pictures([chip], [(1, 2, 3), (4, 5, 6)])
    assert scale is None
    pictures = {picture.title: _pixels(picture.uri) for picture in drawn}
    assert pictures["Image"].shape == (2, 2, 3)
    assert np.ptp(pictures["Image"]) > 200
    assert pictures["Label"][0].tolist() == [[1, 2, 3, 255], [4, 5, 6, 255]]
    assert pictures["Label"][1, 1, 3] < 255
    assert pictures["Prediction"][1, 1].tolist() == [4, 5, 6, 255]
    errors = pictures["Errors"]
    assert errors[0, 1].tolist() == [*WRONG, 255]
    assert errors[0, 0, 3] == errors[1, 0, 3] == 0  # right: nothing to see
    assert 0 < errors[1, 1, 3] < 255  # no label: no error


def test_values_share_a_scale():
    target = np.array([[0, 10], [5, np.nan]], np.float32)
    chip = Thumbnail("a", 0.5, IMAGE, target, np.full((2, 2), 5, np.float32), ~np.isnan(target))
    (drawn,), scale = value_pictures([chip], [])
    assert 0 <= scale.low < 5 < scale.high <= 10
    assert scale.error == pytest.approx(5, rel=0.1)
    label, prediction, errors = (_pixels(picture.uri) for picture in drawn[1:])
    assert label[1, 0].tolist() == prediction[0, 0].tolist()
    assert label[1, 1, 3] < 255
    too_high, too_low = errors[0, 0].astype(int), errors[0, 1].astype(int)
    assert too_high[0] > too_high[2]  # red
    assert too_low[2] > too_low[0]  # blue


def test_predictions_that_are_no_numbers_are_left_out_of_the_scale():
    target = np.array([[0, 10], [5, 5]], np.float32)
    prediction = np.array([[0, np.nan], [np.inf, 10]], np.float32)
    chip = Thumbnail("a", np.inf, IMAGE, target, prediction, np.ones((2, 2), bool))
    (drawn,), scale = value_pictures([chip], [])
    assert np.isfinite([scale.low, scale.high, scale.error]).all()
    predicted, errors = (_pixels(picture.uri)[..., 3] for picture in drawn[2:])
    assert (predicted < 255).tolist() == (errors < 255).tolist() == [[False, True], [True, False]]


def test_values_of_both_signs_have_a_scale_around_zero():
    target = np.array([[-2, 8], [0, 4]], np.float32)
    chip = Thumbnail("a", 0.5, IMAGE, target, target, np.ones((2, 2), bool))
    (drawn,), scale = value_pictures([chip], [])
    assert scale.low == -scale.high < -6
    label = _pixels(drawn[1].uri).astype(int)
    assert label[0, 0, 2] > label[0, 0, 0] + 5  # negative: blue
    assert label[0, 1, 0] > label[0, 1, 2]  # positive: red
    assert np.ptp(label[1, 0, :3]) < 20  # 0: neither


def test_a_chip_with_one_label_is_an_image():
    (drawn,), scale = image_pictures([Thumbnail("a", 0.5, IMAGE)], [])
    assert [picture.title for picture in drawn] == ["Image"]
    assert scale is None


@pytest.mark.parametrize("channels", [3, 4])
def test_a_png_is_read_back(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels), np.uint8)
    assert np.array_equal(_pixels(png_data_uri(pixels)), pixels)
