"""A model trained with dates and places predicts scenes with them, each tile with its own place."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
import torch
import yaml
from cli_config import segmentation_config, write_config
from rasterio.warp import transform

from chip_files import write_segmentation_folder, write_tif
from terratorch.cli.inference_model import LightningInferenceModel
from terratorch.cli.main import main
from terratorch.tasks.checkpoint import read_checkpoint

TILES = ("--crop", "32", "--stride", "32", "--delta", "0", "--average_patches", "false")
LOGITS = ("--outputs", "logits", "--no_quicklook")


def dated_chips(folder):
    """Chips with a date in their names; a place they have anyway."""
    write_segmentation_folder(folder)
    for path in folder.glob("chip_*"):
        name, _, rest = path.name.partition(".mask" if ".mask" in path.name else "_merged")
        kind = ".mask" if ".mask" in path.name else "_merged"
        path.rename(folder / f"{name}_2020070{int(name[-1]) + 1}{kind}{rest}")
    return folder


def fit(folder, chips, backbone="prithvi_eo_v2_tiny_tl"):
    config = segmentation_config(chips, folder)
    config["model"]["init_args"]["model_args"].update(
        backbone=backbone, backbone_num_frames=1, backbone_coords_encoding=["time", "location"]
    )
    assert main(["fit", "-c", write_config(folder / "given.yaml", config)]) == 0
    (best,) = (path for path in folder.glob("**/best*.ckpt") if "state_dict" not in path.name)
    return best


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dated")
    return fit(folder, dated_chips(folder / "chips"))


@pytest.fixture(scope="module")
def trained_without(tmp_path_factory):
    """The checkpoint of a model without an encoding of dates and places."""
    folder = tmp_path_factory.mktemp("undated")
    config = segmentation_config(write_segmentation_folder(folder / "chips"), folder)
    assert main(["fit", "-c", write_config(folder / "given.yaml", config)]) == 0
    (best,) = (path for path in folder.glob("**/best*.ckpt") if "state_dict" not in path.name)
    return best


def scene_of(path, tags=None):
    random = np.random.default_rng(1)
    write_tif(path, random.integers(0, 3000, (6, 64, 96)).astype(np.int16))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(**(tags or {}))
    return path


def place_of(path, top, left, size=32):
    """Latitude and longitude of the centre of a tile."""
    with rasterio.open(path) as dataset:
        x, y = dataset.transform * (left + size / 2, top + size / 2)
        (longitude,), (latitude,) = transform(dataset.crs, "EPSG:4326", [x], [y])
    return latitude, longitude


def expected_logits(checkpoint, path, date, place=None):
    """The logits of a direct call of the model for each tile; None is not given."""
    model = read_checkpoint(checkpoint).build_task().model.eval()
    with rasterio.open(path) as dataset:
        image = (torch.from_numpy(dataset.read()).float() - 1000) / 500
    logits = torch.empty(3, 64, 96)
    for top in (0, 32):
        for left in (0, 32, 64):
            tile = image[None, :, top : top + 32, left : left + 32]
            location = torch.tensor([place or place_of(path, top, left)])
            with torch.no_grad():
                output = model(
                    tile, temporal_coords=torch.tensor([[date]]), location_coords=location
                )
            logits[:, top : top + 32, left : left + 32] = output.output[0]
    return logits.numpy()


def predict(checkpoint, scene, output, *options):
    data = ("--predict_data", str(scene), "--predict_output_dir", str(output))
    return main(["predict", "--ckpt_path", str(checkpoint), *data, *TILES, *LOGITS, *options])


def logits_of(output, scene):
    with rasterio.open(output / f"{scene.stem}_pred.tif") as dataset:
        return dataset.read()


def test_the_checkpoint_says_that_it_was_trained_with_dates_and_places(trained, trained_without):
    assert read_checkpoint(trained).input.facts == ("location_coords", "temporal_coords")
    assert read_checkpoint(trained_without).input.facts == ()


@pytest.mark.parametrize(
    ("name", "tags", "date"),
    [
        ("scene_20210615", {}, (2021.0, 165.0)),
        ("scene", {"TIFFTAG_DATETIME": "2019:03:01 10:00:00"}, (2019.0, 59.0)),
        ("scene_20210615", {"ACQUISITION_DATE": "2018-01-01"}, (2018.0, 0.0)),
    ],
)
def test_each_tile_has_the_date_of_its_scene_and_a_place_of_its_own(
    name, tags, date, trained, tmp_path
):
    scene = scene_of(tmp_path / f"{name}.tif", tags)
    assert predict(trained, scene, tmp_path / "maps") == 0
    found = logits_of(tmp_path / "maps", scene)
    assert found == pytest.approx(expected_logits(trained, scene, date), abs=1e-4)
    other = expected_logits(trained, scene, date, place=(-40.0, 170.0))
    assert np.abs(found - other).max() > 1e-2


def test_a_stac_item_tells_the_date(trained, tmp_path):
    scene = scene_of(tmp_path / "scene.tif")
    item = {"stac_version": "1.0.0", "properties": {"datetime": "2022-02-01T10:20:30Z"}}
    (tmp_path / "scene.json").write_text(json.dumps(item))
    assert predict(trained, scene, tmp_path / "maps") == 0
    expected = expected_logits(trained, scene, (2022.0, 31.0))
    assert logits_of(tmp_path / "maps", scene) == pytest.approx(expected, abs=1e-4)


def test_options_replace_what_the_file_says(trained, tmp_path):
    scene = scene_of(tmp_path / "scene_20210615.tif")
    options = ("--date", "2020-12-31", "--location", "-33.9,18.4")
    assert predict(trained, scene, tmp_path / "maps", *options) == 0
    expected = expected_logits(trained, scene, (2020.0, 365.0), place=(-33.9, 18.4))
    assert logits_of(tmp_path / "maps", scene) == pytest.approx(expected, abs=1e-4)


def test_other_dates_make_other_maps(trained, tmp_path, capsys):
    scene = scene_of(tmp_path / "scene_20210615.tif")
    assert predict(trained, scene, tmp_path / "maps", "--date", "2020-12-31") == 0
    first = logits_of(tmp_path / "maps", scene)
    assert predict(trained, scene, tmp_path / "maps", "--date", "2020-06-30") == 0
    assert np.abs(first - logits_of(tmp_path / "maps", scene)).max() > 1e-3


def test_a_configuration_may_hold_them(trained, tmp_path):
    scene = scene_of(tmp_path / "scene.tif")
    configuration = yaml.safe_load((trained.parents[1] / "given.yaml").read_text())
    configuration |= {"date": [datetime(2020, 12, 31, tzinfo=UTC).date()]}
    (tmp_path / "given.yaml").write_text(yaml.safe_dump(configuration))
    options = ("-c", str(tmp_path / "given.yaml"))
    assert predict(trained, scene, tmp_path / "maps", *options) == 0
    expected = expected_logits(trained, scene, (2020.0, 365.0))
    assert logits_of(tmp_path / "maps", scene) == pytest.approx(expected, abs=1e-4)


def test_a_scene_without_a_date_is_named_with_the_cure(trained, tmp_path, capsys):
    scene = scene_of(tmp_path / "scene.tif")
    dated = scene_of(tmp_path / "other_20200101.tif")
    assert predict(trained, tmp_path, tmp_path / "maps") != 0
    shown = " ".join(capsys.readouterr().err.split())
    assert "temporal_coords of" in shown
    assert scene.name in shown
    assert "the model was trained with it" in shown
    assert "--date" in shown
    assert (tmp_path / "maps" / f"{dated.stem}_pred.tif").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--date", "2020-01-01"), "date: the model takes no temporal_coords"),
        (("--location", "1,2"), "location: the model takes no location_coords"),
        (("--date", "yesterday"), "date: 'yesterday' is not a date"),
        (("--location", "120,2"), "location: '120,2' is not a latitude and a longitude"),
    ],
)
def test_options_that_cannot_be_used(options, message, trained_without, tmp_path, capsys):
    scene = scene_of(tmp_path / "scene_20210615.tif")
    assert predict(trained_without, scene, tmp_path / "maps", *options) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_a_model_that_was_trained_without_does_not_begin_to_use_them(trained, tmp_path, caplog):
    scene = scene_of(tmp_path / "scene_20210615.tif")
    content = torch.load(trained, weights_only=True)
    content["terratorch"]["input"]["facts"] = []
    torch.save(content, tmp_path / "without.ckpt")
    assert predict(tmp_path / "without.ckpt", scene, tmp_path / "maps") == 0
    without = logits_of(tmp_path / "maps", scene)
    image = read_checkpoint(trained).input
    content["terratorch"]["format_version"] = 1
    content["terratorch"]["input"] = {
        **{k: v for k, v in image.image.to_dict().items() if k != "time"},
        "expand_temporal_dimension": False,
    }
    torch.save(content, tmp_path / "one.ckpt")
    assert predict(tmp_path / "one.ckpt", scene, tmp_path / "again") == 0
    assert logits_of(tmp_path / "again", scene) == pytest.approx(without, abs=1e-5)
    assert "It is not known whether the model was trained with temporal_coords and" in caplog.text
    assert predict(trained, scene, tmp_path / "with") == 0
    assert np.abs(logits_of(tmp_path / "with", scene) - without).max() > 1e-2


def test_maps_in_python_have_them_too(trained, tmp_path):
    scene = scene_of(tmp_path / "scene_20210615.tif")
    model = LightningInferenceModel.from_checkpoint(trained)
    with rasterio.open(scene) as dataset:
        image = (torch.from_numpy(dataset.read()).float() - 1000) / 500
    place = transform("EPSG:32633", "EPSG:4326", [500_480], [5_500_000 - 320])
    with torch.no_grad():
        output = model.model.eval().model(
            image[None],
            temporal_coords=torch.tensor([[[2021.0, 165.0]]]),
            location_coords=torch.tensor([[place[1][0], place[0][0]]]),
        )
    assert torch.equal(model.inference(scene).long(), output.output.argmax(1)[0])


@pytest.mark.slow
def test_workers_of_ray_have_them_too(trained, tmp_path):
    pytest.importorskip("ray")
    scene = scene_of(tmp_path / "scene_20210615.tif")
    assert predict(trained, scene, tmp_path / "maps", "--distributed", "ray", "--workers", "1") == 0
    expected = expected_logits(trained, scene, (2021.0, 165.0))
    assert logits_of(tmp_path / "maps", scene) == pytest.approx(expected, abs=1e-4)


SPECTRAL = """
import torch
from torch import nn

from terratorch.registry import TERRATORCH_BACKBONE_REGISTRY


@TERRATORCH_BACKBONE_REGISTRY.register
class SpectralBackbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(6, 8, 3, padding=1)
        self.out_channels = [8]

    def forward(self, x, wavelengths):
        assert wavelengths.shape == (6,), wavelengths
        return [self.layer(x * wavelengths.view(-1, 1, 1))]
"""


def test_wavelengths_are_those_of_the_bands_in_training_and_prediction(tmp_path):
    (tmp_path / "spectral.py").write_text(SPECTRAL)
    config = segmentation_config(write_segmentation_folder(tmp_path / "chips"), tmp_path)
    config["custom_modules_path"] = str(tmp_path / "spectral.py")
    config["model"]["init_args"]["model_args"] = {
        "backbone": "SpectralBackbone",
        "decoder": "IdentityDecoder",
        "num_classes": 3,
    }
    assert main(["fit", "-c", write_config(tmp_path / "given.yaml", config)]) == 0
    (best,) = (path for path in tmp_path.glob("**/best*.ckpt") if "state_dict" not in path.name)
    scene = scene_of(tmp_path / "scene.tif")
    options = ("--custom_modules_path", str(tmp_path / "spectral.py"))
    assert predict(best, scene, tmp_path / "maps", *options) == 0
    model = read_checkpoint(best).build_task().model.eval()
    with rasterio.open(scene) as dataset:
        image = (torch.from_numpy(dataset.read()[:, :32, :32]).float() - 1000) / 500
    wavelengths = torch.tensor([0.49, 0.56, 0.665, 0.864, 1.61, 2.20])
    with torch.no_grad():
        expected = model(image[None], wavelengths=wavelengths).output[0].numpy()
    found = logits_of(tmp_path / "maps", scene)[:, :32, :32]
    assert found == pytest.approx(expected, abs=1e-4)
