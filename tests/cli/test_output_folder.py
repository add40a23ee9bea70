"""The folder that a command writes to."""

import pytest

from terratorch.cli.terminal.output_folder import check_output_dir
from terratorch.errors import ConfigurationError


def test_a_folder_for_output_is_tried_and_left_as_it_was(tmp_path):
    check_output_dir(str(tmp_path / "new" / "maps"))
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".terratorch*"))
    with pytest.raises(
        ConfigurationError, match=r"my\.option '/proc/maps': /proc cannot be written"
    ):
        check_output_dir("/proc/maps", "my.option")
