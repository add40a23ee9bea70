"""Batches that come through memory that is used again are those that torch would give."""

import gc

import pytest
import torch
from torch.utils.data import Dataset, default_collate

from terratorch.datamodules import shared_batches
from terratorch.datamodules.loading import Loader, delivered_error, error_of_sizes
from terratorch.datamodules.shared_batches import (
    BatchReceiver,
    BatchSender,
    SharedBatch,
    SharedCollate,
)


def sample(index, size=6):
    random = torch.Generator().manual_seed(index)
    return {
        "image": torch.rand(2, size, size, generator=random),
        "mask": torch.randint(0, 9, (size, size), generator=random),
        "coordinates": {"time": torch.rand(3, generator=random)},
        "label": index,
        "filename": f"chip_{index}",
    }


class Chips(Dataset):
    def __init__(self, count, size=6):
        self.count, self.size = count, size

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return sample(index, self.size)


def loader(count=12, workers=1, persistent=True, **options):
    collate = SharedCollate(delivered_error)
    return Loader(
        Chips(count),
        batch_size=2,
        num_workers=workers,
        collate_fn=collate,
        persistent_workers=persistent and workers > 0,
        **options,
    )


def assert_equal(found, expected):
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_equal(found[key], expected[key])
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(found, expected)
        assert found.dtype == expected.dtype
    else:
        assert found == expected


def expected_batch(number):
    return default_collate([sample(2 * number), sample(2 * number + 1)])


@pytest.mark.parametrize(("workers", "persistent"), [(0, False), (1, True), (2, False)])
def test_batches_are_those_of_torch_in_every_epoch(workers, persistent):
    batches = loader(workers=workers, persistent=persistent)
    for _ in range(2):
        count = 0
        for number, batch in enumerate(batches):
            assert_equal(batch, expected_batch(number))
            count += 1
        assert count == 6


def test_batches_that_are_kept_stay_as_they_are():
    for number, batch in enumerate(list(loader(count=60))):
        assert_equal(batch, expected_batch(number))


def test_an_epoch_that_is_left_early_gives_its_buffers_back():
    batches = loader(count=12)
    for _ in range(shared_batches._MOST_BUFFERS + 2):
        for number, batch in enumerate(batches):
            assert_equal(batch, expected_batch(number))
            break
    (state,) = batches._receiver._states.values()
    del batch
    gc.collect()
    batches._receiver.start()
    assert state[0].sum() == 0


def test_a_buffer_is_used_again_once_no_tensor_of_its_batch_is_left():
    sender, receiver = BatchSender(), BatchReceiver()
    first = receiver.receive(sender.send([sample(0), sample(1)]))
    part = first["coordinates"]["time"][1:]
    del first
    second = sender.send([sample(2), sample(3)])
    assert second.slot == 1
    assert torch.equal(part[0], sample(1)["coordinates"]["time"])
    del part
    again = sender.send([sample(4), sample(5)])
    assert again.slot == 0
    assert again.buffer is None
    assert len(sender.buffers) == 2
    assert_equal(receiver.receive(again), expected_batch(2))


def test_a_buffer_that_is_too_small_makes_room():
    sender, receiver = BatchSender(), BatchReceiver()
    receiver.receive(sender.send([sample(0), sample(1)]))
    large = receiver.receive(sender.send([sample(0, 20), sample(1, 20)]))
    assert_equal(large, default_collate([sample(0, 20), sample(1, 20)]))
    assert len(sender.buffers) == 1


def test_more_batches_than_buffers_take_the_way_of_torch():
    sender, receiver = BatchSender(), BatchReceiver()
    kept = [
        receiver.receive(sender.send([sample(2 * number), sample(2 * number + 1)]))
        for number in range(shared_batches._MOST_BUFFERS + 1)
    ]
    assert not isinstance(sender.send([sample(0)]), SharedBatch)
    for number, batch in enumerate(kept):
        assert_equal(batch, expected_batch(number))


def test_a_batch_that_got_lost_is_announced_again():
    sender, receiver = BatchSender(), BatchReceiver()
    sender.send([sample(0), sample(1)])
    sender.state[0] = 0  # what start() does for a worker that is known
    assert_equal(receiver.receive(sender.send([sample(2), sample(3)])), expected_batch(1))


class OfTwoSizes(Chips):
    def __getitem__(self, index):
        return sample(index, 6 + index % 2)


def test_samples_of_other_sizes_are_refused_in_a_worker():
    batches = Loader(
        OfTwoSizes(2), batch_size=2, num_workers=1, collate_fn=SharedCollate(error_of_sizes)
    )
    with pytest.raises(ValueError, match="the image is 2 x 7 x 7, but chip_0"):
        list(batches)
