"""A decoder and the head behind it: what they declare, and how they are built."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import nn

from terratorch.contracts.features import FeatureSpec, Needs
from terratorch.errors import ConfigurationError
from terratorch.models.arguments import ArgumentCheck, constructor_of
from terratorch.models.config import Arguments, PartConfig
from terratorch.models.decoders.base import needs_of
from terratorch.models.task_heads import TaskHead
from terratorch.models.wiring import check_joint
from terratorch.registry import DECODER_REGISTRY, MultiSourceRegistry


def build_part(registry: MultiSourceRegistry, part: PartConfig, *args: Any) -> nn.Module:
    """Build a part by its name, or return the module that was given.

    Args:
        registry: Where the name is looked up.
        part: The name or the module, and its arguments.
        args: What the constructor gets before these.

    Raises:
        ConfigurationError: If there are arguments for a module that is built already.
    """
    if isinstance(part.choice, str):
        try:
            built: nn.Module = registry.build(part.choice, *args, **part.arguments)
        except (TypeError, ValueError) as error:
            written = ", ".join(f"{name}={value!r}" for name, value in part.arguments.items())
            error.add_note(f"While building the {registry.kind} '{part.label}' with {written}")
            raise
        return built
    if part.arguments:
        raise ConfigurationError(
            f"{registry.kind} {part.label}",
            f"is a module already, which cannot use {', '.join(part.arguments)}",
            "Leave the arguments out, or give the name of a registered class.",
        )
    return part.choice


@dataclass(frozen=True)
class DecoderPart:
    """A decoder and its head, as they are configured.

    Attributes:
        part: The decoder.
        head: Arguments of the head.
        path: What the names of the arguments begin with in messages.
    """

    part: PartConfig
    head: Arguments
    path: str = ""

    @cached_property
    def constructor(self) -> Any:
        """What builds the decoder; None where its source does not tell, or it is built."""
        name = self.part.choice
        return constructor_of(DECODER_REGISTRY, name) if isinstance(name, str) else None

    @property
    def _declaring(self) -> Any:
        return self.constructor if isinstance(self.part.choice, str) else self.part.choice

    @property
    def needs(self) -> Needs:
        """What the decoder needs of the features."""
        return needs_of(self._declaring, self.part.arguments)

    @property
    def takes_channels(self) -> bool:
        """Whether the first argument of the decoder is the channels of its features."""
        return bool(getattr(self._declaring, "takes_channels", True))

    @property
    def head_argument(self) -> str:
        """The argument that says how many channels a decoder with a head gives."""
        argument: str = getattr(self._declaring, "head_argument", "num_classes")
        return argument

    @property
    def brings_head(self) -> bool:
        """Whether the output of the decoder is the prediction.

        One that is told itself how many channels to give is followed by a head all the same:
        weights of such models have one.
        """
        declares = bool(getattr(self._declaring, "includes_head", False))
        return declares and self.head_argument not in self.part.arguments

    def compare(self, check: ArgumentCheck, wanted: TaskHead) -> None:
        """Compare the arguments with the signatures of decoder and head."""
        supplied = [self.head_argument]
        check.compare(
            f"{self.path}decoder_",
            self.part.arguments,
            self.constructor,
            supplied,
            first=int(self.takes_channels),
        )
        if not self.brings_head:
            check.compare(f"{self.path}head_", self.head, wanted.head, [wanted.size_argument])

    def build(
        self, spec: FeatureSpec, size: int | None, wanted: TaskHead, origin: str
    ) -> tuple[nn.Module, nn.Module | None]:
        """Build decoder and head; the head is None where the decoder brings it.

        Args:
            spec: The features that the decoder gets.
            size: Channels of the prediction, where the head's arguments do not say.
            wanted: The row of the task.
            origin: What gives the features, for messages.

        Raises:
            ConfigurationError: If the features do not fit, or something is missing or not used.
        """
        check_joint(spec, self.needs, self.part.label, origin)
        own = self.head.get(wanted.size_argument, size)
        if size not in (own, None, wanted.default_size):
            raise ConfigurationError(
                f"model_args.{self.path}head_{wanted.size_argument}",
                f"is {own}, but {wanted.size_argument} is {size}",
                "Leave it out: all heads give the same.",
            )
        size = own
        if size is None:
            raise ConfigurationError(
                f"model_args.{wanted.size_argument}", "is missing", "Say how many there are."
            )
        if self.brings_head:
            return self._build_with_head(spec, size), None
        decoder = self._build(spec, self.part)
        channels = getattr(decoder, "out_channels", None)
        if not isinstance(channels, int):
            raise ConfigurationError(
                f"decoder '{self.part.label}'",
                "has no number out_channels",
                "Set self.out_channels, or includes_head = True if its output is the prediction.",
            )
        assert wanted.head is not None
        return decoder, wanted.head(channels, **{**self.head, wanted.size_argument: size})

    def _build_with_head(self, spec: FeatureSpec, size: int) -> nn.Module:
        if self.head:
            raise ConfigurationError(
                f"decoder '{self.part.label}'",
                f"includes its head, so that nothing uses head_{', head_'.join(self.head)}",
                "Leave these arguments out.",
            )
        if not isinstance(self.part.choice, str):
            return self._build(spec, self.part)
        sized = {**self.part.arguments, self.head_argument: size}
        return self._build(spec, PartConfig(self.part.choice, sized))

    def _build(self, spec: FeatureSpec, part: PartConfig) -> nn.Module:
        channels = [list(spec.channels)] if self.takes_channels else []
        return build_part(DECODER_REGISTRY, part, *channels)
