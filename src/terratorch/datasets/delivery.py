"""Errors of a data set, passed on from worker processes unchanged.

torch raises an error of a worker again with the traceback of the worker as its text. A loader that
asks for it gets our errors as values instead, and raises them itself: people read one sentence.
"""

from __future__ import annotations

from collections.abc import Sequence

from terratorch.errors import TerraTorchError


class DeliversErrors:
    """Mixed into a data set.

    Attributes:
        deliver_errors: Whether a batch that cannot be read is a list of the one error.
    """

    deliver_errors = False

    def __getitems__(self, indices: Sequence[int]) -> list[object]:
        """Read several samples; torch calls this for a batch."""
        try:
            return [self[index] for index in indices]  # type: ignore[index]  # a Dataset is mixed in
        except TerraTorchError as error:
            if not self.deliver_errors:
                raise
            return [error]
