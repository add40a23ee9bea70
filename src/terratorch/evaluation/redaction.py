"""Remove passwords and tokens from a report, since reports are passed on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_SECRET = "token|password|secret|api_?key"
_SECRET_OPTION = re.compile(rf"(?i)(--[\w.-]*(?:{_SECRET})[\w-]*[ =])\S+")
_SECRET_LINE = re.compile(rf"(?im)^(\s*(?:- )?[\w-]*(?:{_SECRET})[\w-]*:)[ \t]+\S.*$")


def without_secrets(configuration: str) -> str:
    """Return a YAML configuration without the values of keys such as `api_key`."""
    return _SECRET_LINE.sub(r"\1 (not shown)", configuration)


def command_of(arguments: Sequence[str]) -> str:
    """Return a command line without the values of options such as `--api_key`."""
    program, *others = arguments
    return _SECRET_OPTION.sub(r"\1(not shown)", " ".join([Path(program).name, *others]))
