"""A decoder and the head behind it: what they declare, and how to build them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import nn

from terratorch.contracts.features import Features, Needs, channels_of
from terratorch.errors import ConfigurationError
from terratorch.models.arguments import ArgumentCheck, Arguments, constructor_of
from terratorch.models.config import PartConfig
from terratorch.models.decoders.base import needs_of
from terratorch.models.task_heads import TaskHead
from terratorch.models.wiring import check_joint
from terratorch.registry import DECODER_REGISTRY, MultiSourceRegistry
from terratorch.registry.registry import Constructor


def build_part(registry: MultiSourceRegistry, part: PartConfig, *args: object) -> nn.Module:
    """Build a part by its name, or return the module that the user passed.

    Args:
        registry: Where the name is looked up.
        part: The name or the module, and its arguments.
        args: Positional arguments of the constructor.

    Raises:
        ConfigurationError: If there are arguments for a module that is built already.
    """
    if isinstance(part.target, str):
        try:
            built: nn.Module = registry.build(part.target, *args, **part.arguments)
        except (TypeError, ValueError) as error:
            written = ", ".join(f"{name}={value!r}" for name, value in part.arguments.items())
            error.add_note(f"While building the {registry.kind} '{part.label}' with {written}")
            raise
        return built
    if part.arguments:
        raise ConfigurationError(
            f"{registry.kind} {part.label}",
            f"is built already and cannot use {', '.join(part.arguments)}",
            "Remove the arguments, or give the name of a registered class.",
        )
    return part.target


@dataclass(frozen=True)
class DecoderPart:
    """The configuration of a decoder and its head.

    Attributes:
        decoder: The decoder.
        head: Arguments of the head.
        path: YAML path of the arguments, for messages.
    """

    decoder: PartConfig
    head: Arguments
    path: str = ""

    @cached_property
    def constructor(self) -> Constructor | None:
        """The constructor of the decoder; None if unknown, or if the decoder is built already."""
        name = self.decoder.target
        return constructor_of(DECODER_REGISTRY, name) if isinstance(name, str) else None

    @property
    def _declaring(self) -> object:
        return self.constructor if isinstance(self.decoder.target, str) else self.decoder.target

    @property
    def needs(self) -> Needs:
        """What the decoder needs of the features."""
        return needs_of(self._declaring, self.decoder.arguments)

    @property
    def takes_channels(self) -> bool:
        """Whether the first argument of the decoder is the channels of its features."""
        return bool(getattr(self._declaring, "takes_channels", True))

    @property
    def head_argument(self) -> str:
        """The argument for the output channels of a decoder that includes its head."""
        argument: str = getattr(self._declaring, "head_argument", "num_classes")
        return argument

    @property
    def brings_head(self) -> bool:
        """Whether the output of the decoder is the prediction.

        If the user sets its output channels, a head follows all the same: weights of such models
        have one.
        """
        declares = bool(getattr(self._declaring, "includes_head", False))
        return declares and self.head_argument not in self.decoder.arguments

    def compare(self, check: ArgumentCheck, task: TaskHead) -> None:
        """Compare the arguments with the signatures of decoder and head."""
        check.compare(
            f"{self.path}decoder_",
            self.decoder.arguments,
            self.constructor,
            [self.head_argument],
            first=int(self.takes_channels),
        )
        if not self.brings_head:
            check.compare(f"{self.path}head_", self.head, task.head, [task.size_argument])

    def build(
        self, features: Features, size: int | None, task: TaskHead, origin: str
    ) -> tuple[nn.Module, nn.Module | None]:
        """Build decoder and head; the head is None if the decoder includes it.

        Args:
            features: Input of the decoder.
            size: Channels of the prediction, unless the head's arguments set them.
            task: The row of the task.
            origin: What returns the features, for messages.

        Raises:
            ConfigurationError: If the features do not fit, or something is missing or not used.
        """
        check_joint(features, self.needs, self.decoder.label, origin)
        size = self._size(size, task)
        if self.brings_head:
            return self._build_with_head(features, size), None
        decoder = self._build(features, self.decoder)
        channels = getattr(decoder, "out_channels", None)
        if not isinstance(channels, int):
            raise ConfigurationError(
                f"decoder '{self.decoder.label}'",
                "has no number out_channels",
                "Set self.out_channels, or includes_head = True if its output is the prediction.",
            )
        assert task.head is not None
        return decoder, task.head(channels, **{**self.head, task.size_argument: size})

    def _size(self, size: int | None, task: TaskHead) -> int:
        """Return the channels of the prediction."""
        of_head = self.head.get(task.size_argument, size)
        if size not in (of_head, None, task.default_size):
            raise ConfigurationError(
                f"model_args.{self.path}head_{task.size_argument}",
                f"is {of_head}, but {task.size_argument} is {size}",
                "Remove it: all heads predict the same number.",
            )
        if of_head is None:
            raise ConfigurationError(f"model_args.{task.size_argument}", "is missing", "Set it.")
        return int(of_head)

    def _build_with_head(self, features: Features, size: int) -> nn.Module:
        if self.head:
            raise ConfigurationError(
                f"decoder '{self.decoder.label}'",
                f"includes its head, so that nothing uses head_{', head_'.join(self.head)}",
                "Remove these arguments.",
            )
        if not isinstance(self.decoder.target, str):
            return self._build(features, self.decoder)
        sized = {**self.decoder.arguments, self.head_argument: size}
        return self._build(features, PartConfig(self.decoder.target, sized))

    def _build(self, features: Features, part: PartConfig) -> nn.Module:
        channels = [channels_of(features)] if self.takes_channels else []
        return build_part(DECODER_REGISTRY, part, *channels)
