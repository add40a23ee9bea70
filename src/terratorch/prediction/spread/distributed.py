"""Spread a prediction over workers: segments go out, and their rows come back in order.

The process that sends the segments writes all maps. Batches differ from those of one process, so
scores may differ in their last bits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Protocol

from terratorch.geo.virtual_files import read_virtual_files
from terratorch.logs import log_once
from terratorch.prediction.outputs.base import TakeRows
from terratorch.prediction.scenes.planned_scene import PlannedScene, ScenePredictor
from terratorch.prediction.scenes.scene_stream import Outlet
from terratorch.prediction.spread.segment_run import Job, Message, Outcome
from terratorch.prediction.spread.segments import Segment, cut

_SEGMENTS_EACH = 4  # of a worker, at least, if there are as many tiles: so that all end together
_BATCHES = 4  # of a segment, at least
_PIXELS = 8 * 2**20  # of a segment: 8 MB of class ids


class Workers(Protocol):
    """What runs segments.

    Attributes:
        count: How many run at the same time.
    """

    count: int

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run jobs, which are taken a few ahead, and yield their outcomes in order."""
        ...


class SpreadGroup:
    """Runs scenes on workers, in place of `run_group`.

    Args:
        start: Starts the workers, when there is work.
    """

    def __init__(self, start: Callable[[], Workers]) -> None:
        self._start = start

    @cached_property
    def workers(self) -> Workers:
        """The workers; they hold what turns files into maps."""
        return self._start()

    def __call__(
        self, planned: Sequence[PlannedScene], predictor: ScenePredictor, outlet: Outlet
    ) -> None:
        """Run scenes.

        Args:
            planned: The scenes.
            predictor: What turns files into maps; the workers have their own.
            outlet: Where the prediction goes.
        """
        group = _Group(planned, outlet)
        segments = segments_of(planned, self.workers.count)
        jobs = (group.job(segment) for segment in segments)
        for segment, outcome in zip(segments, self.workers.run(jobs), strict=True):
            self._log(outcome.messages)
            group.take(segment, outcome)

    def _log(self, messages: Sequence[Message]) -> None:
        """Log once what every worker logs once."""
        for message in messages:
            log_once(
                logging.getLogger(message.logger),
                message.level,
                "%s",
                message.text,
                key=(message.logger, message.template),
                owner=self,
            )


def segments_of(planned: Sequence[PlannedScene], workers: int) -> list[Segment]:
    """Cut scenes into segments for some workers."""
    batch_size = planned[0].parameters.tiles_at_once
    total = sum(scene.count for scene in planned)
    tiles = max(total // (_SEGMENTS_EACH * workers), _BATCHES * batch_size)
    return cut([scene.extent for scene in planned], tiles, _PIXELS)


class _Group:
    """Scenes on their way to the outlet."""

    def __init__(self, planned: Sequence[PlannedScene], outlet: Outlet) -> None:
        self.planned, self.outlet = planned, outlet
        self.failed: set[int] = set()
        self._takes: dict[int, TakeRows] = {}
        self._virtual_files = read_virtual_files(scene.path for scene in planned)

    def job(self, segment: Segment) -> Job:
        """Return a segment as a worker takes it, without scenes that have failed."""
        parts = tuple(part for part in segment.parts if part.scene not in self.failed)
        scenes = tuple(self.planned[part.scene].for_workers() for part in parts)
        paths = self._virtual_files.keys() & {scene.path for scene in scenes}
        virtual_files = {path: self._virtual_files[path] for path in paths}
        return Job(parts, scenes, virtual_files)

    def take(self, segment: Segment, outcome: Outcome) -> None:
        """Pass on the outcome of a segment."""
        for index, error in outcome.failures.items():
            if index not in self.failed:
                self.failed.add(index)
                self.outlet.fail(self.planned[index].path, error)
        if outcome.error is not None:
            raise outcome.error
        for packed in outcome.rows:
            if packed.scene not in self.failed:
                if packed.scene not in self._takes:
                    self._takes[packed.scene] = self.outlet.take(self.planned[packed.scene])
                self._takes[packed.scene](packed.rows)
        self.outlet.on_tiles(segment.tiles)
