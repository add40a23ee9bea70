import pickle

import numpy as np
import pytest
import torch

from chip_files import BANDS, write_tif
from terratorch.colors import palette
from terratorch.contracts.input_spec import InputSpec
from terratorch.datasets import (
    GenericNonGeoClassificationDataset,
    GenericNonGeoPixelwiseRegressionDataset,
    GenericNonGeoSegmentationDataset,
)
from terratorch.datasets.labels import read_class_mask
from terratorch.datasets.scenes.prediction_dataset import PredictionBatches, PredictionDataset
from terratorch.errors import ConfigurationError, DataError

PATTERNS = {"image_grep": "*_merged.tif", "label_grep": "*.mask.tif"}


def chip(folder, image, mask, nodata=None, label_nodata=None):
    write_tif(folder / "a_merged.tif", image, nodata)
    write_tif(folder / "a.mask.tif", mask, label_nodata)
    return folder


def image_of(value, bands=2, dtype=np.int16):
    return np.full((bands, 4, 4), value, dtype)


MASK = np.zeros((4, 4), np.uint8)


def test_a_segmentation_sample(segmentation_folder):
    dataset = GenericNonGeoSegmentationDataset(segmentation_folder, 3, **PATTERNS)
    sample = dataset[0]
    assert len(dataset) == 4
    assert sample["image"].shape == (6, 32, 32)
    assert sample["image"].dtype == torch.float32
    assert sample["mask"].shape == (32, 32)
    assert sample["mask"].dtype == torch.int64
    assert sample["filename"] == str(dataset.image_files[0])
    assert dataset.segmentation_mask_files[0].name == "chip_0.mask.tif"


def test_bands_are_chosen_and_scaled(segmentation_folder):
    whole = GenericNonGeoSegmentationDataset(segmentation_folder, 3, **PATTERNS)[0]["image"]
    dataset = GenericNonGeoSegmentationDataset(
        segmentation_folder,
        3,
        dataset_bands=BANDS,
        output_bands=["RED", "BLUE"],
        constant_scale=0.5,
        **PATTERNS,
    )
    assert torch.equal(dataset[0]["image"], whole[[2, 0]] * 0.5)


def test_time_is_expanded(segmentation_folder):
    whole = GenericNonGeoSegmentationDataset(segmentation_folder, 3, **PATTERNS)[0]["image"]
    dataset = GenericNonGeoSegmentationDataset(
        segmentation_folder,
        3,
        dataset_bands=["A", "B"],
        expand_temporal_dimension=True,
        **PATTERNS,
    )
    # The file holds the bands of one time step after another.
    assert torch.equal(dataset[0]["image"], whole.unflatten(0, (3, 2)).transpose(0, 1))


@pytest.mark.parametrize(
    ("image", "nodata", "words"),
    [
        (image_of(-9999), -9999, r"16 pixels are nodata \(-9999\)"),
        (image_of(np.nan, dtype=np.float32), None, "16 pixels are NaN, infinite or nodata"),
    ],
)
def test_nodata_is_replaced_or_an_error(tmp_path, image, nodata, words):
    chip(tmp_path, image, MASK, nodata)
    with pytest.raises(DataError, match=rf"a_merged\.tif: {words}. Set no_data_replace"):
        GenericNonGeoSegmentationDataset(tmp_path, 2, **PATTERNS)[0]
    replaced = GenericNonGeoSegmentationDataset(
        tmp_path, 2, no_data_replace=3, constant_scale=2, **PATTERNS
    )
    assert (replaced[0]["image"] == 6).all()


def test_only_chosen_bands_need_be_valid(tmp_path):
    image = image_of(1.0, dtype=np.float32)
    image[1] = np.nan
    chip(tmp_path, image, MASK)
    dataset = GenericNonGeoSegmentationDataset(tmp_path, 2, output_bands=[0], **PATTERNS)
    assert (dataset[0]["image"] == 1).all()


@pytest.mark.parametrize(
    ("replace", "reduce", "expected"),
    [
        (None, False, [0, 1, 2, 255]),
        (-1, False, [0, 1, 2, -1]),
        (None, True, [-1, 0, 1, 255]),
        (-1, True, [-1, 0, 1, -1]),
        (99, True, [99, 0, 1, 99]),
    ],
)
def test_labels_are_replaced_and_reduced(tmp_path, replace, reduce, expected):
    path = write_tif(tmp_path / "mask.tif", np.array([[0, 1, 2, 255]], np.uint8), nodata=255)
    assert read_class_mask(path, replace, reduce).tolist() == [expected]


def test_zero_as_nodata_is_reduced_to_no_label(tmp_path):
    path = write_tif(tmp_path / "mask.tif", np.array([[0, 1]], np.uint8), nodata=0)
    assert read_class_mask(path, reduce_zero_label=True).tolist() == [[-1, 0]]


def test_whole_numbers_in_float_masks_are_ids(tmp_path):
    path = write_tif(tmp_path / "mask.tif", np.array([[0, 1, np.nan]], np.float32))
    assert read_class_mask(path, no_label_replace=-1).tolist() == [[0, 1, -1]]
    with pytest.raises(DataError, match=r"mask\.tif: NaN .*1 of 3 pixels.* Set no_label_replace"):
        read_class_mask(path)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.array([[0.5]], np.float32), "0.5, which is not a class id"),
        (np.array([[-3]], np.int16), "-3, which is not a class id.* -1 means unlabelled"),
        (np.zeros((3, 2, 2), np.uint8), "3 bands, but a label has one.* label_grep"),
    ],
)
def test_masks_that_hold_no_ids(tmp_path, mask, message):
    with pytest.raises(DataError, match=message):
        read_class_mask(write_tif(tmp_path / "mask.tif", mask))


def test_image_and_label_cover_the_same_pixels(tmp_path):
    chip(tmp_path, image_of(1), np.zeros((4, 5), np.uint8))
    with pytest.raises(
        DataError, match=r"a\.mask\.tif: 5 x 4 pixels, but .*a_merged\.tif has 4 x 4"
    ):
        GenericNonGeoSegmentationDataset(tmp_path, 2, **PATTERNS)[0]


@pytest.mark.parametrize("option", ["embedding_input", "return_georeference"])
def test_what_is_not_supported_says_so(segmentation_folder, option):
    with pytest.raises(ConfigurationError, match=f"{option}: not supported yet"):
        GenericNonGeoSegmentationDataset(segmentation_folder, 3, **PATTERNS, **{option: True})


def test_class_names_fit_the_number_of_classes(segmentation_folder):
    with pytest.raises(ConfigurationError, match="2 names, but num_classes is 3"):
        GenericNonGeoSegmentationDataset(segmentation_folder, 3, class_names=["a", "b"], **PATTERNS)


def test_regression_values_keep_their_fractions(tmp_path):
    values = np.array([[0.25, -7, np.nan, 3.0]], np.float32).repeat(4, 0)
    chip(tmp_path, image_of(1), values, label_nodata=-7)
    sample = GenericNonGeoPixelwiseRegressionDataset(tmp_path, **PATTERNS)[0]
    assert sample["mask"].dtype == torch.float32
    assert sample["mask"][0].isnan().tolist() == [False, True, True, False]
    replaced = GenericNonGeoPixelwiseRegressionDataset(tmp_path, no_label_replace=-1, **PATTERNS)
    assert replaced[0]["mask"][0].tolist() == [0.25, -1, -1, 3]


def test_folders_are_classes(classification_folder):
    dataset = GenericNonGeoClassificationDataset(classification_folder, 2)
    assert dataset.class_names == ["forest", "water"]
    assert dataset.targets == [0, 0, 0, 1, 1, 1]
    sample = dataset[5]
    assert sample["image"].shape == (6, 32, 32)
    assert sample["label"].dtype == torch.int64
    assert sample["label"] == 1
    assert "mask" not in sample


def test_a_split_of_class_folders(classification_folder, tmp_path):
    split = tmp_path / "split.txt"
    split.write_text("forest/forest_1.tif\nwater_2\n")
    dataset = GenericNonGeoClassificationDataset(classification_folder, 2, split=split)
    assert [path.name for path in dataset.image_files] == ["forest_1.tif", "water_2.tif"]


def test_images_without_label(classification_folder):
    dataset = GenericNonGeoClassificationDataset(
        classification_folder / "water", 2, require_label=False
    )
    assert len(dataset) == 3
    assert "label" not in dataset[0]


def test_the_number_of_folders_is_the_number_of_classes(classification_folder):
    with pytest.raises(ConfigurationError, match="3, but there are 2 classes: forest, water"):
        GenericNonGeoClassificationDataset(classification_folder, 3)


def test_folders_have_the_names_of_classes(classification_folder):
    with pytest.raises(DataError, match=r"'forest' is not in class_names. Did you mean 'forst'"):
        GenericNonGeoClassificationDataset(classification_folder, 2, class_names=["forst", "water"])


def test_images_beside_each_other_have_no_class(classification_folder):
    with pytest.raises(DataError, match="no folders in it"):
        GenericNonGeoClassificationDataset(classification_folder / "water", 2)


def test_prediction_keeps_what_is_valid(tmp_path):
    image = image_of(5)
    image[0, 0, 0] = -1
    path = write_tif(tmp_path / "a.tif", image, nodata=-1)
    spec = InputSpec.create(means=[7, 8], stds=[1, 1])
    sample = PredictionDataset([path], spec)[0]
    assert sample["valid"].sum() == 15
    assert sample["image"][:, 0, 0].tolist() == [7, 5]
    replaced = PredictionDataset([path], InputSpec.create(no_data_replace=0))[0]
    assert replaced["image"][:, 0, 0].tolist() == [0, 5]
    assert not replaced["valid"][0, 0]


def test_batches_of_prediction_hold_one_size(tmp_path):
    sizes = [8, 8, 8, 4, 4, 8]
    paths = [
        write_tif(tmp_path / f"{number}.tif", np.ones((1, size, size), np.uint8))
        for number, size in enumerate(sizes)
    ]
    batches = PredictionBatches(PredictionDataset(paths, InputSpec()), 2)
    shapes = [tuple(batches[index]["image"].shape) for index in range(len(batches))]
    assert shapes == [(2, 1, 8, 8), (1, 1, 8, 8), (2, 1, 4, 4), (1, 1, 8, 8)]
    assert batches[0]["filename"] == [str(paths[0]), str(paths[1])]


def test_data_sets_go_to_workers(segmentation_folder):
    dataset = GenericNonGeoSegmentationDataset(
        segmentation_folder, 3, transform=["D4", "ToTensorV2"], **PATTERNS
    )
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy[0]["image"].shape == (6, 32, 32)


def test_plots_are_figures(segmentation_folder, classification_folder):
    dataset = GenericNonGeoSegmentationDataset(segmentation_folder, 3, **PATTERNS)
    sample = dataset[0]
    figure = dataset.plot({**sample, "prediction": sample["mask"]}, suptitle="chip 0")
    assert [axis.get_title() for axis in figure.axes] == ["image", "mask", "prediction"]
    assert figure.get_suptitle() == "chip 0"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "1", "2"]
    regression = GenericNonGeoPixelwiseRegressionDataset(segmentation_folder, **PATTERNS)
    assert regression.plot(regression[0]).axes[1].get_title() == "mask"
    classification = GenericNonGeoClassificationDataset(classification_folder, 2)
    figure = classification.plot({**classification[0], "prediction": torch.tensor(1)})
    assert figure.axes[0].get_title() == "label: forest\nprediction: water"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"dataset_bands": BANDS}, [2, 1, 0]),
        ({"dataset_bands": BANDS, "output_bands": ["SWIR_1", "RED", "GREEN", "BLUE"]}, [1, 2, 3]),
        ({"dataset_bands": BANDS, "rgb_indices": [3, 2, 1]}, [3, 2, 1]),
        ({"dataset_bands": BANDS, "output_bands": ["SWIR_1", "RED", "GREEN"]}, [0, 1, 2]),
        ({}, [0, 1, 2]),
    ],
)
def test_red_green_and_blue_are_found_by_name(segmentation_folder, options, expected):
    dataset = GenericNonGeoSegmentationDataset(segmentation_folder, 3, **PATTERNS, **options)
    assert dataset.rgb_indices == expected


def test_plots_have_the_names_and_colours_of_the_maps(segmentation_folder):
    names = ["forest", "crops", "water"]
    dataset = GenericNonGeoSegmentationDataset(segmentation_folder, 3, **PATTERNS)
    legend = dataset.plot(dataset[0], class_names=names).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == names
    colors = [
        [round(255 * part) for part in patch.get_facecolor()[:3]] for patch in legend.get_patches()
    ]
    assert colors == [list(color) for color in palette(names)]
    own = GenericNonGeoSegmentationDataset(
        segmentation_folder, 3, class_names=["a", "b", "c"], **PATTERNS
    )
    legend = own.plot(own[0], class_names=names).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "c"]


def test_nodata_of_doubles_is_replaced_without_a_warning(tmp_path):
    lowest = np.finfo(np.float64).min
    image = np.full((1, 2, 2), lowest)
    write_tif(tmp_path / "images/a.tif", image, nodata=lowest)
    write_tif(tmp_path / "labels/a.tif", image, nodata=lowest)
    dataset = GenericNonGeoPixelwiseRegressionDataset(
        tmp_path / "images", tmp_path / "labels", no_data_replace=0
    )
    sample = dataset[0]
    assert not sample["image"].any()
    assert sample["mask"].isnan().all()


@pytest.mark.parametrize(
    ("options", "beyond"), [({"no_label_replace": 255}, 255), ({"reduce_zero_label": True}, -1)]
)
@pytest.mark.parametrize(
    "pad",
    [
        {"class_path": "PadIfNeeded", "init_args": {"min_height": 8, "min_width": 8}},
        {"class_path": "Padding", "init_args": {"input_shape": [8, 8]}},
    ],
)
def test_what_transforms_pad_has_no_label(tmp_path, pad, options, beyond):
    write_tif(tmp_path / "images/a.tif", np.ones((1, 4, 4), np.int16))
    write_tif(tmp_path / "labels/a.tif", np.full((1, 4, 4), 2, np.uint8))
    folders = {"data_root": tmp_path / "images", "label_data_root": tmp_path / "labels"}
    classes = GenericNonGeoSegmentationDataset(
        num_classes=3, transform=[pad], **folders, **options
    )[0]["mask"]
    assert (classes == beyond).sum() == 8 * 8 - 4 * 4
    values = GenericNonGeoPixelwiseRegressionDataset(transform=[pad], **folders)[0]["mask"]
    assert values.isnan().sum() == 8 * 8 - 4 * 4
    assert set(values[~values.isnan()].tolist()) == {2}


PAD = {"min_height": 8, "min_width": 8}


@pytest.mark.parametrize(
    ("transform", "options", "said"),
    [
        (["Rotate"], {}, "Rotate"),
        (
            [{"class_path": "OneOf", "init_args": {"transforms": [{"class_path": "Affine"}]}}],
            {},
            "Affine",
        ),
        ([{"class_path": "PadIfNeeded", "init_args": PAD}], {}, "PadIfNeeded"),
        ([{"class_path": "PadIfNeeded", "init_args": {**PAD, "fill_mask": 0}}], {}, None),
        ([{"class_path": "PadIfNeeded", "init_args": {**PAD, "border_mode": 4}}], {}, None),
        ([{"class_path": "Rotate", "init_args": {"crop_border": True}}], {}, None),
        ([{"class_path": "RandomCrop", "init_args": {"height": 8, "width": 8}}], {}, None),
        (["Rotate"], {"no_label_replace": -1}, None),
        (["D4", "ToTensorV2"], {}, None),
    ],
)
def test_masks_that_become_class_0_are_spoken_of(
    segmentation_folder, transform, options, said, caplog
):
    GenericNonGeoSegmentationDataset(
        segmentation_folder, 3, transform=transform, **PATTERNS, **options
    )
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == (said is not None)
    if said:
        assert messages[0].startswith(f"transform: {said} may rotate or pad beyond the image")
        assert "no_label_replace" in messages[0]


def test_a_fill_of_masks_that_is_written_stays(tmp_path):
    write_tif(tmp_path / "images/a.tif", np.ones((1, 4, 4), np.int16))
    write_tif(tmp_path / "labels/a.tif", np.full((1, 4, 4), 2, np.uint8))
    pad = {"class_path": "PadIfNeeded", "init_args": {**PAD, "fill_mask": 0}}
    dataset = GenericNonGeoSegmentationDataset(
        tmp_path / "images", 3, tmp_path / "labels", transform=[pad], no_label_replace=255
    )
    assert dataset[0]["mask"].unique().tolist() == [0, 2]


def test_rotated_values_have_none_beyond_the_image(tmp_path):
    write_tif(tmp_path / "images/a.tif", np.ones((1, 16, 16), np.int16))
    write_tif(tmp_path / "labels/a.tif", np.full((1, 16, 16), 0.5, np.float32))
    turn = {"class_path": "Rotate", "init_args": {"limit": [45, 45], "p": 1.0}}
    dataset = GenericNonGeoPixelwiseRegressionDataset(
        tmp_path / "images", tmp_path / "labels", transform=[turn]
    )
    mask = dataset[0]["mask"]
    assert mask[0, 0].isnan()
    assert set(mask[~mask.isnan()].tolist()) == {0.5}
