"""`terratorch predict --distributed ray`: the same maps."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
import rasterio

from chip_files import write_tif
from scene_parts import assert_same_maps
from terratorch.cli.main import main
from terratorch.cli.prediction.checks import check_processes, choose_devices
from terratorch.errors import ConfigurationError
from terratorch.prediction.options import PredictionOptions
from terratorch.prediction.run import check_whole_images
from terratorch.prediction.spread.cluster import check_distributed

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray")
on_two = ("--distributed", "ray", "--workers", "2")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """A large scene, small ones, and one that is cut off in its middle."""
    folder = tmp_path_factory.mktemp("scenes")
    random = np.random.default_rng(1)
    for name, size in (("large", (700, 150)), ("small", (40, 48)), ("tiny", (40, 48))):
        write_tif(folder / f"{name}.tif", random.integers(0, 3000, (6, *size)).astype(np.int16))
    damaged = folder / "broken.tif"
    write_tif(damaged, random.integers(0, 3000, (6, 200, 150)).astype(np.int16))
    damaged.write_bytes(damaged.read_bytes()[:150_000])
    return folder


def arguments(fitted, scenes, maps, *others):
    """A prediction in small tiles, of classes and of floats."""
    return [
        "predict",
        *("--ckpt_path", str(fitted / "checkpoints" / "best.ckpt")),
        *("--predict_data", str(scenes), "--predict_output_dir", str(maps)),
        *("--outputs", "classes", "probabilities", "--no_quicklook"),
        *("--crop", "64", "--stride", "48", "--batch_size", "3"),
        *others,
    ]


def contents(folder):
    content = {}
    for file in sorted(folder.glob("*.tif")):
        with rasterio.open(file) as dataset:
            content[file.name] = (dataset.read(), (dataset.tags(), dataset.dtypes))
    return content


@needs_ray
@pytest.mark.slow
def test_two_workers_give_the_maps_of_one_process(fitted, scenes, tmp_path, capfd):
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(arguments(fitted, scenes, one)) == 3
    expected = capfd.readouterr()
    assert main(arguments(fitted, scenes, two, *on_two)) == 3
    told = capfd.readouterr()
    assert len(contents(one)) == 6
    assert_same_maps(contents(two), contents(one))
    assert told.out.splitlines()[0].startswith(f"Wrote 6 files to {two} (")
    assert "broken.tif: the image is damaged" in told.err
    more = set(told.err.splitlines()) - set(expected.err.splitlines())
    more = {line for line in more if "tiles/s" not in line}  # of a slow machine
    assert more == {"Predicting with 2 Ray workers of 1 thread each."}, "Ray is heard"
    # All is there: no worker starts.
    assert main(arguments(fitted, scenes / "large.tif", two, *on_two)) == 0
    assert "Ray" not in capfd.readouterr().err


@needs_ray
@pytest.mark.slow
def test_a_configuration_takes_the_options(fitted, scenes, tmp_path):
    config = ("-c", str(fitted / "given.yaml"), "--trainer.accelerator", "cpu")
    small = scenes / "small.tif"
    assert main(arguments(fitted, small, tmp_path / "one", *config)) == 0
    assert main(arguments(fitted, small, tmp_path / "two", *config, *on_two)) == 0
    assert_same_maps(contents(tmp_path / "two"), contents(tmp_path / "one"))


def processes_with(mark):
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended, or is another's
            continue
    return found


@needs_ray
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_ctrl_c_stops_the_workers(fitted, scenes, tmp_path):
    mark = uuid.uuid4().hex
    command = [sys.executable, "-m", "terratorch"]
    command += arguments(fitted, scenes, tmp_path / "maps", *on_two, "--augment", "rotations")
    process = subprocess.Popen(
        command, env=os.environ | {"TERRATORCH_TEST": mark}, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "Ray workers" in line:
            break
    time.sleep(1)
    assert len(processes_with(mark)) > 3
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 130, rest
    assert "Traceback" not in rest
    deadline = time.monotonic() + 10
    while processes_with(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_with(mark)


def test_without_ray_the_command_to_install_it_is_named(
    fitted, scenes, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "ray", None)
    chosen = ("--distributed", "ray")
    assert main(arguments(fitted, scenes, tmp_path, *chosen)) == 2
    error = capsys.readouterr().err
    assert "The package 'ray' is needed to predict with --distributed ray" in error
    assert 'pip install "terratorch[ray]"' in error


@pytest.mark.parametrize("configured", [False, True])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--workers", "2"), "workers: 2, but the work is not distributed. Add --distributed ray."),
        (("--ray_address", "auto"), "ray_address: auto, but the work is not distributed."),
        (("--distributed", "ray", "--workers", "0"), "workers: 0 is too small. Use at least 1."),
    ],
)
def test_options_that_do_not_fit_are_refused(
    configured, given, message, fitted, scenes, tmp_path, capsys
):
    config = ("-c", str(fitted / "given.yaml")) if configured else ()
    assert main(arguments(fitted, scenes, tmp_path, *config, *given)) == 2
    assert message in capsys.readouterr().err


def test_what_cannot_be_spread_is_refused():
    settings = PredictionOptions(distributed="ray")
    check_processes(settings, is_table=False, processes=1)
    with pytest.raises(ConfigurationError, match="only maps are spread over workers"):
        check_whole_images(settings)
    with pytest.raises(ConfigurationError, match=r"trainer\.devices: 4 processes"):
        check_processes(settings, is_table=False, processes=4)
    check_processes(PredictionOptions(), is_table=False, processes=4)


def test_one_process_hands_out_the_work_unless_devices_are_chosen():
    settings = PredictionOptions(distributed="ray")
    assert choose_devices(settings, "auto") == 1
    assert choose_devices(settings, 4) == 4
    assert choose_devices(PredictionOptions(), "auto") == "auto"


@pytest.mark.parametrize("configured", [False, True])
def test_an_address_where_nothing_listens_is_told_at_once(
    configured, fitted, scenes, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("terratorch.prediction.spread.cluster.import_ray", pytest.fail)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    config = ("-c", str(fitted / "given.yaml")) if configured else ()
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "127.0.0.1:99999"):
        given = ("--distributed", "ray", "--ray_address", address)
        assert main(arguments(fitted, scenes, tmp_path, *config, *given)) == 2
        error = capsys.readouterr().err
        assert f"ray_address: {address} does not answer (" in error
        assert "Start a cluster with `ray start --head`" in error


def test_an_address_that_answers_and_those_that_only_ray_knows_are_taken(monkeypatch):
    imported = []
    monkeypatch.setattr(
        "terratorch.prediction.spread.cluster.import_ray", lambda: imported.append(1)
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = f"127.0.0.1:{server.getsockname()[1]}"
        for address in (None, "auto", "local", here, f"ray://{here}"):
            check_distributed(PredictionOptions(distributed="ray", ray_address=address))
    assert len(imported) == 5
