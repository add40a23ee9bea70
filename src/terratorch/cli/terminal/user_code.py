"""The user's own code: imported before anything looks for it, and shown where it fails."""

from __future__ import annotations

import site
import sysconfig
import traceback
from functools import cache
from pathlib import Path

import terratorch
from terratorch.registry import load_custom_modules, load_plugins

_SPAN = 12


def load_user_code(custom_modules_path: str | None) -> None:
    """Import plug-ins, and the modules of the user's own, so that what they register is known.

    Args:
        custom_modules_path: A folder or file; that of the environment variable comes besides.

    Raises:
        MissingFileError: If it is not there, or has no modules.
    """
    load_plugins()
    if custom_modules_path is not None:
        load_custom_modules(custom_modules_path)


@cache
def _foreign_roots() -> tuple[str, ...]:
    """Folders whose code is not the user's: ours, the standard library's, installed packages'."""
    paths = sysconfig.get_paths()
    roots = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
    roots |= {*site.getsitepackages(), site.getusersitepackages()}
    roots.add(str(Path(terratorch.__file__).parent))
    return tuple(str(Path(root).resolve()) for root in roots)


def is_own(filename: str) -> bool:
    """Whether a file of a traceback is the user's own."""
    if filename.startswith("<"):  # frozen importlib, generated code
        return False
    path = Path(filename).resolve()
    # The console script itself lies beside the interpreter.
    return not any(path.is_relative_to(root) for root in _foreign_roots())


def own_frames(error: BaseException) -> str:
    """Format the frames of a traceback that are the user's own code; empty where there are none."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if is_own(frame.filename)
    ]
    return "".join(traceback.format_list(frames[-_SPAN:]))
