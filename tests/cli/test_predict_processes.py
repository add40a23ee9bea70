"""Images that several processes share: one account of all, and no file that two write."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chip_files import write_tif
from terratorch.cli.prediction.checks import check_processes, choose_devices
from terratorch.cli.prediction.processes import gathered, process_group
from terratorch.errors import ConfigurationError, DataError
from terratorch.prediction.options import PredictionOptions
from terratorch.prediction.report import PredictionReport


def test_one_process_has_nobody_to_wait_for():
    assert process_group() is None
    assert gathered("found", None) == ["found"]


def test_reports_of_processes_add_up():
    error = DataError("b.tif", "is damaged")
    maps, skipped, outside = [Path("a_pred.tif")], [Path("s.tif")], [Path("o.tif")]
    failures, stale = {Path("b.tif"): error}, [Path("a_pred_logits.tif")]
    made, failed = [Path("a_pred.png")], {Path("b_pred.png"): error}
    report = PredictionReport(maps.copy(), [], outside, tiles=3, pixels=100, seconds=2.0)
    report.add(PredictionReport([], skipped, [], failures, stale, made, failed, 4, 50, seconds=5.0))
    expected = PredictionReport(maps, skipped, outside, failures, stale, made, failed, 7, 150, 5.0)
    assert report == expected


def test_labels_are_for_one_process():
    settings = PredictionOptions()
    assert choose_devices(settings, "auto", is_table=True) == 1
    assert choose_devices(settings, "auto") == "auto"
    check_processes(settings, is_table=False, processes=2)
    with pytest.raises(ConfigurationError, match="2 processes, but labels of images are written"):
        check_processes(settings, is_table=True, processes=2)


def predict(fitted, scenes, maps, *options):
    return subprocess.run(
        [
            *(sys.executable, "-m", "terratorch", "predict"),
            *("--ckpt_path", fitted / "checkpoints" / "best.ckpt"),
            *("--predict_data", scenes, "--predict_output_dir", maps, "--no_quicklook"),
            *("--accelerator", "cpu", "--devices", "2", *options),
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_first_process_tells_of_all(fitted, tmp_path):
    random = np.random.default_rng(1)
    for name in "abc":
        path = tmp_path / "scenes" / f"{name}.tif"
        write_tif(path, random.integers(0, 3000, (6, 40, 48)).astype(np.int16))
        if name == "b":  # which is the share of the second
            path.write_bytes(path.read_bytes()[:9000])
    ended = predict(fitted, tmp_path / "scenes", tmp_path / "maps")
    assert ended.returncode == 3, ended.stderr
    assert ended.stdout.count("Wrote 2 files to") == 1
    assert ended.stderr.count("1 file could not be read:\n") == 1
    ended = predict(fitted, tmp_path / "scenes", tmp_path / "maps", "--strict")
    assert ended.returncode == 2
    assert "b.tif: the image is damaged" in ended.stderr
    assert "it ended before the others did" in ended.stderr
