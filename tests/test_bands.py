import subprocess
import sys

import pytest

from terratorch import bands
from terratorch.bands import HLSBands, OpticalBands, SARBands, expand_bands, parse_band, parse_bands
from terratorch.errors import ConfigurationError


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (HLSBands.NIR_NARROW, "NIR_NARROW"),
        (OpticalBands.RED, "RED"),
        (SARBands.VV, "VV"),
        ("red", "RED"),
        ("Red_Edge_1", "RED_EDGE_1"),
        ("swir-1", "SWIR_1"),
        ("SWIR2", "SWIR_2"),
        ("HLSBands.BLUE", "BLUE"),
        ("B02", "BLUE"),
        ("b2", "BLUE"),
        ("B8A", "NIR_NARROW"),
        ("B8", "NIR_BROAD"),
        ("B11", "SWIR_1"),
        ("NDVI", "NDVI"),
        (0, 0),
        ([1, 4], (1, 4)),
        ((2, 2), (2, 2)),
    ],
)
def test_a_band_is_read_as_people_write_it(written, read):
    assert parse_band(written) == read
    assert type(parse_band(written)) is type(read)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("HLSBands.REDD", r"unknown band 'HLSBands.REDD'.*Did you mean 'RED'"),
        ("", "unknown band ''"),
        (-1, "Positions count from 0"),
        (True, "True is not a band"),
        (1.5, "1.5 is not a band"),
        (None, "None is not a band"),
        ([3, 1], r"\[3, 1\] is not an interval"),
        ([1, 2, 3], "both included"),
        (["RED", "BLUE"], "is not an interval"),
    ],
)
def test_what_is_not_a_band_is_explained(written, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_band(written)


def test_own_names_can_be_refused():
    with pytest.raises(ConfigurationError, match=r"unknown band 'BLEU'\. Did you mean 'BLUE'"):
        parse_band("BLEU", known_only=True)
    with pytest.raises(ConfigurationError, match="Known are: COASTAL_AEROSOL"):
        parse_band("elevation", known_only=True)


def test_the_place_in_the_list_is_named():
    with pytest.raises(ConfigurationError, match=r"data.output_bands\[1\]: -3 is not"):
        parse_bands(["RED", -3], thing="data.output_bands")
    with pytest.raises(ConfigurationError, match=r"Give a list: \[RED\]"):
        parse_bands("RED")


def test_intervals_include_both_ends():
    assert expand_bands(["RED", (2, 4), 9]) == ("RED", 2, 3, 4, 9)
    assert bands.generate_bands_intervals([[0, 1], "blue"]) == [0, 1, "BLUE"]
    assert bands.generate_bands_intervals() is None


def test_every_known_band_has_a_wavelength():
    assert set(bands.WAVELENGTHS) == set(bands.KNOWN_BANDS)
    assert set(bands.SENTINEL2_BANDS.values()) <= set(bands.KNOWN_BANDS)


def test_enums_are_equal_by_name():
    assert HLSBands.RED == OpticalBands.RED == "RED"
    assert str(HLSBands.RED) == "RED"


def test_the_public_path_has_the_same_enums():
    from terratorch.datasets import utils

    assert utils.HLSBands is HLSBands


def test_bands_need_no_array_library():
    code = "import sys, terratorch.bands; print({'numpy', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
