"""The user's own code: import it before a name is looked up, and show its frames in errors."""

from __future__ import annotations

import site
import sysconfig
import traceback
from functools import cache
from pathlib import Path

import terratorch
from terratorch.registry import load_custom_modules, load_plugins

_MOST_FRAMES = 12


def load_user_code(custom_modules_path: str | None) -> None:
    """Import plug-ins and the user's modules, so that the names they register are known.

    Args:
        custom_modules_path: A folder or file, in addition to the environment variable's.

    Raises:
        MissingFileError: If it does not exist, or has no modules.
    """
    load_plugins()
    if custom_modules_path is not None:
        load_custom_modules(custom_modules_path)


@cache
def _foreign_roots() -> tuple[str, ...]:
    """Return the folders of our code, the standard library, and installed packages."""
    paths = sysconfig.get_paths()
    roots = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
    roots |= {*site.getsitepackages(), site.getusersitepackages()}
    roots.add(str(Path(terratorch.__file__).parent))
    return tuple(str(Path(root).resolve()) for root in roots)


def is_users(filename: str) -> bool:
    """Return whether a file of a traceback is the user's own."""
    if filename.startswith("<"):  # frozen importlib, generated code
        return False
    path = Path(filename).resolve()
    # The console script itself is in the folder of the interpreter.
    return not any(path.is_relative_to(root) for root in _foreign_roots())


def user_frames(error: BaseException) -> str:
    """Return the frames of a traceback that are in the user's code, formatted; "" without any."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)
    ]
    return "".join(traceback.format_list(frames[-_MOST_FRAMES:]))
