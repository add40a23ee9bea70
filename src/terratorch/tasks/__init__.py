"""Lightning tasks: a life cycle around a model and an objective. They are imported at first use."""

from __future__ import annotations

from typing import Any

from terratorch.registry import TASK_REGISTRY, builtin

__all__ = sorted(builtin.TASKS)


def __getattr__(name: str) -> Any:
    if name in builtin.TASKS:
        return TASK_REGISTRY[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
