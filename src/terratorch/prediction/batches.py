"""Read images whole, in batches, without a data module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, get_worker_info

from terratorch.contracts.input_spec import InputSpec
from terratorch.datasets.facts import GivenFacts
from terratorch.datasets.scenes.prediction_dataset import PredictionBatches, PredictionDataset
from terratorch.errors import TerraTorchError


def read_batches(
    paths: Sequence[Path],
    input_spec: InputSpec,
    batch_size: int = 1,
    num_workers: int = 0,
    given_facts: GivenFacts | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield batches of images as data sets read them, not normalised.

    Args:
        paths: The files.
        input_spec: How they are read.
        batch_size: Images in a batch; a batch also ends where the size of images changes.
        num_workers: Processes that read; 0 reads in this process.
        given_facts: Dates and location that replace those of the files.

    Raises:
        DataError: If an image cannot be read.
    """
    batches = PredictionBatches(PredictionDataset(paths, input_spec, given_facts), batch_size)
    loader: Iterable[Any] = (batches[index] for index in range(len(batches)))
    if num_workers:
        loader = DataLoader(
            batches,
            num_workers=num_workers,
            collate_fn=_only_item,
            worker_init_fn=_deliver_errors,
        )
    for batch in loader:
        if isinstance(batch, TerraTorchError):
            raise batch
        yield batch


def _only_item(items: list[Any]) -> Any:
    return items[0]


def _deliver_errors(_worker: int) -> None:
    """Let the data set return errors instead of raising, which would lose their type."""
    info = get_worker_info()
    assert info is not None, "it runs in a worker"
    info.dataset.deliver_errors = True  # type: ignore[attr-defined]  # of `PredictionBatches`
