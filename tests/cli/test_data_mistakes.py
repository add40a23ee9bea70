"""What the command line says to wrong data: one message that names the file and the cure."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from cli_config import segmentation_config, write_config

from chip_files import write_segmentation_folder, write_tif
from terratorch.cli.main import main

DATA = "data.init_args"
MODEL = "model.init_args.model_args"
RED_FIRST = ["RED", "GREEN", "BLUE", "NIR_NARROW", "SWIR_1", "SWIR_2"]
IMAGE, MASK = "chip_0_merged.tif", "chip_0.mask.tif"


def _read(file: Path) -> np.ndarray:
    with rasterio.open(file) as raster:
        return raster.read()


def _change(folder: Path, name: str, change, dtype: str | None = None) -> None:
    array = _read(folder / name)
    write_tif(folder / name, change(array.astype(dtype) if dtype else array))


def _with_nan(array: np.ndarray) -> np.ndarray:
    array[0, 3, 4] = np.nan
    return array


def _nodata_image(folder: Path) -> None:
    array = _read(folder / IMAGE)
    array[:, :4, :4] = -9999
    write_tif(folder / IMAGE, array, nodata=-9999)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


# What is done to a folder of chips, changes of the configuration, and what the message says.
MISTAKES = {
    "missing folder": (shutil.rmtree, {}, ["train_data_root", "there is no such folder"]),
    "empty folder": (_empty, {}, ["train_data_root", "the folder is empty"]),
    "pattern that matches nothing": (
        lambda folder: None,
        {f"{DATA}.label_grep": "*.label.tif"},
        ["*.label.tif", "none of its"],
    ),
    "image without label": (
        lambda folder: (folder / MASK).unlink(),
        {},
        ["chip_0_merged.tif", "label"],
    ),
    "label without image": (
        lambda folder: (folder / IMAGE).unlink(),
        {},
        ["chip_0.mask.tif", "image"],
    ),
    "wrong number of bands": (
        lambda folder: _change(folder, IMAGE, lambda array: array[:4]),
        {},
        [IMAGE, "4 bands", "6"],
    ),
    "one image of other bands, without names": (
        lambda folder: _change(folder, "chip_2_merged.tif", lambda array: array[:4]),
        {f"{DATA}.{name}": None for name in ("dataset_bands", "means", "stds")},
        ["chip_2_merged.tif: 4 bands, but other images have 6"],
    ),
    "every label ignored": (
        lambda folder: [
            _change(folder, f"chip_{chip}.mask.tif", lambda array: array * 0 + 255)
            for chip in range(4)
        ],
        {"model.init_args.ignore_index": 255},
        ["epoch 0: no target counted", "ignore_index 255"],
    ),
    "misspelt argument of a transform": (
        lambda folder: None,
        {
            f"{DATA}.train_transform": [
                {"class_path": "RandomCrop", "init_args": {"hight": 32, "width": 32}}
            ]
        },
        ["train_transform[0]", "'hight'", "Did you mean 'height'"],
    ),
    "unknown band": (
        lambda folder: None,
        {f"{DATA}.output_bands": ["BLUE", "GREEN", "REDD"]},
        ["output_bands", "REDD", "Did you mean 'RED'"],
    ),
    "band that the files do not have": (
        lambda folder: None,
        {f"{DATA}.output_bands": ["BLUE", "GREEN", "CIRRUS"]},
        ["output_bands", "CIRRUS", "dataset_bands"],
    ),
    "means of the wrong length": (
        lambda folder: None,
        {f"{DATA}.means": [1.0, 2.0]},
        ["means: 2 values, but 6 bands"],
    ),
    "means without stds": (lambda folder: None, {f"{DATA}.stds": None}, ["means", "stds"]),
    "label outside the classes": (
        lambda folder: _change(folder, MASK, lambda array: array * 0 + 7),
        {},
        [f"label of {{folder}}/{IMAGE}: ids 7 (1024 pixels)", "num_classes"],
    ),
    "NaN in the image": (
        lambda folder: _change(folder, IMAGE, _with_nan, "float32"),
        {},
        [IMAGE, "NaN", "no_data_replace"],
    ),
    "nodata in the image": (_nodata_image, {}, [IMAGE, "nodata", "no_data_replace"]),
    "images of different sizes": (
        lambda folder: (
            _change(folder, IMAGE, lambda array: array[:, :24]),
            _change(folder, MASK, lambda array: array[:, :24]),
        ),
        {},
        [IMAGE, "24", "32"],
    ),
    "mask of another size": (
        lambda folder: _change(folder, MASK, lambda array: array[:, :24]),
        {},
        [MASK, "24", "32"],
    ),
    "truncated file": (
        lambda folder: (folder / IMAGE).write_bytes((folder / IMAGE).read_bytes()[:3000]),
        {},
        [IMAGE],
    ),
    "text file": (lambda folder: (folder / IMAGE).write_text("no image"), {}, [IMAGE]),
    "batch larger than the training set": (
        lambda folder: None,
        {f"{DATA}.batch_size": 5},
        ["batch_size: 5", "4 chips"],
    ),
    "other num_classes in data and model": (
        lambda folder: None,
        {f"{DATA}.num_classes": 4},
        ["num_classes", "3", "4"],
    ),
    "bands in another order than the model's": (
        lambda folder: None,
        {f"{DATA}.output_bands": RED_FIRST},
        ["data.init_args.output_bands", "RED, GREEN, BLUE, NIR", "model_args.backbone_bands"],
    ),
    "fewer bands in the model than in the files": (
        lambda folder: None,
        {
            f"{MODEL}.backbone": "timm_resnet18",
            f"{MODEL}.backbone_kwargs": {"in_chans": 4},
            **dict.fromkeys(
                f"{MODEL}.backbone_{name}"
                for name in ("bands", "embed_dim", "depth", "num_heads", "img_size")
            ),
        },
        ["model_args.backbone_in_chans", "4 bands", "6", "output_bands"],
    ),
    "split entry without a chip": (
        lambda folder: (folder / "train.txt").write_text("chip_0\nchip_77\n"),
        {f"{DATA}.train_split": "train.txt"},
        ["chip_77", "train.txt"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_wrong_data_are_explained(mistake, tmp_path, capsys):
    damage, changes, words = MISTAKES[mistake]
    folder = write_segmentation_folder(tmp_path / "chips")
    config = segmentation_config(folder, tmp_path / "run")
    if f"{DATA}.train_split" in changes:
        changes = {f"{DATA}.train_split": str(folder / changes[f"{DATA}.train_split"])}
    damage(folder)
    code = main(["fit", "-c", write_config(tmp_path / "c.yaml", config, changes)])
    said = capsys.readouterr()
    assert code == 2, said.err
    wanted = [word.replace("{folder}", str(folder)) for word in words]
    assert [word for word in wanted if word not in said.err] == [], said.err
    assert "Traceback" not in said.err
    assert len(said.err.splitlines()) < 40
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize("mistake", ["NaN in the image", "nodata in the image"])
def test_no_data_replace_makes_them_trainable(mistake, tmp_path, capsys):
    damage, _, _ = MISTAKES[mistake]
    folder = write_segmentation_folder(tmp_path / "chips")
    damage(folder)
    changes = {f"{DATA}.no_data_replace": 0}
    config = segmentation_config(folder, tmp_path / "run")
    assert main(["fit", "-c", write_config(tmp_path / "c.yaml", config, changes)]) == 0
