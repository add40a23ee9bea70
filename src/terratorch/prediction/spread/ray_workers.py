"""Workers on Ray, on one machine or on a cluster. Ray restarts a worker that dies."""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from terratorch.errors import TerraTorchError
from terratorch.geo.virtual_files import VirtualFiles
from terratorch.prediction.scenes.planned_scene import ScenePredictor
from terratorch.prediction.spread.cluster import connected, demand_of, first_line, import_ray
from terratorch.prediction.spread.segment_run import Job, Outcome, run_job

logger = logging.getLogger(__name__)

# Yields what turns files into maps on a device. It is sent to the workers.
PredictorOn = Callable[[torch.device], AbstractContextManager[ScenePredictor]]

_ATTEMPTS = 4  # of a segment
_RESTARTS = 20  # of a worker
_AHEAD = 2  # segments for each worker that run, or wait until the rows before are written
_SECONDS_BETWEEN_MESSAGES = 60.0  # that there is no room for a worker
_SECONDS_TO_LEAVE = 5.0


@dataclass(frozen=True)
class ProcessState:
    """What a worker takes over from the process that it works for.

    Attributes:
        folder: The working directory.
        modules: Where modules are imported from.
        threads: Threads of an operation.
        matmul_precision: Of float32 on GPUs.
    """

    folder: str
    modules: tuple[str, ...]
    threads: int
    matmul_precision: str

    @classmethod
    def here(cls) -> ProcessState:
        """Return the state of this process."""
        return cls(
            os.getcwd(),
            tuple(sys.path),
            torch.get_num_threads(),
            torch.get_float32_matmul_precision(),
        )

    def apply(self) -> None:
        """Bring this process into the state."""
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
        sys.path += [path for path in self.modules if path not in sys.path]
        torch.set_num_threads(self.threads)
        torch.set_float32_matmul_precision(self.matmul_precision)


class _Worker:
    """Runs segments in a separate process."""

    def __init__(self, state: ProcessState, pickled: Sequence[Any], device: str) -> None:
        state.apply()  # before modules of the user are imported
        ray = import_ray()
        self._predictor_on: PredictorOn = pickle.loads(ray.get(pickled[0]))
        self._device = torch.device(device)
        self._virtual_files = VirtualFiles()
        self._was_restarted = ray.get_runtime_context().was_current_actor_reconstructed

    def run(self, job: Job) -> tuple[Outcome, bool]:
        """Return the outcome of a segment, and whether it is the first after a restart."""
        self._virtual_files.put(job.virtual_files)
        with self._predictor_on(self._device) as predictor:
            outcome = run_job(job, predictor)
        was_restarted, self._was_restarted = self._was_restarted, False
        return outcome, was_restarted

    def leave(self) -> None:
        """Remove temporary files."""
        self._virtual_files.remove()


class RayWorkers:
    """Workers on Ray; use it as a context manager.

    Args:
        predictor_on: What the workers run.
        device: The device of this process: workers use devices of the same type.
        workers: How many; None for as many as there is room for.
        address: Of a cluster, or `auto` for the one that this machine belongs to; None starts Ray
            on this machine alone.

    Attributes:
        count: How many.
    """

    def __init__(
        self,
        predictor_on: PredictorOn,
        device: torch.device,
        workers: int | None = None,
        address: str | None = None,
    ) -> None:
        self.predictor_on, self.device = predictor_on, device
        self.address, self.count = address, workers or 0
        self._ray = import_ray()
        self._connection = ExitStack()
        self._actors: list[Any] = []
        self._pickled: Any = None  # a reference to what the workers run

    def __enter__(self) -> RayWorkers:
        with ExitStack() as stack:
            workers = self.count or None
            stack.enter_context(connected(self._ray, self.address, workers))
            uses_gpu = self.device.type == "cuda"
            demand = demand_of(self._ray.nodes(), uses_gpu, workers, torch.get_num_threads())
            self.count = demand.workers
            self._pickled = self._ray.put(self._ray.cloudpickle.dumps(self.predictor_on))
            kind = self._ray.remote(_Worker).options(
                num_cpus=demand.cpus,
                num_gpus=demand.gpus,
                scheduling_strategy="SPREAD",
                max_restarts=_RESTARTS,
                max_task_retries=_ATTEMPTS - 1,
            )
            device = "cuda:0" if demand.gpus else "cpu"
            state = ProcessState.here()
            # In a list, so that Ray passes the reference on; a restarted worker needs it again.
            reference = [self._pickled]
            self._actors = [kind.remote(state, reference, device) for _ in range(self.count)]
            self._connection = stack.pop_all()
        logger.info("%s", demand)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            left = [actor.leave.remote() for actor in self._actors]
            self._ray.wait(left, num_returns=len(left), timeout=_SECONDS_TO_LEAVE)
        for actor in self._actors:
            self._ray.kill(actor)
        self._connection.close()

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run jobs, which are taken a few ahead, and yield their outcomes in order.

        `ray.util.ActorPool` would keep a worker idle until all outcomes before its own are taken.

        Raises:
            TerraTorchError: If workers die again and again.
        """
        numbered = enumerate(jobs)
        idle = deque(self._actors)
        running: dict[Any, tuple[int, Any, Job]] = {}  # by the reference to the outcome
        done: dict[int, Outcome] = {}
        following = 0
        while True:
            while idle and len(running) + len(done) < _AHEAD * self.count:
                item = next(numbered, None)
                if item is None:
                    break
                actor = idle.popleft()
                running[actor.run.remote(item[1])] = (item[0], actor, item[1])
            if following in done:
                yield done.pop(following)
                following += 1
            elif not running:
                return
            else:
                for reference in self._ready(list(running)):
                    number, actor, job = running.pop(reference)
                    done[number] = self._outcome(reference, job)
                    idle.append(actor)

    def _ready(self, references: list[Any]) -> list[Any]:
        ready, _ = self._ray.wait(references, timeout=_SECONDS_BETWEEN_MESSAGES)
        if not ready:
            logger.info("Waiting for Ray workers: `ray status` shows whether there is room.")
        return list(ready)

    def _outcome(self, reference: Any, job: Job) -> Outcome:
        exceptions = self._ray.exceptions
        outcome: Outcome
        try:
            outcome, was_restarted = self._ray.get(reference)
        except exceptions.RayTaskError as error:  # of what it runs
            raise (error.cause or error) from error
        except exceptions.RayError as error:
            scene = job.scenes[0].path if job.scenes else "the start"
            raise TerraTorchError(
                f"Ray workers at {scene}",
                f"{_ATTEMPTS} died one after the other ({first_line(error)})",
                "They may be out of memory: use fewer --workers or a smaller batch_size. See "
                "also the log files of Ray.",
            ) from error
        if was_restarted:
            logger.warning("A Ray worker died and is replaced; what it was doing runs again.")
        return outcome
