"""Maps from Python."""

import re

import numpy as np
import pytest
import torch
import yaml
from cli_config import segmentation_config, write_config

from chip_files import write_segmentation_folder, write_tif
from terratorch.cli.main import main
from terratorch.cli_tools import LightningInferenceModel
from terratorch.contracts.prediction import Prediction
from terratorch.errors import ConfigurationError, MissingFileError
from terratorch.prediction.outputs.raster import masked_raster


@pytest.fixture
def scenes(tmp_path):
    random = np.random.default_rng(1)
    for name, shape in {"a": (6, 32, 40), "b": (6, 32, 40), "c": (6, 40, 32)}.items():
        write_tif(tmp_path / f"{name}.tif", random.integers(0, 3000, shape).astype(np.int16))
    return tmp_path


@pytest.fixture
def checkpoint(fitted):
    return fitted / "checkpoints" / "best.ckpt"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"predict_output_dir": "maps", "format": "cog", "batch_size": 2}, None),
        (
            {"augment": ["flips"]},
            "augment: ['flips'], which LightningInferenceModel does",
        ),
        ({"crop": 32}, "crop: 32, which LightningInferenceModel does"),
        ({"area": "1,2,3,4"}, "area: 1,2,3,4, which Light"),
        ({"outputs": ["probabilities"]}, "outputs: ['probabilities'], which Light"),
    ],
)
def test_options_of_predict_that_would_change_a_map(options, error, fitted, checkpoint, tmp_path):
    config = yaml.safe_load((fitted / "given.yaml").read_text()) | options
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config))
    if error is None:
        LightningInferenceModel.from_config(path, checkpoint)
        return
    with pytest.raises(ConfigurationError, match=re.escape(error)):
        LightningInferenceModel.from_config(path, checkpoint)


def test_all_ways_give_the_same_map(fitted, checkpoint, scenes):
    models = [
        LightningInferenceModel.from_checkpoint(checkpoint),
        LightningInferenceModel.from_config(fitted / "given.yaml", checkpoint),
        LightningInferenceModel.from_config(fitted / "config.yaml", checkpoint),
        LightningInferenceModel.from_config(fitted / "config_deploy.yaml", str(checkpoint)),
    ]
    first, *others = [model.inference(scenes / "a.tif") for model in models]
    assert first.shape == (32, 40)
    assert all(torch.equal(first, other) for other in others)
    assert torch.equal(models[1].inference(str(scenes / "a.tif")), first)  # weights stay


def test_a_folder_is_stacked_where_all_have_one_size(checkpoint, scenes):
    model = LightningInferenceModel.from_checkpoint(checkpoint)
    maps, files = model.inference_on_dir(scenes)
    assert isinstance(maps, list)
    assert {tuple(one.shape) for one in maps} == {(32, 40), (40, 32)}
    (scenes / "c.tif").unlink()
    maps, files = model.inference_on_dir(scenes)
    assert maps.shape == (2, 32, 40)
    assert [file.rpartition("/")[2] for file in files] == ["a.tif", "b.tif"]


def test_files_may_hold_their_bands_in_another_order(fitted, checkpoint, scenes):
    import rasterio

    bands = ["BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2"]
    with rasterio.open(scenes / "a.tif") as dataset:
        image = dataset.read()
    write_tif(scenes / "backwards.tif", image[::-1].copy())
    expected = LightningInferenceModel.from_checkpoint(checkpoint).inference(scenes / "a.tif")
    model = LightningInferenceModel.from_config(
        fitted / "given.yaml", checkpoint, bands[::-1], predict_output_bands=bands
    )
    assert torch.equal(model.inference(scenes / "backwards.tif"), expected)


@pytest.mark.parametrize("nodata", [-9999, 0])
def test_nodata_comes_out_as_the_map_has_it(nodata, fitted, checkpoint, scenes):
    import rasterio

    image = np.random.default_rng(2).integers(1, 3000, (6, 32, 40)).astype(np.int16)
    image[:, :5] = nodata
    file = str(write_tif(scenes / "d.tif", image, nodata))
    arguments = ["--predict_data", file, "--predict_output_dir", str(scenes / "maps")]
    assert main(["predict", "--ckpt_path", str(checkpoint), *arguments]) == 0
    with rasterio.open(scenes / "maps" / "d_pred.tif") as dataset:
        expected = dataset.read(1)
    model = LightningInferenceModel.from_checkpoint(checkpoint)
    assert np.array_equal(model.inference(file).numpy(), expected)
    assert (expected[:5] == 255).all()
    maps, files = model.inference_on_dir(scenes)
    assert np.array_equal(maps[files.index(file)].numpy(), expected)


def test_values_are_not_a_number_where_the_image_is_nodata():
    values = torch.ones(1, 2, 3)
    valid = torch.tensor([[[True, True, False], [True, True, True]]])
    image = Prediction.of_tensors({"prediction": values}, ["a.tif"], valid)
    assert masked_raster(image).isnan().tolist() == (~valid[0]).tolist()


def test_nothing_is_said_while_it_predicts(fitted, checkpoint, scenes, caplog, recwarn):
    LightningInferenceModel.from_checkpoint(checkpoint).inference(scenes / "a.tif")
    LightningInferenceModel.from_config(fitted / "given.yaml", checkpoint)
    assert [record for record in caplog.records if record.name.startswith("lightning")] == []
    assert [warning for warning in recwarn if "LeafSpec" in str(warning.message)] == []


def test_mistakes_are_ours(fitted, scenes):
    with pytest.raises(MissingFileError, match=r"ckpt_path 'nowhere\.ckpt'"):
        LightningInferenceModel.from_config(fitted / "given.yaml", "nowhere.ckpt")
    model = LightningInferenceModel.from_checkpoint(fitted / "checkpoints" / "best.ckpt")
    with pytest.raises(ConfigurationError, match="Use inference_on_dir"):
        model.inference(scenes)
    with pytest.raises(ConfigurationError, match="predict_dataset_bands: expected"):
        LightningInferenceModel.from_config(fitted / "given.yaml", None, predict_dataset_bands=3)


def test_a_large_scene_runs_tile_by_tile_and_is_that_of_the_command(
    checkpoint, tmp_path, monkeypatch
):
    import rasterio

    from terratorch.tiles import tiling

    monkeypatch.setattr(tiling, "MOST_WHOLE", 64)
    monkeypatch.setattr(tiling, "_CROP", 32)
    pixels = np.random.default_rng(3).integers(0, 3000, (6, 100, 70)).astype(np.int16)
    file = str(write_tif(tmp_path / "large.tif", pixels))
    arguments = ["--predict_data", file, "--predict_output_dir", str(tmp_path / "maps")]
    assert main(["predict", "--ckpt_path", str(checkpoint), *arguments]) == 0
    model = LightningInferenceModel.from_checkpoint(checkpoint)
    shapes = set()
    model.model.model.register_forward_pre_hook(
        lambda _module, inputs: shapes.add(tuple(inputs[0].shape[-2:]))
    )
    with rasterio.open(tmp_path / "maps" / "large_pred.tif") as dataset:
        assert np.array_equal(model.inference(file).numpy(), dataset.read(1))
    assert shapes == {(32, 32)}


def test_scenes_larger_than_the_chips_of_the_training_run_tile_by_tile(tmp_path, capsys):
    import rasterio

    chips = write_segmentation_folder(tmp_path / "chips", count=2, size=64)
    config = write_config(tmp_path / "c.yaml", segmentation_config(chips, tmp_path / "run"))
    assert main(["fit", "-c", config]) == 0
    checkpoint = str(tmp_path / "run" / "checkpoints" / "best.ckpt")
    pixels = np.random.default_rng(3).integers(0, 3000, (6, 100, 64)).astype(np.int16)
    file = write_tif(tmp_path / "scene.tif", pixels)
    maps = []
    for name, given in (("alone", []), ("config", ["-c", config])):
        capsys.readouterr()
        data = ["--predict_data", str(file), "--predict_output_dir", str(tmp_path / name)]
        assert main(["predict", *given, "--ckpt_path", checkpoint, *data]) == 0
        said = "and validation, 64 x 64 pixels, runs tile by tile: crop 64 x 64, stride 56"
        assert said in "".join(capsys.readouterr())
        with rasterio.open(tmp_path / name / "scene_pred.tif") as dataset:
            maps.append(dataset.read(1))
    for model in (
        LightningInferenceModel.from_checkpoint(checkpoint),
        LightningInferenceModel.from_config(config, checkpoint),
    ):
        maps.append(model.inference(file).numpy())
    assert all(np.array_equal(one, maps[0]) for one in maps)
