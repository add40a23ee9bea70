"""The base of decoders, and what they declare of the features they need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import nn

from terratorch.contracts.features import ANYTHING, Needs


class Decoder(nn.Module):
    """The base of the decoders; a user's own need not inherit from it.

    The first argument of a decoder is the channels of its features. It has `out_channels: int` and
    turns a list of features into one.
    """

    needs: ClassVar[Needs] = ANYTHING
    # Whether its first argument is the channels of its features.
    takes_channels: ClassVar[bool] = True
    # Whether its output is the prediction; `head_argument` then sets the output channels.
    includes_head: ClassVar[bool] = False
    head_argument: ClassVar[str] = "num_classes"

    @classmethod
    def needs_with(cls, arguments: Mapping[str, object]) -> Needs:
        """Return what the decoder needs if it is built with these arguments."""
        return cls.needs


def needs_of(decoder: object, arguments: Mapping[str, object]) -> Needs:
    """Return what a decoder, its class or its builder declares that it needs; default anything."""
    if isinstance(decoder, Decoder) or (isinstance(decoder, type) and issubclass(decoder, Decoder)):
        return decoder.needs_with(arguments)
    declared = getattr(decoder, "needs", None)
    return declared if isinstance(declared, Needs) else ANYTHING
