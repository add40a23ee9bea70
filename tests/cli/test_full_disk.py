"""A disk that fills up is told in one message, and leaves nothing that looks complete."""

import numpy as np
from cli_config import segmentation_config, write_config

from chip_files import files_of_at_most, write_tif
from terratorch.cli.main import main


def test_a_prediction_on_a_full_disk_says_so(fitted, tmp_path, capfd):
    scene, maps = tmp_path / "scene.tif", tmp_path / "maps"
    pixels = np.random.default_rng(1).integers(0, 3000, (6, 300, 300)).astype(np.int16)
    write_tif(scene, pixels)
    arguments = ["--predict_data", str(scene), "--predict_output_dir", str(maps)]
    checkpoint = str(fitted / "checkpoints" / "best.ckpt")
    with files_of_at_most(1000):
        assert main(["predict", "--ckpt_path", checkpoint, *arguments]) == 2
    error = capfd.readouterr().err
    assert f"The output folder {maps}: it cannot be written to" in error
    assert "Check that there is room on the disk" in error
    assert "Traceback" not in error
    assert list(maps.iterdir()) == []


def test_a_training_on_a_full_disk_says_so(segmentation_folder, tmp_path, capfd):
    config = segmentation_config(segmentation_folder, tmp_path / "run")
    path = write_config(tmp_path / "given.yaml", config)
    with files_of_at_most(20_000):
        assert main(["fit", "-c", path]) == 2
    error = capfd.readouterr().err
    assert "File too large. The system limits file sizes: make room on the disk" in error
    assert "Traceback" not in error
    assert list((tmp_path / "run").rglob("*.ckpt")) == []
