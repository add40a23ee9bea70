"""What the decoders of other packages need: a table, since they cannot declare it."""

from __future__ import annotations

from terratorch.models.features import ANYTHING, MAPS, PYRAMID, Needs

# By source, and by name where one of them differs.
_SOURCES: dict[str, Needs] = {"smp": PYRAMID}
_NAMES: dict[tuple[str, str], Needs] = {("smp", "DPT"): Needs(MAPS.kinds, levels=4)}


def needs_of_source(prefix: str, name: str) -> Needs:
    """Return what a decoder of a source needs.

    Args:
        prefix: The prefix of the source.
        name: The name of the decoder, without it.
    """
    return _NAMES.get((prefix, name), _SOURCES.get(prefix, ANYTHING))
