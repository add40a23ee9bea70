"""Optional packages: one helper that imports them, or names the command that installs them."""

from __future__ import annotations

import importlib
from types import ModuleType

from terratorch.errors import MissingDependencyError


def import_optional(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional package.

    Args:
        module: The module to import, such as `geopandas`.
        extra: The extra of `pyproject.toml` that brings it.
        purpose: What it is needed for, as it ends the sentence "... is needed to".

    Raises:
        MissingDependencyError: If it is not installed. An error inside it surfaces unchanged.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise MissingDependencyError(
            f"The package '{module.split('.')[0]}' is needed to {purpose}",
            "it is not installed",
            f'Install it with: pip install "terratorch[{extra}]"',
        ) from error
