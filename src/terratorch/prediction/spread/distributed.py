"""Spread a prediction over workers: segments go out, and their rows come back in order.

Workers run the same plan in the same batches as one process does, and the process that sends the
segments out writes all maps, so that the result is the same, bit for bit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

from terratorch.errors import NotANumberError
from terratorch.geo.virtual_files import read_virtual_files
from terratorch.logs import log_once
from terratorch.prediction.outputs.base import TakeRows
from terratorch.prediction.scenes.planned_scene import PlannedScene, ScenePredictor
from terratorch.prediction.scenes.scene_stream import Outlet
from terratorch.prediction.spread.segment_run import Job, Message, Outcome
from terratorch.prediction.spread.segments import Part, Segment, cut
from terratorch.tiles.batch_size import SplittingForward

_SEGMENTS_EACH = 4  # of a worker, at least, where there are so many tiles: that all end together
_BATCHES = 4  # of a segment, at least: the first and the last may run in two
_PIXELS = 8 * 2**20  # of a segment: 8 MB of class ids
_AHEAD = 2  # segments for each worker that run, or wait until the rows before are written


class Workers(Protocol):
    """What runs segments.

    Attributes:
        count: How many run at the same time.
    """

    count: int

    def submit(self, number: int, job: Job) -> None:
        """Have a segment run; those of lower numbers go first."""
        ...

    def outcome(self, number: int) -> Outcome:
        """Wait for a segment, and return what came of it."""
        ...


class SpreadGroup:
    """Runs scenes on workers, in place of `run_group`.

    Args:
        start: Starts the workers, once there is something to do.
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
        """Run scenes whose tiles share batches.

        Args:
            planned: The scenes.
            predictor: What turns files into maps; the workers have their own.
            outlet: Where the prediction goes.
        """
        group = _Group(planned, outlet, isinstance(predictor.forward, SplittingForward))
        workers = self.workers
        segments = segments_of(planned, workers.count)
        sent: dict[int, Job] = {}
        for number, segment in enumerate(segments):
            ahead = min(number + _AHEAD * workers.count, len(segments))
            for later in range(number + len(sent), ahead):
                sent[later] = group.job(segments[later])
                workers.submit(later, sent[later])
            outcome = workers.outcome(number)
            job = group.job(segment)
            if group.is_outdated(sent.pop(number), job):
                workers.submit(number, job)
                outcome = workers.outcome(number)
            self._say(outcome.messages)
            group.take(segment, outcome)

    def _say(self, messages: Sequence[Message]) -> None:
        """Say once what every worker says once."""
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
    """Cut scenes whose tiles share batches into segments for some workers."""
    batch_size = planned[0].parameters.tiles_at_once
    total = sum(scene.count for scene in planned)
    tiles = max(total // (_SEGMENTS_EACH * workers), _BATCHES * batch_size)
    extents = [scene.extent for scene in planned]
    return cut(extents, batch_size, tiles, _PIXELS)


class _Group:
    """Scenes on their way to the outlet."""

    def __init__(self, planned: Sequence[PlannedScene], outlet: Outlet, splits: bool) -> None:
        self.planned, self.outlet, self.splits = planned, outlet, splits
        self.failed: set[int] = set()
        self.unreadable: set[int] = set()
        self._takes: dict[int, TakeRows] = {}
        self._virtual_files = read_virtual_files(scene.path for scene in planned)

    def job(self, segment: Segment) -> Job:
        """Return a segment as a worker takes it, with what is known of its scenes."""
        indexes = [part.scene for part in segment.parts]
        scenes = tuple(self.planned[index].for_workers() for index in indexes)
        # In one process only tiles that cannot be read are left out of batches with others.
        is_shared = not self.failed.issuperset(indexes)
        left_out = frozenset((self.unreadable if is_shared else self.failed).intersection(indexes))
        paths = self._virtual_files.keys() & {scene.path for scene in scenes}
        virtual_files = {path: self._virtual_files[path] for path in paths}
        return Job(segment.parts, scenes, left_out, self.splits, virtual_files)

    def is_outdated(self, sent: Job, job: Job) -> bool:
        """Whether a scene has failed since a segment was sent out, with which others share batches.

        In one process its tiles would have been left out of these batches.
        """
        return sent.failed != job.failed and self._is_wanted(job.parts)

    def _is_wanted(self, parts: Sequence[Part]) -> bool:
        return not self.failed.issuperset(part.scene for part in parts if part.is_wanted)

    def take(self, segment: Segment, outcome: Outcome) -> None:
        """Hand on what came of a segment."""
        for index, error in outcome.failures.items():
            if index not in self.failed:
                self.failed.add(index)
                if not isinstance(error, NotANumberError):
                    self.unreadable.add(index)
                self.outlet.fail(self.planned[index].path, error)
        if outcome.error is not None:
            raise outcome.error
        for packed in outcome.rows:
            if packed.scene not in self.failed:
                if packed.scene not in self._takes:
                    self._takes[packed.scene] = self.outlet.take(self.planned[packed.scene])
                self._takes[packed.scene](packed.rows)
        self.outlet.on_tiles(segment.tiles)
