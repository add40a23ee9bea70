"""The registered Prithvi models as functions; see `terratorch.models.backbones.prithvi`."""

from terratorch.models.backbones.prithvi.variants import AUTOENCODERS, ENCODERS
from terratorch.registry.registry import Constructor


def __getattr__(name: str) -> Constructor:
    for family in (ENCODERS, AUTOENCODERS):
        if name in family:
            return family[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
