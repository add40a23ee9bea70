"""`terratorch predict`: from a checkpoint alone, and with a configuration."""

import shutil
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
import rasterio
import yaml

from chip_files import write_tif
from terratorch.cli.main import main
from terratorch.errors import ConfigurationError
from terratorch.prediction.maps.encoding import NODATA
from terratorch.prediction.options import OutDtype

KINDS = (".tif", ".png")


@pytest.fixture
def scenes(tmp_path):
    """A folder of two scenes of different sizes."""
    folder = tmp_path / "scenes"
    random = np.random.default_rng(1)
    write_tif(folder / "north.tif", random.integers(0, 3000, (6, 40, 48)).astype(np.int16))
    write_tif(folder / "south.tif", random.integers(0, 3000, (6, 64, 32)).astype(np.int16))
    return folder


def _predict(checkpoint, *arguments) -> int:
    return main(["predict", "--ckpt_path", str(checkpoint), *map(str, arguments)])


def _read(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


@pytest.mark.parametrize("name", ["best.ckpt", "best-state_dict.ckpt"])
def test_a_checkpoint_is_enough(name, fitted, scenes, tmp_path, capsys):
    checkpoint = tmp_path / name
    shutil.copy(fitted / "checkpoints" / name, checkpoint)  # away from the training
    maps = tmp_path / "maps"
    assert _predict(checkpoint, "--predict_data", scenes, "--predict_output_dir", maps) == 0
    maps_and_pictures = {f"{name}_pred{kind}" for name in ("north", "south") for kind in KINDS}
    assert {file.name for file in maps.iterdir()} == maps_and_pictures
    assert f"Wrote 2 files to {maps}" in capsys.readouterr().out
    with (
        rasterio.open(maps / "north_pred.tif") as mapped,
        rasterio.open(scenes / "north.tif") as scene,
    ):
        assert mapped.shape == scene.shape
        assert mapped.crs == scene.crs
        assert mapped.transform == scene.transform
        assert mapped.dtypes == ("uint8",)


def test_a_configuration_gives_the_same_maps(fitted, scenes, tmp_path):
    checkpoint = fitted / "checkpoints" / "best.ckpt"
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    data = ("--predict_data", scenes, "--predict_output_dir")
    assert _predict(checkpoint, *data, one) == 0
    configured = ("-c", fitted / "given.yaml", *data, two, "--output_file_prefix", "run7_")
    assert _predict(checkpoint, *configured) == 0
    deployed = ("-c", fitted / "config_deploy.yaml", *data, three, "--out_dtype", "int32")
    assert _predict(checkpoint, *deployed) == 0
    expected = _read(one / "south_pred.tif")
    assert np.array_equal(_read(two / "run7_south_pred.tif"), expected)
    assert np.array_equal(_read(three / "south_pred.tif"), expected)
    assert _read(three / "south_pred.tif").dtype == np.int32


def test_images_of_the_configuration_and_callbacks_of_its_own(fitted, scenes, tmp_path):
    config = yaml.safe_load((fitted / "given.yaml").read_text())
    config["data"]["init_args"] |= {"predict_data_root": str(scenes), "img_grep": "*.tif"}
    config["trainer"]["callbacks"] = [{"class_path": "LearningRateMonitor"}]
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config))
    checkpoint = fitted / "checkpoints" / "best.ckpt"
    assert _predict(checkpoint, "-c", path, "--predict_output_dir", tmp_path / "maps") == 0
    assert len(list((tmp_path / "maps").glob("*.tif"))) == 2


def test_a_writer_of_the_configuration_needs_no_option(fitted, scenes, tmp_path, capsys):
    config = yaml.safe_load((fitted / "given.yaml").read_text())
    writer = {"class_path": "terratorch.cli_tools.CustomWriter"}
    writer["init_args"] = {"output_dir": str(tmp_path / "own")}
    config["trainer"]["callbacks"] = [writer]
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config))
    checkpoint = fitted / "checkpoints" / "best.ckpt"
    arguments = ("-c", path, "--predict_data", scenes / "north.tif")
    assert _predict(checkpoint, *arguments) == 0
    assert {file.name for file in (tmp_path / "own").iterdir()} == {f"north_pred{k}" for k in KINDS}
    assert _predict(checkpoint, *arguments, "--predict_output_dir", tmp_path / "else") == 2
    assert "but the writer in trainer.callbacks has" in capsys.readouterr().err


@pytest.mark.parametrize("in_yaml", [True, False])
def test_what_is_given_comes_before_what_the_writer_says_also_where_it_is_the_default(
    in_yaml, fitted, scenes, tmp_path
):
    config = yaml.safe_load((fitted / "given.yaml").read_text())
    settings = {"format": "cog", "quicklook": False, "stac": True, "crop": 32}
    writer = {"class_path": "PredictionWriter", "init_args": {"settings": settings}}
    config["trainer"]["callbacks"] = [writer]
    config |= {"format": "gtiff", "quicklook": True} if in_yaml else {}
    options = [] if in_yaml else ["--format", "gtiff", "--quicklook"]
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config))
    given = ("-c", path, "--predict_data", scenes / "north.tif", *options)
    folder = ("--predict_output_dir", tmp_path / "maps")
    assert _predict(fitted / "checkpoints" / "best.ckpt", *given, *folder) == 0
    with rasterio.open(tmp_path / "maps" / "north_pred.tif") as dataset:
        assert "LAYOUT" not in dataset.tags(ns="IMAGE_STRUCTURE")
    assert (tmp_path / "maps" / "north_pred.png").is_file()
    assert (tmp_path / "maps" / "north_pred.json").is_file()  # what is not given stays


OWN_WRITER = """
from pathlib import Path
from lightning.pytorch.callbacks import BasePredictionWriter

class Counter(BasePredictionWriter):
    def __init__(self, path: str):
        super().__init__("batch")
        self.path = Path(path)

    def write_on_batch_end(self, trainer, module, prediction, indices, batch, index, loader):
        self.path.write_text(" ".join(prediction.outputs))
"""


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--uncertainty", "entropy"], None),
        (["--predict_output_dir", "maps"], "predict_output_dir: maps, but Counter in trainer.cal"),
        (["--outputs", "classes"], "outputs: ['classes'], but Counter in trainer.callbacks"),
        (["--area", "1,2,3,4"], "area: 1,2,3,4, but Counter in trainer.callbacks writes"),
        (["--crop", "32"], "crop: 32, but Counter in trainer.callbacks writes"),
        (["--distributed", "ray"], "distributed: ray, but Counter in trainer.callbacks writes"),
        (["--format", "gtiff"], "format: gtiff, but Counter in trainer.callbacks writes"),
        (["beside", "--area", "1,2,3,4"], "area: is for maps of scenes, but here"),
    ],
)
def test_a_writer_of_ones_own(options, error, fitted, scenes, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("terratorch.prediction.spread.cluster.import_ray", lambda: None)
    (tmp_path / "own_writer.py").write_text(OWN_WRITER)
    writer = {"class_path": "own_writer.Counter", "init_args": {"path": str(tmp_path / "seen")}}
    config = yaml.safe_load((fitted / "given.yaml").read_text())
    config["trainer"]["callbacks"] = [writer]
    if options[0] == "beside":
        ours = {"class_path": "terratorch.cli_tools.CustomWriter"}
        config["trainer"]["callbacks"].append(ours | {"init_args": {"output_dir": "ours"}})
        options = options[1:]
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    own = ("--custom_modules_path", tmp_path / "own_writer.py")
    arguments = ("-c", "c.yaml", "--predict_data", scenes / "north.tif", *own, *options)
    code = _predict(fitted / "checkpoints" / "best.ckpt", *arguments)
    shown = capsys.readouterr().err
    if error is None:
        assert code == 0, shown
        assert (tmp_path / "seen").read_text() == "prediction uncertainty"
    else:
        assert code == 2
        assert error in shown
        assert not (tmp_path / "seen").exists()


@pytest.mark.parametrize("configured", [False, True])
@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("--ckpt_path", "ckpt_path: is missing"),
        ("--predict_output_dir", "predict_output_dir: is missing"),
    ],
)
def test_what_is_missing_is_named(configured, missing, message, fitted, scenes, tmp_path, capsys):
    options = {
        "--ckpt_path": fitted / "checkpoints" / "best.ckpt",
        "--predict_data": scenes,
        "--predict_output_dir": tmp_path / "maps",
    }
    if configured:
        options["-c"] = fitted / "given.yaml"
    given = [str(part) for key, value in options.items() if key != missing for part in (key, value)]
    assert main(["predict", *given]) == 2
    assert message in capsys.readouterr().err


def test_a_configuration_without_images_says_so(fitted, tmp_path, capsys):
    arguments = ("-c", fitted / "given.yaml", "--predict_output_dir", tmp_path / "maps")
    assert _predict(fitted / "checkpoints" / "best.ckpt", *arguments) == 2
    assert "predict_data_root: not given" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "output", "code", "message"),
    [
        ("nowhere.tif", "maps", 2, "predict_data 'nowhere.tif': does not exist"),
        ("empty", "maps", 2, "predict_data empty"),
        ("north.tif other/north.tif", "maps", 2, "same name as the map of 'north.tif'"),
        ("north.tif", "north.tif", 2, "predict_output_dir 'north.tif'"),
        ("north.tif", "north.tif/maps", 2, "is a file. Choose another folder."),
        ("text.tif", "maps", 3, "text.tif"),
        ("text.tif", "maps --strict", 2, "text.tif"),
        ("other/two_bands.tif", "maps", 3, "two_bands.tif"),
        ("other/two_bands.tif", "maps --strict", 2, "two_bands.tif"),
    ],
)
def test_data_and_folder_are_checked(
    data, output, code, message, fitted, scenes, monkeypatch, capsys
):
    monkeypatch.chdir(scenes)
    (scenes / "empty").mkdir()
    (scenes / "text.tif").write_text("not an image")
    write_tif(scenes / "other" / "north.tif", np.zeros((6, 32, 32), np.int16))
    write_tif(scenes / "other" / "two_bands.tif", np.zeros((2, 32, 32), np.int16))
    options = ("--predict_data", *data.split(), "--predict_output_dir", *output.split())
    assert _predict(fitted / "checkpoints" / "best.ckpt", *options) == code
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("configured", [False, True])
def test_a_damaged_image_is_listed_and_the_rest_goes_on(
    configured, fitted, scenes, tmp_path, capsys
):
    (scenes / "torn.tif").write_bytes((scenes / "north.tif").read_bytes()[:3000])
    options = ["--predict_data", scenes, "--predict_output_dir", tmp_path / "maps"]
    options += ["-c", fitted / "given.yaml"] if configured else []
    checkpoint = fitted / "checkpoints" / "best.ckpt"
    assert _predict(checkpoint, *options) == 3
    shown = capsys.readouterr()
    assert "Wrote 2 files to" in shown.out
    assert "1 file could not be read:\n  " in shown.err
    assert "torn.tif" in shown.err.rpartition("could not be read")[2]
    assert "torn.tif failed and is skipped; the summary lists the reason" in shown.err
    assert shown.err.count("the image is damaged") == 1
    assert _predict(checkpoint, *options) == 3
    assert "Skipped 2 files whose maps are already complete" in capsys.readouterr().out
    assert _predict(checkpoint, *options, "--overwrite", "--strict") == 2
    assert "torn.tif" in capsys.readouterr().err


def test_maps_are_no_images(fitted, scenes, tmp_path, capsys):
    checkpoint = fitted / "checkpoints" / "best.ckpt"
    assert _predict(checkpoint, "--predict_data", scenes, "--predict_output_dir", scenes) == 0
    capsys.readouterr()
    data = (scenes / "*th.tif", scenes / "north_pred.tif", scenes / "south_pred.png")
    options = ("--predict_data", *data, "--predict_output_dir", tmp_path / "maps")
    assert _predict(checkpoint, *options) == 3
    shown = capsys.readouterr()
    assert "Wrote 2 files to" in shown.out
    assert "2 files could not be read:" in shown.err
    assert "north_pred.tif: it is a map that terratorch predict wrote" in shown.err
    assert "south_pred.png: it is the picture of the map south_pred.tif" in shown.err
    assert "Give the images, and let maps go into a folder of their own." in shown.err


def test_tiles_give_what_the_task_gives_in_memory(fitted, scenes, tmp_path, capsys):
    from terratorch.cli_tools import LightningInferenceModel

    tiles = {"crop": 32, "stride": 24, "delta": 2}
    config = yaml.safe_load((fitted / "given.yaml").read_text())
    config["model"]["init_args"]["tiled_inference_parameters"] = tiles
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config))
    checkpoint = fitted / "checkpoints" / "best.ckpt"
    options = ("--predict_data", scenes, "--predict_output_dir", tmp_path / "maps")
    assert _predict(checkpoint, "-c", path, *options) == 0
    assert "Wrote 2 files to" in capsys.readouterr().out
    model = LightningInferenceModel.from_config(path, checkpoint)
    for name in ("north", "south"):
        expected = model.inference(scenes / f"{name}.tif").numpy()
        assert np.array_equal(_read(tmp_path / "maps" / f"{name}_pred.tif")[0], expected)


@pytest.mark.parametrize("tiles", [None, {"crop": 32, "stride": 24, "delta": 2}])
def test_what_looks_right_but_is_not_is_told(tiles, fitted, scenes, tmp_path, capsys):
    import torch

    write_tif(scenes / "units.tif", np.full((6, 40, 40), 0.3, np.float32))
    torn = tmp_path / "nan.ckpt"
    content = torch.load(fitted / "checkpoints" / "best.ckpt", weights_only=True)
    content["hyper_parameters"]["tiled_inference_parameters"] = tiles
    for value in content["state_dict"].values():
        if value.is_floating_point():
            value.fill_(float("nan"))
    torch.save(content, torn)
    options = ("--predict_data", scenes / "units.tif", "--predict_output_dir", tmp_path / "maps")
    assert _predict(torn, *options) == 2
    shown = capsys.readouterr().err
    assert "units.tif: its values are on another scale" in shown
    assert "units.tif: the output of the model is NaN" in shown
    assert "Take the checkpoint of a training that did not diverge" in shown
    assert not list((tmp_path / "maps").iterdir())


@pytest.mark.parametrize("configured", [False, True])
def test_an_image_that_gives_nan_is_listed_and_the_rest_goes_on(
    configured, fitted, scenes, tmp_path, capsys
):
    write_tif(scenes / "odd.tif", np.full((6, 40, 40), 3e38, np.float32))
    options = ["--predict_data", scenes, "--predict_output_dir", tmp_path / "maps"]
    options += ["-c", fitted / "given.yaml"] if configured else []
    checkpoint = fitted / "checkpoints" / "best.ckpt"
    assert _predict(checkpoint, *options) == 3
    shown = capsys.readouterr()
    assert "Wrote 2 files to" in shown.out
    listed = shown.err.rpartition(
        "1 file without a map, because the model returned NaN or infinity:\n  "
    )[2]
    assert "odd.tif: the output of the model is NaN" in listed
    assert not list((tmp_path / "maps").glob("*odd*"))
    assert _predict(checkpoint, *options) == 3  # not 2, as the maps of the others are there
    assert _predict(checkpoint, *options, "--overwrite", "--strict") == 2
    assert "odd.tif: the output of the model is NaN" in capsys.readouterr().err


def test_what_is_no_checkpoint_is_refused(scenes, tmp_path, capsys):
    checkpoint = tmp_path / "no.ckpt"
    checkpoint.write_text("nothing")
    options = ("--predict_data", scenes, "--predict_output_dir", tmp_path / "maps")
    assert _predict(checkpoint, *options) == 2
    assert "no.ckpt': it is not a checkpoint. Give a .ckpt file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (["--precision", "bf16-mixed"], True),
        (["--scores_dtype", "uint8"], True),
        (["--crop", "24"], True),
        (["--batch_size", "2"], False),
        (["--crop", "32", "--stride", "28", "--delta", "1", "--batch_size", "3"], False),
    ],
    ids=str,
)
def test_maps_are_made_again_where_they_would_differ(
    change, again, fitted, scenes, tmp_path, capsys
):
    checkpoint = fitted / "checkpoints" / "best.ckpt"
    options = ("--outputs", "classes", "probabilities", "--no_quicklook")
    data = ("--predict_data", scenes / "north.tif", "--predict_output_dir", tmp_path / "maps")
    tiles = ("--crop", "32", "--stride", "28", "--delta", "1") if "--crop" in change else ()
    assert _predict(checkpoint, *data, *options, *tiles) == 0
    capsys.readouterr()
    assert _predict(checkpoint, *data, *options, *change) == 0
    assert ("Use --overwrite to predict again" in capsys.readouterr().out) != again


def test_another_model_of_the_same_weights_makes_maps_again(fitted, scenes, tmp_path, capsys):
    checkpoint = fitted / "checkpoints" / "best.ckpt"
    data = ("--predict_data", scenes / "north.tif", "--predict_output_dir", tmp_path / "maps")
    config = ("-c", fitted / "given.yaml", "--no_quicklook")
    assert (
        _predict(checkpoint, *data, *config) == _predict(checkpoint, *data, "--no_quicklook") == 0
    )
    assert f"Skipped 1 file whose maps are already complete in {tmp_path / 'maps'}. Use --over" in (
        capsys.readouterr().out
    )
    heads = ("--model.init_args.model_args.backbone_num_heads", "4")
    assert _predict(checkpoint, *data, *config, *heads) == 0
    assert "Wrote 1 file to" in capsys.readouterr().out


def test_an_integer_type_and_every_other_one_can_be_asked_for():
    assert set(get_args(OutDtype)) == set(NODATA)


def test_images_in_another_order_of_bands_are_refused(fitted, scenes, tmp_path, capsys):
    config = yaml.safe_load((fitted / "given.yaml").read_text())
    data = config["data"]["init_args"]
    data["predict_output_bands"] = [*reversed(data["dataset_bands"])]
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump(config))
    maps = tmp_path / "maps"
    options = ("-c", path, "--predict_data", scenes, "--predict_output_dir", maps)
    assert _predict(fitted / "checkpoints" / "best.ckpt", *options) == 2
    assert "data.init_args.predict_output_bands: the images have" in capsys.readouterr().err
    assert not list(tmp_path.glob("maps/*.tif"))


# What a prediction from a checkpoint alone need not import; the first takes 5 s.
_HEAVY = (
    *("lightning", "torchmetrics", "timm", "segmentation_models_pytorch", "torchvision"),
    *("albumentations", "geopandas", "pandas", "scipy", "torch._dynamo", "transformers"),
)
_ALONE = f"""
import sys
from terratorch.cli.main import main
from terratorch.errors import ConfigurationError

assert main(["predict", *sys.argv[1:]]) == 0
heavy = set(sys.modules) & set({_HEAVY!r})
assert not heavy, heavy
"""


def test_a_checkpoint_alone_needs_neither_lightning_nor_torchmetrics(fitted, scenes, tmp_path):
    options = ["--ckpt_path", fitted / "checkpoints" / "best.ckpt", "--accelerator", "cpu"]
    options += ["--predict_data", scenes, "--predict_output_dir", tmp_path / "maps"]
    done = subprocess.run(
        [sys.executable, "-c", _ALONE, *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "maps").glob("*.tif"))) == 2


def test_python_gives_the_maps_of_the_command(fitted, scenes, tmp_path):
    from terratorch.prediction import PredictionOptions, Predictor, predict

    checkpoint = fitted / "checkpoints" / "best.ckpt"
    options = {"outputs": ["classes", "probabilities"], "crop": 32, "quicklook": False}
    command = ("--predict_data", scenes, "--predict_output_dir", tmp_path / "command")
    outputs = ("--outputs", "classes", "probabilities", "--crop", "32", "--no_quicklook")
    assert _predict(checkpoint, *command, *outputs) == 0
    predictor = Predictor.from_checkpoint(checkpoint, device="cpu")
    folder = PredictionOptions(predict_output_dir=str(tmp_path / "python"), **options)
    report = predict(predictor, [scenes], folder)
    assert len(report.written) == 4
    for path in report.written:
        assert np.array_equal(_read(path), _read(tmp_path / "command" / path.name))
    assert predict(predictor, [scenes], folder).all_skipped
    with pytest.raises(ConfigurationError, match="predict_output_dir: is missing"):
        predict(predictor, [scenes], PredictionOptions())


OWN_STEP = """
from pathlib import Path
from lightning.pytorch import Callback
from terratorch.tasks import SemanticSegmentationTask

class Inverted(SemanticSegmentationTask):
    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        prediction = super().predict_step(batch, batch_idx, dataloader_idx)
        prediction.main.values = 2 - prediction.main.values
        return prediction

class Told(Callback):
    def __init__(self, path: str):
        self.path = Path(path)

    def on_predict_start(self, trainer, pl_module):
        self.path.write_text("start")

    def on_predict_end(self, trainer, pl_module):
        self.path.write_text(self.path.read_text() + f" end {type(pl_module).__name__}")
"""


def test_hooks_of_a_task_are_called_from_a_checkpoint_alone(fitted, scenes, tmp_path):
    import torch

    code = tmp_path / "own_step.py"
    code.write_text(OWN_STEP)
    content = torch.load(fitted / "checkpoints" / "best.ckpt", weights_only=True)
    content["terratorch"]["task"] = "own_step.Inverted"
    torch.save(content, tmp_path / "own.ckpt")
    data = ("--predict_data", scenes, "--no_quicklook", "--predict_output_dir")
    own = ("--custom_modules_path", code, "--accelerator", "cpu")
    assert _predict(tmp_path / "own.ckpt", *data, tmp_path / "own", *own) == 0
    assert _predict(fitted / "checkpoints" / "best.ckpt", *data, tmp_path / "ours") == 0
    for name in ("north_pred.tif", "south_pred.tif"):
        ours, theirs = _read(tmp_path / "ours" / name), _read(tmp_path / "own" / name)
        assert np.array_equal(theirs, 2 - ours)


def test_callbacks_hear_of_start_and_end(fitted, scenes, tmp_path):
    code = tmp_path / "own_callback.py"
    code.write_text(OWN_STEP)
    config = yaml.safe_load((fitted / "given.yaml").read_text())
    told = {"class_path": "own_callback.Told", "init_args": {"path": str(tmp_path / "told")}}
    config["trainer"]["callbacks"] = [told]
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
    options = ("--predict_data", scenes, "--predict_output_dir", tmp_path / "maps")
    own = ("-c", tmp_path / "c.yaml", "--custom_modules_path", code)
    assert _predict(fitted / "checkpoints" / "best.ckpt", *options, *own) == 0
    assert (tmp_path / "told").read_text() == "start end SemanticSegmentationTask"
