"""What `terratorch predict` wrote is told from images, alone and among the files of a scene."""

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import torch

from chip_files import write_tif
from terratorch.contracts.input_spec import ImageSpec, InputSpec
from terratorch.contracts.map_tags import RUN_TAG
from terratorch.datasets.scenes.joined_scene import join_scene
from terratorch.datasets.scenes.scene_files import ModalityFiles
from terratorch.errors import DataError
from terratorch.geo.raster import open_raster
from terratorch.prediction.maps.encoding import Encoding
from terratorch.prediction.maps.recognition import refuse_map
from terratorch.prediction.maps.writer import Georeference, MapWriter
from terratorch.prediction.products.mosaic import Mosaic
from terratorch.prediction.products.products import FinishedMap

SPEC = InputSpec({"S2": ImageSpec(), "DEM": ImageSpec()})


@pytest.fixture
def image(tmp_path):
    return write_tif(tmp_path / "image.tif", np.ones((1, 8, 8), np.uint8))


@pytest.fixture
def our_map(image, tmp_path):
    """The map of an image, as it is written."""
    path = tmp_path / "image_pred.tif"
    encoding = Encoding("uint8", ("class",))
    with MapWriter(path, Georeference.of(image), encoding, {RUN_TAG: "a"}) as writer:
        writer.write_rows(0, torch.zeros(1, 8, 8, dtype=torch.int64))
    return path


@pytest.fixture
def mosaic(our_map, tmp_path):
    finished = FinishedMap("image.tif", {"prediction": our_map})
    (path,) = Mosaic().make([finished], tmp_path, tmp_path)
    return path


def joined(tmp_path, **files):
    return join_scene(ModalityFiles("scene", files), SPEC, tmp_path)


def refuse(path):
    with open_raster(path) as dataset:
        refuse_map(path, dataset)


def test_images_are_none_of_ours(image, our_map, tmp_path):
    refuse(image)
    refuse(joined(tmp_path, S2=image, DEM=image))


def test_a_map_and_its_mosaic_are_told(our_map, mosaic):
    cure = "Give the images, and let maps go into a folder of their own."
    for path, what in ((our_map, "a map"), (mosaic, "a mosaic of maps")):
        with pytest.raises(DataError) as refused:
            refuse(path)
        seen = f"it is {what} that terratorch predict wrote, and no image"
        assert str(refused.value) == f"{path}: {seen}. {cure}"


def test_a_mosaic_is_told_when_its_maps_are_gone(our_map, mosaic):
    our_map.unlink()
    with pytest.raises(DataError, match="it is a mosaic of maps that"):
        refuse(mosaic)


def test_a_picture_is_told_by_the_map_beside_it(image, our_map, tmp_path):
    picture = our_map.with_suffix(".png")
    rasterio.shutil.copy(image, picture, driver="PNG")
    with pytest.raises(DataError, match=r"it is the picture of the map image_pred\.tif that"):
        refuse(picture)
    refuse(picture.rename(tmp_path / "other.png"))


@pytest.mark.parametrize("place", ["S2", "DEM"])
@pytest.mark.parametrize("kind", ["map", "mosaic"])
def test_a_scene_with_a_map_behind_it_is_refused(place, kind, image, our_map, mosaic, tmp_path):
    ours = {"map": our_map, "mosaic": mosaic}[kind]
    scene = joined(tmp_path, **{"S2": image, "DEM": image} | {place: ours})
    what = {"map": "a map", "mosaic": "a mosaic of maps"}[kind]
    with pytest.raises(DataError) as refused:
        refuse(scene)
    assert (
        refused.value.problem == f"{ours}, which it joins, is {what} that terratorch predict wrote"
    )
