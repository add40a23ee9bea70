"""Read ahead of the model and write behind it, each in a separate thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item], count: int) -> Generator[Item]:
    """Yield items that a thread makes while the ones before are in use.

    An error of the thread is raised here, in its place among the items. Who stops before the end
    closes what is returned: then nothing is made any more.

    Args:
        items: Advanced in the thread only.
        count: How many are made ahead, at most; 0 makes them without a thread.
    """
    if count == 0:
        yield from items
        return
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, "read") as thread:
        ready = deque(thread.submit(next, iterator, end) for _ in range(count))
        while True:
            item = ready.popleft().result()
            if item is end:
                return
            ready.append(thread.submit(next, iterator, end))
            yield item  # type: ignore[misc]  # it is not `end`
            del item  # not held while waiting for the next


class WriteBehind:
    """Calls functions one after the other in a thread; use it as a context manager.

    An error of the thread is raised by the next call, or when the block ends.

    Args:
        most: How many calls may wait: more would fill the memory.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._thread = ThreadPoolExecutor(1, "write")
        self._waiting: deque[Future[None]] = deque()

    def __call__(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have a function called; waits while too many do."""
        while len(self._waiting) >= self.most:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(function, *arguments))

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            for call in self._waiting:
                call.result()
