"""Messages that are logged once."""

import gc
import logging

import pytest

from terratorch import logs
from terratorch.logs import forget_messages, log_once, warn_once

logger = logging.getLogger("terratorch.a_module")


class Owner:
    """Something that can be referred to weakly."""


@pytest.fixture
def messages(caplog):
    """Return the texts that were logged so far."""
    caplog.set_level(logging.INFO, logger.name)
    return lambda: [record.getMessage() for record in caplog.records]


def test_a_message_is_logged_once_whatever_its_values(messages):
    for path in ("a.tif", "b.tif"):
        warn_once(logger, "%s: a warning", path)
    warn_once(logger, "another warning")
    assert messages() == ["a.tif: a warning", "another warning"]


def test_a_key_decides_what_is_the_same(messages):
    for size in (1, 2, 2):
        warn_once(logger, "the size is %d", size, key=size)
    assert messages() == ["the size is 1", "the size is 2"]


def test_each_owner_logs_for_itself_and_is_not_kept(messages):
    first, second = Owner(), Owner()
    for owner in (first, second, first):
        log_once(logger, logging.INFO, "once", owner=owner)
    assert messages() == ["once", "once"]
    del first, second, owner
    gc.collect()
    assert not any(isinstance(owner, Owner) for owner in logs._logged)


def test_messages_can_be_forgotten(messages):
    warn_once(logger, "a warning")
    forget_messages()
    warn_once(logger, "a warning")
    assert len(messages()) == 2
