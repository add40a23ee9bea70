"""Workers on Ray: one machine, or a cluster of them. A worker that dies is replaced."""

from __future__ import annotations

import heapq
import logging
import os
import pickle
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from terratorch.errors import ConfigurationError, TerraTorchError
from terratorch.geo.virtual_files import VirtualFiles
from terratorch.optional import import_optional
from terratorch.prediction.scenes.planned_scene import ScenePredictor
from terratorch.prediction.spread.segment_run import Job, Outcome, run_job_apart
from terratorch.tiles.batch_size import MemoryLimit

logger = logging.getLogger(__name__)

# Gives what turns files into maps on a device, while it is used. It travels to the workers.
PredictorOn = Callable[[torch.device], AbstractContextManager[ScenePredictor]]

_ATTEMPTS = 4  # of a segment, or of starting a worker
_SECONDS_BETWEEN_LOOKS = 60.0  # that it is said that there is no room for a worker
_SECONDS_TO_LEAVE = 5.0
_CURE = (
    "It may be out of memory: give fewer --workers or a smaller batch_size. The log files of Ray "
    "say more."
)

_QUIET = {
    # It asks on the terminal, and sends statistics to its makers.
    "RAY_USAGE_STATS_ENABLED": "0",
    # What dies is replaced here, and what workers say comes with their results.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
    "RAY_SCHEDULER_EVENTS": "0",
    # Of what a worker returns one part says whether it failed; the other is not asked.
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    # The number of GPUs is always given, so that it need not warn of a change to come.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def import_ray() -> Any:
    """Return Ray, or say how it is installed."""
    with _environment(_QUIET):  # part of it is read when it is imported
        return import_optional("ray", "ray", "predict with --distributed ray")


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables that are not set, for a while."""
    ours = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            del os.environ[name]


@dataclass(frozen=True)
class ProcessState:
    """What a worker takes over from the process that it works for.

    Attributes:
        folder: Where relative paths begin.
        modules: Where modules are looked for.
        threads: Threads of an operation: results may depend on them in their last bits.
        matmul_precision: Of float32 on GPUs.
    """

    folder: str
    modules: tuple[str, ...]
    threads: int
    matmul_precision: str

    @classmethod
    def here(cls) -> ProcessState:
        """Return that of this process."""
        return cls(
            os.getcwd(),
            tuple(sys.path),
            torch.get_num_threads(),
            torch.get_float32_matmul_precision(),
        )

    def take_over(self) -> None:
        """Bring this process into the state."""
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
        sys.path += [path for path in self.modules if path not in sys.path]
        torch.set_num_threads(self.threads)
        torch.set_float32_matmul_precision(self.matmul_precision)


class _Worker:
    """Lives in a process of its own."""

    def __init__(self) -> None:
        self._predictor_on: PredictorOn | None = None
        self._device = torch.device("cpu")
        self._memory = MemoryLimit()
        self._virtual_files = VirtualFiles()

    def set_up(self, state: ProcessState, pickled: bytes, device: str) -> None:
        state.take_over()  # before modules of the user are imported
        self._predictor_on = pickle.loads(pickled)
        self._device = torch.device(device)

    def run(self, job: Job) -> tuple[None, Outcome]:
        """Return nothing, by which it is known that it is done, and what came of it."""
        assert self._predictor_on is not None, "workers are set up before they run"
        self._virtual_files.put(job.virtual_files)
        with self._predictor_on(self._device) as predictor:
            return None, run_job_apart(job, predictor, self._memory)

    def leave(self) -> None:
        """Leave the machine as it was."""
        self._virtual_files.remove()


class RayWorkers:
    """Workers on Ray; use it as a context manager.

    Args:
        predictor_on: What the workers run.
        device: Where it would run here: workers take devices of the same type.
        given: How many; None for as many as there is room for.
        address: Of a cluster, or `auto` for the one that this machine belongs to; None starts Ray
            on this machine alone.

    Attributes:
        count: How many.
    """

    def __init__(
        self,
        predictor_on: PredictorOn,
        device: torch.device,
        given: int | None = None,
        address: str | None = None,
    ) -> None:
        self.predictor_on, self.device = predictor_on, device
        self.given, self.address = given, address
        self.count = 0
        self._ray = import_ray()
        self._connection = ExitStack()
        self._failed_starts = 0
        self._starting: dict[Any, Any] = {}  # workers, by the sign that they are ready
        self._running: dict[Any, _Running] = {}  # by the sign that it is done
        self._idle: list[Any] = []
        self._waiting: list[int] = []  # a heap of numbers
        self._jobs: dict[int, Job] = {}
        self._done: dict[int, Any] = {}  # references to outcomes
        self._attempts: Counter[int] = Counter()

    def __enter__(self) -> RayWorkers:
        with ExitStack() as stack:
            stack.enter_context(_connected(self._ray, self.address, self.given))
            demand = demand_of(self._ray.nodes(), self.device, self.given)
            self.count = demand.workers
            pickled = self._ray.cloudpickle.dumps(self.predictor_on)
            self._set_up = (ProcessState.here(), self._ray.put(pickled), str(demand.device))
            self._actor = self._ray.remote(_Worker).options(
                num_cpus=demand.cpus, num_gpus=demand.gpus, scheduling_strategy="SPREAD"
            )
            for _ in range(self.count):
                self._start_worker()
            self._connection = stack.pop_all()
        logger.info("%s", demand)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signs = [worker.leave.remote() for worker in self._idle]
        if signs:
            self._ray.wait(signs, num_returns=len(signs), timeout=_SECONDS_TO_LEAVE)
        working = (running.worker for running in self._running.values())
        for worker in (*self._idle, *self._starting.values(), *working):
            self._ray.kill(worker)
        self._connection.close()

    def submit(self, number: int, job: Job) -> None:
        """Have a segment run; those of lower numbers go first."""
        self._jobs[number] = job
        heapq.heappush(self._waiting, number)
        self._step(0)

    def outcome(self, number: int) -> Outcome:
        """Wait for a segment, and return what came of it.

        Raises:
            TerraTorchError: If workers die again and again.
        """
        while True:
            while number not in self._done:
                self._step(_SECONDS_BETWEEN_LOOKS)
            try:
                outcome: Outcome = self._ray.get(self._done.pop(number))
            except self._ray.exceptions.RayError as error:  # lost with its machine
                self._again(number, error)
            else:
                del self._jobs[number]
                return outcome

    def _step(self, seconds: float) -> None:
        """Take note of what has happened, and give work to those who have none."""
        signs = [*self._starting, *self._running]
        ready, _ = self._ray.wait(signs, num_returns=len(signs), timeout=0)
        if not ready and seconds:
            ready, _ = self._ray.wait(signs, timeout=seconds)
            if not ready and not self._running:
                logger.info("Waiting for room for a worker: see `ray status`.")
        for sign in ready:
            if sign in self._starting:
                self._take_worker(self._starting.pop(sign), sign)
            else:
                self._take_result(self._running.pop(sign), sign)
        while self._idle and self._waiting:
            number, worker = heapq.heappop(self._waiting), self._idle.pop()
            sign, outcome = worker.run.options(num_returns=2).remote(self._jobs[number])
            self._running[sign] = _Running(number, worker, outcome)

    def _start_worker(self) -> None:
        worker = self._actor.remote()
        self._starting[worker.set_up.remote(*self._set_up)] = worker

    def _take_worker(self, worker: Any, sign: Any) -> None:
        error = self._death(sign)
        if error is None:
            self._failed_starts = 0
            self._idle.append(worker)
            return
        self._failed_starts += 1
        if self._failed_starts == _ATTEMPTS:
            raise TerraTorchError(
                "A Ray worker", f"it could not be started ({_first_line(error)})", _CURE
            ) from error
        self._start_worker()

    def _take_result(self, running: _Running, sign: Any) -> None:
        error = self._death(sign)
        if error is None:
            self._idle.append(running.worker)
            self._done[running.number] = running.outcome
            return
        self._ray.kill(running.worker)  # if it is only out of reach
        self._start_worker()
        self._again(running.number, error)

    def _death(self, sign: Any) -> Exception | None:
        """Return why a worker died; an error of what it runs is raised as it is."""
        exceptions = self._ray.exceptions
        try:
            self._ray.get(sign)
        except exceptions.RayTaskError as error:
            raise (error.cause or error) from error
        except exceptions.RayError as error:
            died: Exception = error
            return died
        return None

    def _again(self, number: int, error: Exception) -> None:
        self._attempts[number] += 1
        if self._attempts[number] == _ATTEMPTS:
            scene = self._jobs[number].scenes[0].path
            raise TerraTorchError(
                f"Ray workers at {scene}",
                f"{_ATTEMPTS} died one after the other ({_first_line(error)})",
                _CURE,
            ) from error
        logger.warning("A Ray worker died and is replaced; what it was doing runs again.")
        heapq.heappush(self._waiting, number)


@dataclass(frozen=True)
class _Running:
    number: int
    worker: Any
    outcome: Any  # a reference


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")


@dataclass(frozen=True)
class Demand:
    """What workers take of a cluster.

    Attributes:
        workers: How many there are.
        cpus: Of each.
        gpus: Of each.
        threads: Of each.
    """

    workers: int
    cpus: int
    gpus: int
    threads: int

    @property
    def device(self) -> torch.device:
        """Where each runs."""
        return torch.device("cuda", 0) if self.gpus else torch.device("cpu")

    def __str__(self) -> str:
        many = "s" if self.workers > 1 else ""
        each = "a GPU" if self.gpus else f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"Predicting with {self.workers} Ray worker{many} of {each} each."


def demand_of(
    nodes: Sequence[Mapping[str, Any]], device: torch.device, given: int | None
) -> Demand:
    """Return how many workers there are, and what each takes.

    Args:
        nodes: The machines, as Ray lists them.
        device: Where one process would run: workers take a device of the same type.
        given: How many workers are asked for; None for as many as there is room for.

    Raises:
        ConfigurationError: If there is no room for them.
    """
    resources = [node["Resources"] for node in nodes if node["Alive"]]
    cpus = [int(has.get("CPU", 0)) for has in resources]
    gpus = sum(int(has.get("GPU", 0)) for has in resources)
    threads = torch.get_num_threads()
    if device.type == "cuda":
        _check_room(given, gpus, "GPU")
        return Demand(given or gpus, 1, 1, threads)
    if gpus:
        logger.info("GPUs of the Ray cluster are not used, as this process runs on the CPU.")
    room = sum(count // threads for count in cpus)
    _check_room(given, sum(cpus), "CPU")
    workers = given or max(room, 1)
    return Demand(workers, threads if workers <= room else 1, 0, threads)


def _check_room(given: int | None, room: int, kind: str) -> None:
    if (given or 1) > room:
        raise ConfigurationError(
            "workers",
            f"{given or 1}, but the Ray cluster has {room or 'no'} {kind}{'s' * (room != 1)}",
            "Give fewer, or --ray_address of a larger cluster.",
        )


@contextmanager
def _connected(ray: Any, address: str | None, workers: int | None) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine; leave alone what was there."""
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        cpus = max(os.cpu_count() or 1, workers or 1)
        options |= {"address": "local", "include_dashboard": False, "num_cpus": cpus}
    else:
        options["address"] = address
    with _environment(_QUIET):
        try:
            ray.init(**options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigurationError(
                "ray_address",
                f"{address or 'local'}: {_first_line(error)}",
                "Start a cluster with `ray start --head`, and give its address or `auto`.",
            ) from error
        try:
            yield
        finally:
            ray.shutdown()
