"""Which frames of a traceback are the user's own code."""

from __future__ import annotations

import site
import sysconfig
import traceback
from functools import cache
from pathlib import Path

import terratorch

_SPAN = 12


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
