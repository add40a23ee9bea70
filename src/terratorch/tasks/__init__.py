"""Lightning tasks: each only its criterion, its prediction and its metrics.

The tasks are imported when they are asked for.
"""

from __future__ import annotations

from typing import Any

from terratorch.registry import TASK_REGISTRY, builtin

__all__ = sorted(builtin.TASKS)


def __getattr__(name: str) -> Any:
    if name in builtin.TASKS:
        return TASK_REGISTRY[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
