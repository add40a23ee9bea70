"""argparse with our errors: what is misspelt is answered with the closest options."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from terratorch.errors import ArgumentNameError, ConfigurationError, did_you_mean


class OptionParser(argparse.ArgumentParser):
    """A parser that raises our errors instead of leaving the process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments."""
        unknown = re.search(r"unrecognized arguments: (\S+)", message)
        if unknown is None:
            raise ConfigurationError(self.prog, message, f"See: {self.prog} --help")
        name = unknown[1].partition("=")[0]
        cure = did_you_mean(name, self._option_string_actions) or f"See: {self.prog} --help"
        raise ArgumentNameError(f"option '{name}'", f"is not known to {self.prog}", cure)
