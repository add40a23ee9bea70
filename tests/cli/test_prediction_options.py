"""What is to be predicted, and where maps go."""

import pytest

from terratorch.cli.prediction.options import check_data, check_output_dir
from terratorch.errors import ConfigurationError, DataError, MissingFileError


@pytest.fixture
def scenes(tmp_path):
    for name in ("north/a.tif", "north/b.tif", "south/c.tif", "south/c.txt", "odd[1].tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (["north"], ["a.tif", "b.tif"]),
        (["*/*.tif"], ["a.tif", "b.tif", "c.tif"]),
        (["**/*.tif"], ["a.tif", "b.tif", "c.tif", "odd[1].tif"]),
        (["south/?.tif", "north/b.tif"], ["c.tif", "b.tif"]),
        (["north", "north/*.tif", "north/a.tif"], ["a.tif", "b.tif"]),  # each of them once
        (["odd[1].tif"], ["odd[1].tif"]),  # a file of that name is no pattern
    ],
)
def test_files_folders_and_patterns(given, found, scenes):
    files = check_data([str(scenes / name) for name in given])
    assert sorted(file.name for file in files) == sorted(found)


def test_a_pattern_that_matches_nothing_is_an_error(scenes):
    with pytest.raises(MissingFileError, match="no file matches this pattern"):
        check_data([str(scenes / "*.png")])


def test_folders_in_a_folder_may_be_scenes(scenes):
    (scenes / "odd[1].tif").unlink()
    with pytest.raises(DataError, match=r"nothing but folders.*add --scene_folders"):
        check_data([str(scenes)])
    assert check_data([str(scenes)], scene_folders=True) == [scenes / "north", scenes / "south"]


def test_a_folder_for_output_is_tried_and_left_as_it_was(scenes):
    check_output_dir(str(scenes / "new" / "maps"))
    assert not (scenes / "new").exists()
    assert not list(scenes.glob(".terratorch*"))
    with pytest.raises(
        ConfigurationError, match=r"my\.option '/proc/maps': /proc cannot be written"
    ):
        check_output_dir("/proc/maps", "my.option")
