"""Messages that are logged once, however often their cause recurs."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from weakref import WeakKeyDictionary

_logged: WeakKeyDictionary[object, set[Hashable]] = WeakKeyDictionary()


def log_once(
    logger: logging.Logger,
    level: int,
    message: str,
    *args: object,
    key: Hashable = None,
    owner: object = None,
) -> None:
    """Log a message unless it has been logged before.

    Args:
        logger: The logger of the calling module.
        level: Such as `logging.WARNING`.
        message: The message, with placeholders for `args`.
        *args: Values for the placeholders.
        key: What makes two messages the same; by default the text before `args` are filled in.
        owner: An object: the message is logged again for another one. By default it is logged once
            in a process.
    """
    if _is_new(logger if owner is None else owner, message if key is None else key):
        logger.log(level, message, *args, stacklevel=2)


def warn_once(
    logger: logging.Logger,
    message: str,
    *args: object,
    key: Hashable = None,
    owner: object = None,
) -> None:
    """Log a warning unless it has been logged before; the arguments are those of `log_once`."""
    if _is_new(logger if owner is None else owner, message if key is None else key):
        logger.warning(message, *args, stacklevel=2)


def _is_new(owner: object, key: Hashable) -> bool:
    """Return whether this is the first call for an owner and a key."""
    keys = _logged.setdefault(owner, set())
    is_new = key not in keys
    keys.add(key)
    return is_new


def forget_messages() -> None:
    """Let every message be logged once more."""
    _logged.clear()
