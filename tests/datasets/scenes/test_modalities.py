"""Scenes of which a model takes several images, one for each modality."""

import numpy as np
import pytest
import rasterio
import torch

from chip_files import write_tif
from terratorch.contracts.input_spec import ImageSpec, InputSpec
from terratorch.datasets.scenes.joined_scene import join_scene
from terratorch.datasets.scenes.prediction_dataset import PredictionBatches, PredictionDataset
from terratorch.datasets.scenes.scene_files import ModalityFiles
from terratorch.datasets.scenes.scene_reader import SceneReader
from terratorch.errors import ConfigurationError, DataError
from terratorch.prediction.scenes.strip import StripSource, ValidRows
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.plan import plan_tiles
from terratorch.tiles.source import TensorSource

OPTICAL = ImageSpec.create(
    dataset_bands=["BLUE", "RED", "NIR_NARROW"],
    output_bands=["NIR_NARROW", "RED"],
    means=[1000, 900],
    stds=[200, 300],
)
RADAR = ImageSpec.create(dataset_bands=["VV", "VH"], constant_scale=0.5, no_data_replace=-30)
HEIGHT = ImageSpec()
SPEC = InputSpec({"S2": OPTICAL, "S1": RADAR, "DEM": HEIGHT})
RANDOM = np.random.default_rng(0)
S2 = RANDOM.integers(1, 2000, (3, 12, 10)).astype(np.int16)
S1 = (RANDOM.random((2, 12, 10)) * -20).astype(np.float32)
DEM = RANDOM.integers(0, 900, (1, 6, 5)).astype(np.int16)
S2[1, 2, 3] = -9999
S1[0, 5, 6] = np.nan


def write_coarse(path, array):
    write_tif(path, array)
    with rasterio.open(path, "r+") as dataset:
        dataset.transform = rasterio.Affine(20, 0, 500_000, 0, -20, 5_500_000)
    return path


def write_folder(folder):
    """A file that bears its name, bands in a folder that does, and one of a coarser grid."""
    write_tif(folder / "tile_s2_l2a.tif", S2, nodata=-9999)
    for name, band in zip(("vv", "vh"), S1, strict=True):
        write_tif(folder / "S1" / f"{name}.tif", band)
    write_coarse(folder / "dem.tif", DEM)
    return folder


def write_files(folder):
    return ModalityFiles(
        "tile",
        {
            "DEM": write_coarse(folder / "c.tif", DEM),
            "S1": write_tif(folder / "b.tif", S1),
            "S2": write_tif(folder / "a.tif", S2, nodata=-9999),
        },
    )


def write_stack(folder):
    bands = np.concatenate([S2, S1, DEM.repeat(2, 1).repeat(2, 2)]).astype(np.float32)
    bands[:3][S2 == -9999] = np.nan
    return write_tif(folder / "tile.tif", bands)


EXPECTED = {
    "S2": np.stack([S2[2], np.where(S2[1] == -9999, 900, S2[1])]),
    "S1": np.where(np.isnan(S1), -30, S1) / 2,
    "DEM": DEM.repeat(2, 1).repeat(2, 2),
}


@pytest.mark.parametrize("write", [write_folder, write_files, write_stack])
def test_each_modality_comes_as_its_own_image(write, tmp_path):
    scene = write(tmp_path / "tile")
    path = scene if write is write_stack else join_scene(scene, SPEC, tmp_path)
    assert path.stem == "tile"
    batch = PredictionBatches(PredictionDataset([path], SPEC), 1)[0]
    assert list(batch["image"]) == ["S2", "S1", "DEM"]
    for name, image in EXPECTED.items():
        assert np.array_equal(batch["image"][name][0].numpy(), image.astype(np.float32)), name
    hidden = (~batch["valid"][0]).nonzero().tolist()
    assert hidden == [[2, 3], [5, 6]]
    normalised = SPEC.normalize(batch["image"])
    assert torch.equal(normalised["S2"], OPTICAL.normalize(batch["image"]["S2"]))
    assert torch.equal(normalised["S1"], batch["image"]["S1"])


@pytest.mark.parametrize("padding", ["reflect", "constant", "circular"])
def test_tiles_that_are_read_are_those_of_the_whole_scene(padding, tmp_path):
    path = join_scene(write_folder(tmp_path / "tile"), SPEC, tmp_path)
    sample = PredictionDataset([path], SPEC)[0]["image"]
    whole = SPEC.normalize({name: image[None] for name, image in sample.items()})
    parameters = TiledInferenceParameters(8, 4, 8, 4, delta=2, padding=padding)
    plan = plan_tiles(12, 10, parameters)
    read = StripSource(lambda: SceneReader(path, SPEC), plan, 12, 10, padding, ValidRows())
    known = TensorSource(whole, padding)
    for row in range(len(plan.rows)):
        for tile in plan.tile_row(row):
            images, expected = read.read(tile), known.read(tile)
            assert images.keys() == expected.keys()
            assert all(torch.equal(images[name], expected[name]) for name in images)
    read.close()


def test_a_time_series_goes_with_an_image(tmp_path):
    steps = np.stack([S2, S2 + 1])
    for date, step in enumerate(steps):
        write_tif(tmp_path / "tile" / "S2" / f"2020-0{date + 1}.tif", step)
    write_coarse(tmp_path / "tile" / "DEM.tif", DEM)
    optical = ImageSpec.create(
        dataset_bands=["BLUE", "RED", "NIR_NARROW"], expand_temporal_dimension=True
    )
    spec = InputSpec({"DEM": HEIGHT, "S2": optical})
    path = join_scene(tmp_path / "tile", spec, tmp_path)
    image = PredictionDataset([path], spec)[0]["image"]
    assert np.array_equal(image["S2"].numpy(), steps.transpose(1, 0, 2, 3))
    assert image["DEM"].shape == (1, 12, 10)


def test_files_without_a_modality_in_their_name_are_told_by_their_bands(tmp_path):
    for name, band in zip(("B02", "B04", "B8A", "VV", "VH"), [*S2, *S1], strict=True):
        write_tif(tmp_path / "tile" / f"{name}.tif", band)
    spec = InputSpec({"S1": RADAR, "S2": OPTICAL})
    path = join_scene(tmp_path / "tile", spec, tmp_path)
    image = PredictionDataset([path], spec)[0]["image"]
    assert np.array_equal(image["S2"].numpy(), S2[[2, 1]])
    assert np.array_equal(image["S1"].numpy(), EXPECTED["S1"])


def test_the_longest_name_owns_a_file(tmp_path):
    write_tif(tmp_path / "tile" / "S2.tif", S2)
    write_tif(tmp_path / "tile" / "S2-DEM.tif", S2[:1])
    spec = InputSpec({"S2": OPTICAL, "S2-DEM": HEIGHT})
    path = join_scene(tmp_path / "tile", spec, tmp_path)
    assert np.array_equal(PredictionDataset([path], spec)[0]["image"]["S2-DEM"], S2[:1])


def test_what_is_missing_is_named(tmp_path):
    folder = write_folder(tmp_path / "tile")
    (folder / "S1" / "vh.tif").unlink()
    with pytest.raises(DataError, match=r"no file for the band VH of S1\. There are: vv\.tif"):
        join_scene(folder, SPEC, tmp_path)
    (folder / "dem.tif").unlink()
    (folder / "S1" / "vv.tif").unlink()
    with pytest.raises(DataError, match=r"tile: no file of S1\. .*the name of the modality"):
        join_scene(folder, SPEC, tmp_path)
    files = ModalityFiles("tile", {"S2": folder / "tile_s2_l2a.tif", "S3": folder})
    with pytest.raises(ConfigurationError, match=r"S2, S3, but the model takes S2, S1, DEM\..*S1="):
        join_scene(files, SPEC, tmp_path)
    with pytest.raises(ConfigurationError, match="but the model takes one image"):
        join_scene(files, InputSpec.single(OPTICAL), tmp_path)


def test_a_file_with_other_bands_than_those_of_all_modalities(tmp_path):
    path = write_tif(tmp_path / "a.tif", S2)
    spec = InputSpec({"S2": OPTICAL, "S1": RADAR})
    with pytest.raises(DataError, match=r"3 bands, .* several images \(S2 3, S1 2\)\. .*NAME=PATH"):
        PredictionDataset([path], spec)[0]


def test_a_checkpoint_keeps_them():
    assert InputSpec.from_dict(SPEC.to_dict()) == SPEC
    with pytest.raises(ConfigurationError, match="images: it is empty"):
        InputSpec({})


def test_batches_have_to_be_what_is_described():
    image = torch.zeros(1, 2, 4, 4)
    with pytest.raises(ConfigurationError, match=r"the modalities S3, .* the modalities S2, S1"):
        SPEC.normalize({"S3": image})
    with pytest.raises(ConfigurationError, match="has one image, but input_spec describes the mod"):
        SPEC.normalize(image)
    with pytest.raises(ConfigurationError, match="modalities S2, but input_spec describes one im"):
        InputSpec.single(OPTICAL).normalize({"S2": image})
    assert list(SPEC.normalize({"S1": image})) == ["S1"]
