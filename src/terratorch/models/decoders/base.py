"""What a decoder is, and what it declares of the features it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from terratorch.contracts.features import ANYTHING, Needs


class Decoder(nn.Module):
    """The base of the decoders; a user's own need not inherit from it.

    A decoder gets the channels of its features first, has `out_channels: int`, and turns a list of
    features into one.
    """

    needs: ClassVar[Needs] = ANYTHING
    # Its first argument is the channels of its features.
    takes_channels: ClassVar[bool] = True
    # Its output is the prediction; `head_argument` then says how many channels that has.
    includes_head: ClassVar[bool] = False
    head_argument: ClassVar[str] = "num_classes"

    @classmethod
    def needs_given(cls, arguments: Mapping[str, Any]) -> Needs:
        """Return what the decoder needs when it is built with these arguments."""
        return cls.needs


def needs_of(decoder: Any, arguments: Mapping[str, Any]) -> Needs:
    """Return what a decoder, its class or its builder declares to need; by default anything."""
    if isinstance(decoder, Decoder) or (isinstance(decoder, type) and issubclass(decoder, Decoder)):
        return decoder.needs_given(arguments)
    declared = getattr(decoder, "needs", None)
    return declared if isinstance(declared, Needs) else ANYTHING
