"""argparse with our errors: for an unknown option the message names the closest ones."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from terratorch.errors import ArgumentNameError, ConfigurationError, did_you_mean


class OptionParser(argparse.ArgumentParser):
    """A parser that raises our errors instead of ending the process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def error(self, message: str) -> NoReturn:
        """Raise the error of the arguments as our error."""
        unknown = re.search(r"unrecognized arguments: (\S+)", message)
        if unknown is None:
            raise ConfigurationError(self.prog, message, f"See: {self.prog} --help")
        name = unknown[1].partition("=")[0]
        advice = did_you_mean(name, self._option_string_actions) or f"See: {self.prog} --help"
        raise ArgumentNameError(f"option '{name}'", f"is not known to {self.prog}", advice)
