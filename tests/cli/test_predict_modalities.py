"""A model of two sensors: trained with a data module of one's own, predicted from files."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml

from chip_files import write_tif
from terratorch.cli.inference_model import LightningInferenceModel
from terratorch.cli.main import main

CODE = Path(__file__).parent / "two_sensors.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a training: `config.yaml` and `checkpoints`."""
    folder = tmp_path_factory.mktemp("sensors")
    model = {"backbone": "TwoSensors", "decoder": "IdentityDecoder", "num_classes": 3}
    tiles = {"crop": 32, "stride": 24, "delta": 2, "batch_size": 3}
    content = {
        "seed_everything": 0,
        "custom_modules_path": str(CODE),
        "trainer": {
            "accelerator": "cpu",
            "max_epochs": 1,
            "logger": False,
            "default_root_dir": str(folder),
        },
        "model": {
            "class_path": "SemanticSegmentationTask",
            "init_args": {"model_args": model, "tiled_inference_parameters": tiles},
        },
        "data": {"class_path": "two_sensors.TwoSensorsDataModule"},
    }
    (folder / "given.yaml").write_text(yaml.safe_dump(content))
    assert main(["fit", "-c", str(folder / "given.yaml")]) == 0
    return folder


@pytest.fixture
def scenes(tmp_path, monkeypatch):
    """Two scenes: in a folder for each sensor, in one for each scene, and in a file each."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name in ("north", "south"):
        optical = random.integers(0, 3000, (3, 70, 60)).astype(np.int16)
        radar = (random.random((2, 70, 60)) * -20).astype(np.float32)
        optical[1, 5:9, 5:9], radar[:, :, 50:] = -9999, np.nan
        write_tif(Path("s2", f"{name}_S2.tif"), optical, nodata=-9999)
        write_tif(Path("s1", f"{name}.tif"), radar)
        write_tif(Path("scenes", name, "S2_all.tif"), optical, nodata=-9999)
        for band, pixels in zip(("VV", "VH"), radar, strict=True):
            write_tif(Path("scenes", name, "S1", f"{band}.tif"), pixels)
        stack = np.concatenate([optical, radar])
        stack[:3][optical == -9999] = np.nan
        write_tif(Path("stacked", f"{name}.tif"), stack)
    return tmp_path


def predict(run, folder, *options):
    checkpoint = run / "checkpoints" / "best.ckpt"
    given = ["--ckpt_path", checkpoint, "--predict_output_dir", folder, "--no_quicklook", *options]
    return main(["predict", *map(str, given), "--custom_modules_path", str(CODE)])


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def test_files_of_sensors_come_together_in_three_ways(run, scenes):
    assert predict(run, "a", "--predict_data", "S1=s1", "S2=s2/*_S2.tif") == 0
    assert predict(run, "b", "--predict_data", "scenes", "--scene_folders") == 0
    assert predict(run, "c", "--predict_data", "stacked") == 0
    model = LightningInferenceModel.from_checkpoint(run / "checkpoints" / "best.ckpt")
    for name in ("north", "south"):
        one = read(Path("a", f"{name}_pred.tif"))
        assert set(np.unique(one)) == {0, 1, 2, 255}
        assert (one == 255).sum() == 70 * 10 + 16
        assert np.array_equal(read(Path("b", f"{name}_pred.tif")), one)
        assert np.array_equal(read(Path("c", f"{name}_pred.tif")), one)
        assert np.array_equal(model.inference(Path("stacked", f"{name}.tif")).numpy(), one)
    files = {"S2": "s2/north_S2.tif", "S1": Path("s1/north.tif")}
    assert np.array_equal(model.inference(files).numpy(), read("a/north_pred.tif"))
    maps, names = model.inference_on_dir({"S2": "s2", "S1": "s1"})
    assert [Path(name).stem for name in names] == ["north", "south"]
    assert np.array_equal(maps[1].numpy(), read("a/south_pred.tif"))
    with rasterio.open("a/north_pred.tif") as made, rasterio.open("s2/north_S2.tif") as given:
        assert (made.crs, made.transform) == (given.crs, given.transform)


def test_python_names_a_scene_that_cannot_be_joined(run, scenes):
    import shutil

    from terratorch.errors import DataError

    for folder, end in (("s2", "_S2"), ("s1", "")):
        shutil.copy(Path(folder, f"north{end}.tif"), Path(folder, f"far{end}.tif"))
    with rasterio.open("s1/far.tif", "r+") as moved:
        moved.transform = moved.transform.translation(900_000, 100_000) @ moved.transform
    model = LightningInferenceModel.from_checkpoint(run / "checkpoints" / "best.ckpt")
    with pytest.raises(DataError, match="far"):
        model.inference_on_dir({"S2": "s2", "S1": "s1"})
    with pytest.raises(DataError, match="far"):
        model.inference({"S2": "s2/far_S2.tif", "S1": "s1/far.tif"})


def test_with_a_configuration_and_several_views(run, scenes):
    given = ["-c", str(run / "config.yaml"), "--ckpt_path", str(run / "checkpoints" / "best.ckpt")]
    data = ["--predict_data", "S2=s2/north_S2.tif", "S1=s1/north.tif"]
    options = ["--augment", "flips", "--uncertainty", "entropy", "--predict_output_dir", "views"]
    assert main(["predict", *given, *data, *options]) == 0
    assert predict(run, "alone", "--augment", "flips", *data) == 0
    assert np.array_equal(read("views/north_pred.tif"), read("alone/north_pred.tif"))
    assert Path("views/north_pred_uncertainty.tif").is_file()


def test_a_scene_without_one_of_them_is_left_out(run, scenes, capsys):
    Path("scenes/south/S2_all.tif").unlink()
    assert predict(run, "maps", "--predict_data", "scenes", "--scene_folders") == 3
    assert "scenes/south: no file of S2." in capsys.readouterr().err
    assert [path.name for path in Path("maps").iterdir()] == ["north_pred.tif"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["S2=s2", "S1=s1/north.tif"], "1 of 2 scenes have no file of S1 (south)"),
        (["S2=s2/north_S2.tif"], "files of the modalities S2, but the model takes S2, S1."),
        (["S2=s2", "s1"], "predict_data 's1': is set together with files of modalities"),
        (
            ["S2=s2", "S1=s1", "--scene_folders"],
            "scene_folders: is set together with files of",
        ),
        (["S2=s2", "S1=missing"], "predict_data 'missing': does not exist"),
    ],
)
def test_mistakes(given, message, run, scenes, capsys):
    assert predict(run, "maps", "--predict_data", *given) == 2
    assert message in capsys.readouterr().err
    assert not Path("maps").exists()


def test_a_report_shows_the_image_that_has_colors(run, capsys):
    given = ["-c", str(run / "config.yaml"), "--ckpt_path", str(run / "checkpoints" / "best.ckpt")]
    assert main(["test", *given]) == 0
    report = Path(capsys.readouterr().out.rpartition("report: ")[2].strip()).read_text()
    assert "S1: bands" in report
    assert "VV, VH" in report
