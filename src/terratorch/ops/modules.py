"""Modules: freezing, activations by name, layer normalisation of maps."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from terratorch.errors import ConfigurationError, closest


def freeze(*modules: nn.Module) -> None:
    """Exclude all parameters of modules from training."""
    for module in modules:
        module.requires_grad_(False)


def activation(choice: nn.Module | type[nn.Module] | str, argument: str) -> nn.Module:
    """Return an activation: a module unchanged; a class, or its name in `torch.nn`, built.

    Args:
        choice: A module, a class, or a name such as `ReLU` or `torch.nn.ReLU`.
        argument: The argument that holds it, for the error message.

    Raises:
        ConfigurationError: If `torch.nn` has no such module.
    """
    if isinstance(choice, nn.Module):
        return choice
    if isinstance(choice, type):
        return choice()
    name = choice.removeprefix("torch.nn.")
    constructor = getattr(nn, name, None)
    if not (isinstance(constructor, type) and issubclass(constructor, nn.Module)):
        near = closest(name, _module_names())
        raise ConfigurationError(
            argument,
            f"'{choice}' is not a module of torch.nn",
            f"Did you mean {' or '.join(near)}?" if near else "Give its name, such as ReLU.",
        )
    return constructor()


def _module_names() -> Iterable[str]:
    return (name for name, value in vars(nn).items() if isinstance(value, type))


class ChannelNorm(nn.Module):
    """Layer normalisation of maps `(B, C, H, W)` over their channels.

    Args:
        channels: Channels of the maps.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.ln = nn.LayerNorm(channels, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps, normalised."""
        normalised: Tensor = self.ln(x.movedim(1, -1))
        return normalised.movedim(-1, 1)
