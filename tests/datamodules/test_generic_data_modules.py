import json
import pickle
import shutil

import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule

from chip_files import BANDS, write_classification_folder, write_segmentation_folder, write_tif
from terratorch.contracts.input_spec import InputSpec
from terratorch.datamodules import (
    GenericNonGeoClassificationDataModule,
    GenericNonGeoPixelwiseRegressionDataModule,
    GenericNonGeoSegmentationDataModule,
)
from terratorch.datamodules.loading import error_of_sizes
from terratorch.datamodules.prediction import PredictionDataModule
from terratorch.datamodules.utils import Normalize, read_numbers
from terratorch.errors import (
    ArgumentNameError,
    ConfigurationError,
    DataError,
    MissingFileError,
    TerraTorchError,
)


@pytest.fixture
def options(segmentation_folder):
    roots = {f"{s}_data_root": segmentation_folder for s in ("train", "val", "test", "predict")}
    return {
        "batch_size": 2,
        "num_workers": 0,
        "num_classes": 3,
        "img_grep": "*_merged.tif",
        "label_grep": "*.mask.tif",
        "dataset_bands": BANDS,
        "output_bands": ["RED", "GREEN"],
        "means": [1000.0, 1100.0],
        "stds": [800.0, 900.0],
        **roots,
    }


def segmentation(options, **changes):
    return GenericNonGeoSegmentationDataModule(**{**options, **changes})


def first_batch(datamodule, loader):
    batch = next(iter(loader))
    return datamodule.on_after_batch_transfer(batch, 0)


def test_batches_are_the_same_in_fit_test_and_predict(options):
    datamodule = segmentation(options)
    batches = []
    for stage, loader in (
        ("fit", datamodule.val_dataloader),
        ("validate", datamodule.val_dataloader),
        ("test", datamodule.test_dataloader),
        ("predict", datamodule.predict_dataloader),
    ):
        datamodule.setup(stage)
        batches.append(first_batch(datamodule, loader()))
    assert batches[0]["image"].shape == (2, 2, 32, 32)
    assert batches[0]["mask"].dtype == torch.int64
    assert batches[0]["filename"][0].endswith("chip_0_merged.tif")
    assert all(torch.equal(batches[0]["image"], batch["image"]) for batch in batches[1:])
    assert batches[3]["valid"].all()
    only_files = PredictionDataModule(
        datamodule.datasets["predict"].paths,
        InputSpec.from_dict(datamodule.input_spec.to_dict()),
        batch_size=2,
    )
    batch = first_batch(only_files, only_files.predict_dataloader())
    assert torch.equal(batches[0]["image"], batch["image"])


def test_training_batches_are_augmented_and_normalised(options):
    datamodule = segmentation(
        options, train_transform=["D4", {"class_path": "ToTensorV2"}], drop_last=False
    )
    datamodule.setup("fit")
    images = [datamodule.on_after_batch_transfer(b, 0) for b in datamodule.train_dataloader()]
    assert len(images) == 2
    assert all(batch["image"].abs().max() < 3 for batch in images)


def test_a_stage_needs_only_its_own_data(options):
    datamodule = segmentation(options, train_data_root=None, val_data_root=None)
    datamodule.setup("test")
    assert list(datamodule.datasets) == ["test"]
    with pytest.raises(ConfigurationError, match="train_data_root: not given"):
        datamodule.setup("fit")
    with pytest.raises(ConfigurationError, match="predict_data_root: not given"):
        segmentation(options, predict_data_root=None).setup("predict")


def test_training_may_go_without_validation(options):
    datamodule = segmentation(options, val_data_root=None)
    datamodule.setup("fit")
    assert datamodule.val_dataloader() == []


def test_one_image_is_predicted_by_its_name(options, segmentation_folder):
    datamodule = segmentation(options, predict_data_root=segmentation_folder / "chip_2_merged.tif")
    datamodule.setup("predict")
    assert len(datamodule.predict_dataloader()) == 1


def test_images_of_prediction_may_have_other_bands(options, tmp_path):
    write_tif(tmp_path / "x_merged.tif", np.stack([np.full((4, 4), b) for b in (1.0, 2, 3)]))
    datamodule = segmentation(
        options, predict_data_root=tmp_path, predict_dataset_bands=["GREEN", "NDVI", "RED"]
    )
    datamodule.setup("predict")
    batch = next(iter(datamodule.predict_dataloader()))
    assert batch["image"][0, :, 0, 0].tolist() == [3, 1]


@pytest.mark.parametrize("workers", [0, 2])
def test_errors_are_one_sentence_from_workers_too(options, tmp_path, workers):
    folder = write_segmentation_folder(tmp_path / "bad")
    datamodule = segmentation(options, test_data_root=folder, num_workers=workers)
    datamodule.setup("test")
    (folder / "chip_3_merged.tif").write_text("not an image")
    with pytest.raises(DataError) as error:
        list(datamodule.test_dataloader())
    assert str(error.value).startswith(f"{folder / 'chip_3_merged.tif'}: not an image")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_images_of_different_sizes_name_two_files_and_the_cure(options, tmp_path, workers):
    folder = write_segmentation_folder(tmp_path, count=2)
    write_segmentation_folder(tmp_path / "small", count=1, size=16)
    for name in ("chip_0_merged.tif", "chip_0.mask.tif"):
        shutil.copy(tmp_path / "small" / name, tmp_path / name)
    datamodule = segmentation(options, test_data_root=folder, num_workers=workers)
    datamodule.setup("test")
    with pytest.raises(DataError) as error:
        list(datamodule.test_dataloader())
    text = str(error.value)
    assert "chip_1_merged.tif: the image is 2 x 32 x 32, but " in text
    assert "chip_0_merged.tif in the same batch is 2 x 16 x 16" in text
    assert "RandomCrop" in text
    assert "batch_size to 1" in text


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"batch_size": 5}, ConfigurationError, "batch_size: 5, but the training set has 4 chips"),
        ({"batch_size": 0}, ConfigurationError, "batch_size: 0 is too small"),
        ({"num_workers": -1}, ConfigurationError, "num_workers: -1 is too small"),
        ({"means": [1.0]}, ConfigurationError, "means: 1 values, but 2 bands"),
        ({"stds": None}, ConfigurationError, "means: given without stds"),
        (
            {"means": [1.0], "stds": [1.0], "dataset_bands": None, "output_bands": None},
            ConfigurationError,
            "means: 1 values, but the images have 6 bands",
        ),
        ({"output_bands": ["REDD"]}, ConfigurationError, "Did you mean 'RED'"),
        (
            {"dataset_bands": BANDS[:3]},
            DataError,
            r"chip_0_merged\.tif: 6 bands, but dataset_bands lists 3: BLUE, GREEN, RED",
        ),
        ({"train_data_root": "nowhere"}, MissingFileError, "train_data_root nowhere: there is no"),
        ({"train_label_data_root": "no"}, MissingFileError, "train_label_data_root no: there is"),
        ({"train_split": "no.txt"}, MissingFileError, r"train_split no\.txt: there is no such"),
        ({"img_grep": "*.jp2"}, DataError, r"train_data_root .* the pattern '\*\.jp2'"),
        ({"train_transform": ["Flop"]}, ConfigurationError, r"train_transform\[0\]: there is no"),
        ({"tortilla_file": "a"}, ConfigurationError, "tortilla_file: not supported yet"),
        ({"embedding_input": True}, ConfigurationError, "embedding_input: not supported yet"),
        (
            {"val_data_root": None, "val_split": "val.txt"},
            ConfigurationError,
            "val_split: given without val_data_root",
        ),
        ({"output_band": []}, ArgumentNameError, "no such argument. Did you mean 'output_bands'"),
    ],
)
def test_mistakes_are_explained_before_training(options, changes, kind, message):
    with pytest.raises(kind, match=message):
        segmentation(options, **changes).setup("fit")


def test_no_chip_is_left_out_of_validation(options):
    datamodule = segmentation(options, batch_size=3)
    datamodule.setup("fit")
    assert len(datamodule.train_dataloader()) == 1
    assert len(datamodule.val_dataloader()) == 2


def test_data_modules_go_to_other_processes(options):
    datamodule = segmentation(options, train_transform=["D4"])
    datamodule.setup("fit")
    copy = pickle.loads(pickle.dumps(datamodule))
    assert copy.input_spec == datamodule.input_spec


def test_classes_of_folders(classification_folder, tmp_path):
    fewer = write_classification_folder(tmp_path, classes=("water",))
    datamodule = GenericNonGeoClassificationDataModule(
        2, 0, classification_folder, fewer, fewer, [0.0] * 6, [1.0] * 6, 2,
        predict_data_root=classification_folder, train_transform=["D4"],
    )  # fmt: skip
    assert datamodule.class_names == ["forest", "water"]
    datamodule.setup()
    assert set(datamodule.datasets) == {"train", "val", "test"}
    # The only folder of validation is not class 0: ids are the same in all splits.
    assert next(iter(datamodule.val_dataloader()))["label"].tolist() == [1, 1]
    assert next(iter(datamodule.train_dataloader()))["image"].shape == (2, 6, 32, 32)
    datamodule.setup("predict")
    assert len(datamodule.datasets["predict"]) == 6


def test_values_of_a_regression(options, segmentation_folder):
    del options["num_classes"]
    datamodule = GenericNonGeoPixelwiseRegressionDataModule(**options)
    datamodule.setup("fit")
    assert next(iter(datamodule.train_dataloader()))["mask"].dtype == torch.float32


def test_normalize_and_back():
    batch = {"image": torch.rand(2, 3, 4, 4), "mask": torch.zeros(2, 4, 4)}
    normalized = Normalize([1, 2, 3], [4, 5, 6])(batch)
    assert set(normalized) == {"image", "mask"}
    back = Normalize([1, 2, 3], [4, 5, 6], denormalize=True)(normalized)
    assert torch.allclose(back["image"], batch["image"], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.yaml", yaml.safe_dump({"means": [1, 2.5], "stds": [3, 4]})),
        ("s.json", json.dumps({"means": [1, 2.5]})),
        ("s.yaml", "[1, 2.5]"),
        ("s.txt", "1 2.5"),
        ("s.txt", "1\n2.5\n"),
        ("s.csv", "1,2.5"),
    ],
)
def test_means_come_from_files(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    assert read_numbers(str(tmp_path / name), "means") == (1.0, 2.5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("stds: [1]", "the file has no 'means', but: stds"),
        ("hello", "the file holds no numbers"),
        ("means: [a]", r"means: \['a'\] is not a list of numbers"),
        ("means: [1", "cannot be read"),
    ],
)
def test_files_without_means(tmp_path, content, message):
    (tmp_path / "s.yaml").write_text(content)
    with pytest.raises(TerraTorchError, match=message):
        read_numbers(str(tmp_path / "s.yaml"), "means")


def test_a_missing_file_of_means():
    with pytest.raises(MissingFileError, match=r"means gone\.yaml: there is no such file"):
        read_numbers("gone.yaml", "means")


@pytest.mark.parametrize(
    "transform",
    [
        {"class_path": "D4"},
        {"class_path": "albumentations.D4", "init_args": {"p": 1}},
        {"class_path": "terratorch.datasets.transforms.SelectBands",
         "init_args": {"band_indices": [0, 1]}},
        "HorizontalFlip",
    ],
)  # fmt: skip
# It warns that a later release will leave the transforms to us as they are written, which is fine.
def test_a_configuration_builds_a_data_module(options, transform):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    values = {key: str(v) if "root" in key else v for key, v in options.items()}
    text = yaml.safe_dump(
        {
            "data": {
                "class_path": "terratorch.datamodules.GenericNonGeoSegmentationDataModule",
                "init_args": {
                    **values,
                    "output_bands": ["RED", "HLSBands.GREEN"],
                    "train_transform": [transform, {"class_path": "ToTensorV2"}],
                },
            }
        }
    )
    datamodule = parser.instantiate(parser.parse_string(text)).data
    assert datamodule.input_spec.image.output_bands == ("RED", "GREEN")
    datamodule.setup("fit")
    assert next(iter(datamodule.train_dataloader()))["image"].shape == (2, 2, 32, 32)


def test_an_image_with_other_bands_is_found_before_training(tmp_path):
    write_tif(tmp_path / "f/a.tif", np.ones((3, 4, 4), np.int16))
    write_tif(tmp_path / "w/b.tif", np.ones((4, 4, 4), np.int16))
    module = GenericNonGeoClassificationDataModule(
        batch_size=1, num_workers=0, train_data_root=tmp_path, val_data_root=None,
        test_data_root=None, means=[0] * 3, stds=[1] * 3, num_classes=2,
    )  # fmt: skip
    with pytest.raises(DataError, match=r"b\.tif: 4 bands, but other images have 3"):
        module.setup("fit")


@pytest.mark.parametrize("checked", [16, 1])
def test_the_one_image_with_other_bands_is_blamed(options, tmp_path, checked, monkeypatch):
    monkeypatch.setattr("terratorch.datasets.image_folder_dataset._CHECKED_FILES", checked)
    folder = write_segmentation_folder(tmp_path)
    odd = 0 if checked > 1 else 2
    write_tif(folder / f"chip_{odd}_merged.tif", np.ones((4, 32, 32), np.int16))
    plain = dict.fromkeys(("means", "stds", "dataset_bands", "output_bands"))
    module = segmentation({**options, **plain}, train_data_root=folder)

    def read() -> None:
        module.setup("fit")
        list(module.train_dataloader())

    with pytest.raises(DataError) as error:
        read()
    assert f"chip_{odd}_merged.tif: 4 bands, but other images have 6" in str(error.value)
    assert "Resize" not in str(error.value)


def test_bands_that_differ_in_a_batch_are_told_before_sizes():
    images = [torch.ones(6, 8, 8), torch.ones(4, 8, 8), torch.ones(6, 9, 9), torch.ones(6, 8, 8)]
    samples = [{"image": one, "filename": f"{place}.tif"} for place, one in enumerate(images)]
    with pytest.raises(DataError, match=r"^1\.tif: 4 bands, but 0\.tif in the same batch has 6"):
        error_of_sizes(samples)
    with pytest.raises(
        DataError, match=r"^2\.tif: the image is 6 x 9 x 9, but 0\.tif .* 6 x 8 x 8"
    ):
        error_of_sizes([samples[0], *samples[2:]])
