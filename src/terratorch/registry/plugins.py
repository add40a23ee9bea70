"""Third parties' code: entry points, and the folder of custom modules that the user names.

Nothing is ever imported from the current directory because it happens to be there.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from terratorch.errors import MissingFileError

ENTRY_POINT_GROUP = "terratorch.plugins"
CUSTOM_MODULES_VARIABLE = "TERRATORCH_CUSTOM_MODULE_PATH"

_loaded: set[str] = set()


def load_plugins() -> None:
    """Import plug-ins, which register their parts: entry points, and the folder of the variable.

    Each is imported once; an error inside a plug-in surfaces unchanged.
    """
    import importlib.metadata  # takes half of the time of importing the registry

    for entry_point in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
        if entry_point.value not in _loaded:
            _loaded.add(entry_point.value)
            entry_point.load()
    folder = os.environ.get(CUSTOM_MODULES_VARIABLE)
    if folder:
        load_custom_modules(folder)


def load_custom_modules(path: str | os.PathLike[str]) -> None:
    """Import the user's own modules, so that what they register can be used by name.

    A folder that is a package is imported as such; every module of any other folder is imported
    under its own name, sub-packages included; a single file is imported as a module.

    Args:
        path: A folder with Python modules, or one file.

    Raises:
        MissingFileError: If there is no such folder or file, or nothing to import in it.
    """
    folder = Path(path).expanduser().resolve()
    if str(folder) in _loaded:
        return
    names = _importable(folder)
    if not names:
        raise MissingFileError(
            f"custom_modules_path '{path}'",
            "has no Python module" if folder.exists() else "does not exist",
            "Give a folder that holds .py files, or one .py file.",
        )
    _loaded.add(str(folder))
    is_package = folder.is_file() or (folder / "__init__.py").exists()
    root = str(folder.parent if is_package else folder)
    if root not in sys.path:
        sys.path.insert(0, root)
    for name in names:
        importlib.import_module(name)


def _importable(folder: Path) -> list[str]:
    if folder.suffix == ".py" and folder.is_file():
        return [folder.stem]
    if (folder / "__init__.py").exists():
        return [folder.name]
    modules = [file.stem for file in folder.glob("*.py")]
    packages = [file.parent.name for file in folder.glob("*/__init__.py")]
    return sorted(modules + packages)
