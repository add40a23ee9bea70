"""Ray workers: how many there are, and what happens when they die."""

import functools
import importlib.util
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import count

import pytest
import torch

from scene_parts import Transformer, assert_same_maps, maps, predictor, scene, tiles
from terratorch.errors import ConfigurationError, TerraTorchError
from terratorch.prediction.spread import ray_workers
from terratorch.prediction.spread.cluster import Demand, demand_of, import_ray
from terratorch.prediction.spread.ray_workers import ProcessState, RayWorkers

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


def nodes(*resources):
    return [{"Alive": True, "Resources": has} for has in resources]


@pytest.mark.parametrize(
    ("resources", "uses_gpu", "workers", "expected"),
    [
        ([{"CPU": 8}], False, None, Demand(2, 4, 0, 4)),
        ([{"CPU": 6}, {"CPU": 9}], False, None, Demand(3, 4, 0, 4)),
        ([{"CPU": 2}], False, None, Demand(1, 1, 0, 4)),
        ([{"CPU": 8}], False, 2, Demand(2, 4, 0, 4)),
        ([{"CPU": 8}], False, 8, Demand(8, 1, 0, 4)),
        ([{"CPU": 8, "GPU": 2}, {"CPU": 8, "GPU": 1}], True, None, Demand(3, 1, 1, 4)),
        ([{"CPU": 8, "GPU": 2}], True, 1, Demand(1, 1, 1, 4)),
        ([{"CPU": 8, "GPU": 2}], False, None, Demand(2, 4, 0, 4)),
    ],
    ids=str,
)
def test_workers_take_what_there_is(resources, uses_gpu, workers, expected):
    dead = {"Alive": False, "Resources": {"CPU": 64, "GPU": 8}}
    assert demand_of([*nodes(*resources), dead], uses_gpu, workers, threads=4) == expected


def test_gpus_that_are_not_used_are_told(caplog):
    caplog.set_level("INFO", "terratorch")
    demand_of(nodes({"CPU": 8, "GPU": 2}), False, None, 4)
    assert "GPUs of the Ray cluster are not used" in caplog.text


@pytest.mark.parametrize(
    ("resources", "uses_gpu", "workers", "message"),
    [
        ([{"CPU": 8}], True, None, "workers: 1, but the Ray cluster has no GPUs. Use fewer"),
        ([{"CPU": 8, "GPU": 1}], True, 2, "workers: 2, but the Ray cluster has 1 GPU. Use"),
        ([{"CPU": 8}], False, 9, "workers: 9, but the Ray cluster has 8 CPUs. Use fewer"),
    ],
)
def test_too_many_workers_are_refused(resources, uses_gpu, workers, message):
    with pytest.raises(ConfigurationError, match=message):
        demand_of(nodes(*resources), uses_gpu, workers, 4)


def test_what_workers_are_is_said():
    assert str(Demand(2, 1, 0, 1)) == "Predicting with 2 Ray workers of 1 thread each."
    assert str(Demand(1, 1, 1, 4)) == "Predicting with 1 Ray worker of a GPU each."


def test_a_worker_takes_over_the_state_of_the_process(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    monkeypatch.setattr(sys, "path", list(sys.path))
    state = ProcessState.here()
    taken = ProcessState(str(tmp_path), ("/added",), state.threads, state.matmul_precision)
    taken.apply()
    assert os.getcwd() == str(tmp_path)
    assert sys.path[-1] == "/added"
    ProcessState("/not/there", (), state.threads, state.matmul_precision).apply()
    assert os.getcwd() == str(tmp_path)


needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs ray")


@contextmanager
def mortal(folder, deaths, device):
    """Give a predictor whose process ends in the midst of its work, some times."""
    chosen = predictor(Transformer(), tiles=tiles(32, 24, 2, batch_size=3))
    calls = count()

    def forward(images, extras):
        if next(calls) == 1:
            _die(folder, deaths)
        return chosen.forward(images, extras)

    yield replace(chosen, forward=forward)


def _die(folder, deaths):
    for number in range(deaths):
        with suppress(FileExistsError):
            (folder / f"died{number}").touch(exist_ok=False)
            os._exit(1)


@contextmanager
def mistaken(device):
    """Give a predictor that has a mistake."""
    yield predictor(tiles=tiles(), forward=_mistake)


def _mistake(images, extras):
    raise RuntimeError("out of order")


@needs_ray
@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_told(monkeypatch):
    """Hide the clusters that other tests may run on this machine at the same time."""
    from ray._private import services

    monkeypatch.setattr(services, "find_gcs_addresses", functools.cache(set))
    monkeypatch.setattr(services, "find_bootstrap_address", lambda _temp_dir: None)
    with (
        pytest.raises(ConfigurationError, match=r"ray_address: auto: .*Start a cluster with"),
        RayWorkers(mistaken, CPU, 1, "auto"),
    ):
        pass


@pytest.fixture(scope="module")
def ray():
    ray = import_ray()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    assert ray.is_initialized(), "workers leave it alone"
    ray.shutdown()


@needs_ray
@pytest.mark.slow
def test_a_worker_that_dies_is_replaced(ray, tmp_path, caplog):
    paths = [scene(tmp_path, size=(700, 70)), scene(tmp_path, "other", (40, 61))]
    with mortal(tmp_path, 0, CPU) as chosen:
        _, expected = maps(paths, tmp_path / "whole", chosen)
        with RayWorkers(partial(mortal, tmp_path, 2), CPU, 2) as workers:
            report, found = maps(paths, tmp_path / "spread", chosen, workers)
    assert_same_maps(found, expected)
    assert len(report.written) == 4
    assert len(list(tmp_path.glob("died*"))) == 2
    assert caplog.text.count("A Ray worker died and is replaced") == 2


@needs_ray
@pytest.mark.slow
def test_workers_that_die_again_and_again_end_the_run(ray, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_workers, "_ATTEMPTS", 2)
    path = scene(tmp_path, size=(200, 70))
    with (
        mortal(tmp_path, 0, CPU) as chosen,
        RayWorkers(partial(mortal, tmp_path, 9), CPU, 2) as workers,
        pytest.raises(TerraTorchError, match=r"scene\.tif: 2 died one after the other"),
    ):
        maps([path], tmp_path / "maps", chosen, workers)
    assert not list((tmp_path / "maps").glob("*.tif"))


@needs_ray
@pytest.mark.slow
def test_an_error_of_the_model_is_raised_as_it_is(ray, tmp_path, capfd):
    with (
        mistaken(CPU) as chosen,
        RayWorkers(mistaken, CPU, 1) as workers,
        pytest.raises(RuntimeError, match=r"^out of order$"),
    ):
        maps([scene(tmp_path)], tmp_path / "maps", chosen, workers)
    assert "out of order" not in capfd.readouterr().err, "Ray is heard"
