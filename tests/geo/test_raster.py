import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.windows import Window

from chip_files import write_tif
from terratorch.errors import DataError, MissingFileError
from terratorch.geo.raster import files_behind, open_raster, read_raster


@pytest.fixture
def image(tmp_path):
    return write_tif(tmp_path / "image.tif", np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5))


def test_only_the_bands_and_the_window_are_read(image):
    raster = read_raster(image, [3, 1], Window(1, 2, 3, 2))
    whole = np.arange(3 * 4 * 5).reshape(3, 4, 5)
    assert np.array_equal(raster.data, whole[[2, 0], 2:4, 1:4])
    assert raster.invalid is None


def test_nodata_nan_and_infinity_are_invalid(tmp_path):
    data = np.ones((2, 2, 2), np.float32)
    data[0, 0, 0], data[1, 0, 1], data[1, 1, 1] = -9999, np.nan, np.inf
    raster = read_raster(write_tif(tmp_path / "image.tif", data, nodata=-9999))
    assert raster.invalid is not None
    assert raster.invalid[0].tolist() == [[True, False], [False, False]]
    assert raster.invalid[1].tolist() == [[False, True], [False, True]]


def test_a_file_that_declares_nodata_but_has_none_is_valid(tmp_path):
    path = write_tif(tmp_path / "image.tif", np.ones((1, 2, 2), np.int16), nodata=-9999)
    assert read_raster(path).invalid is None


def test_what_a_mask_band_hides_is_invalid(tmp_path, image):
    with rasterio.open(image, "r+") as dataset:
        dataset.write_mask(np.array([[0, 255, 255, 255, 255]] * 4, np.uint8))
    raster = read_raster(image)
    assert raster.invalid is not None
    assert raster.invalid[:, :, 0].all()
    assert not raster.invalid[:, :, 1:].any()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"nowhere\.tif: there is no such file"):
        read_raster(tmp_path / "nowhere.tif")


def test_a_text_file_is_not_an_image(tmp_path):
    path = tmp_path / "text.tif"
    path.write_text("hello")
    with pytest.raises(DataError, match=r"text\.tif: not an image that can be read .* GeoTIFF"):
        read_raster(path)


def test_a_folder_is_not_an_image(tmp_path):
    with pytest.raises(DataError, match="a folder"):
        read_raster(tmp_path)


def test_a_truncated_file_is_damaged(tmp_path):
    data = np.random.default_rng(0).integers(0, 1000, (3, 64, 64)).astype(np.int16)
    path = write_tif(tmp_path / "cut.tif", data)
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(DataError, match=r"cut\.tif: the image is damaged: .* cut off"):
        read_raster(path)


def test_settings_of_gdal_are_as_before(image):
    with open_raster(image):
        assert rasterio.env.getenv()["GDAL_DISABLE_READDIR_ON_OPEN"] is not False
    assert not rasterio.env.hasenv()


def test_an_alpha_band_hides_pixels_unless_it_is_read_as_data(tmp_path):
    data = np.ones((4, 2, 2), np.uint8)
    data[3, 0, 1] = 0  # GDAL calls the last of four bytes alpha: it may be near infrared
    path = write_tif(tmp_path / "image.tif", data)
    assert read_raster(path).invalid is None
    hidden = read_raster(path, [1]).invalid
    assert hidden is not None
    assert hidden[0].tolist() == [[False, True], [False, False]]


def test_files_behind_a_virtual_raster_are_known(image, tmp_path):
    assert files_behind(image) == [image]
    assert files_behind("https://host.example/scene.vrt") == files_behind("no.tif") == []
    virtual = tmp_path / "scene.vrt"
    rasterio.shutil.copy(image, virtual, driver="VRT")
    (tmp_path / "scene.vrt.aux.xml").write_text("<PAMDataset/>")  # of a viewer
    assert sorted(files_behind(virtual)) == sorted([image, virtual])
