"""Reading ahead and writing behind keep the order and carry errors; progress is told in a log."""

import threading

import pytest

from terratorch.prediction.scenes import progress
from terratorch.prediction.scenes.progress import TileProgress
from terratorch.tiles.threads import WriteBehind, read_ahead


def test_items_are_made_ahead_in_another_thread_and_in_order():
    made = []

    def items():
        for number in range(5):
            made.append((number, threading.current_thread()))
            yield number

    assert list(read_ahead(items(), 2)) == [0, 1, 2, 3, 4]
    assert all(thread is not threading.main_thread() for _, thread in made)
    assert list(read_ahead(items(), 0)) == [0, 1, 2, 3, 4]


def test_an_error_while_reading_comes_after_the_items_before_it():
    def items():
        yield 1
        raise OSError("gone")

    seen = []
    with pytest.raises(OSError, match="gone"):
        seen.extend(read_ahead(items(), 3))
    assert seen == [1]


def test_calls_are_made_in_order_and_few_wait():
    done = []
    with WriteBehind(2) as write:
        for number in range(20):
            write(done.append, number)
            assert number - len(done) <= 3
    assert done == list(range(20))


def test_an_error_while_writing_is_raised_at_the_end():
    def fail():
        raise OSError("full")

    with pytest.raises(OSError, match="full"), WriteBehind(2) as write:
        write(fail)


def test_a_log_file_gets_a_line_now_and_then(monkeypatch, caplog):
    caplog.set_level("INFO", "terratorch")
    clock = iter([0.0, 10.0, 40.0, 50.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with TileProgress(100) as tiles:
        for _ in range(3):
            tiles(20)
    assert [record.getMessage() for record in caplog.records] == [
        "40 of 100 tiles, 1.0 tiles/s, 60 s left"
    ]


def test_nothing_is_said_of_the_time_left_before_a_tile_is_done(monkeypatch, caplog):
    caplog.set_level("INFO", "terratorch")
    clock = iter([0.0, 40.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    TileProgress(100)(0)
    assert not caplog.records
