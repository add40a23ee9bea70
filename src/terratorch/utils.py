"""Public path of the error that a registry raises for a name that it cannot build."""

from terratorch.errors import InvalidModelError

__all__ = ["InvalidModelError"]
