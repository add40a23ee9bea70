"""The contracts of models and of their factories."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from terratorch.contracts.model_description import ModelDescription


@dataclass
class ModelOutput:
    """What the forward of a model returns.

    Attributes:
        output: The prediction: logits `(B, classes, H, W)` of a segmentation, values `(B, H, W)` of
            a regression, logits `(B, classes)` of a classification.
        auxiliary_heads: The predictions of auxiliary heads by name, where the model has any.
    """

    output: Tensor
    auxiliary_heads: dict[str, Tensor] | None = None


@dataclass
class ReconstructionOutput:
    """What the forward of a masked autoencoder returns.

    Attributes:
        loss: The reconstruction loss over the masked patches.
        pred: The reconstruction, of the shape of the input.
        mask: 1 for masked pixels, 0 for others.
    """

    loss: Tensor
    pred: Tensor
    mask: Tensor


@dataclass
class AuxiliaryHead:
    """A further decoder and head on the same features, trained with a separate loss.

    Attributes:
        name: Its name: the key in `ModelOutput.auxiliary_heads` and in `aux_loss`.
        decoder: The name of its decoder in the registry.
        decoder_args: Arguments of its decoder (`decoder_` prefix) and of its head (`head_` prefix).
    """

    name: str
    decoder: str
    decoder_args: dict[str, object] | None


class Model(ABC, nn.Module):
    """The base of every model that a task can train.

    Arguments of the constructor go to `nn.Module`.

    Attributes:
        described: The description by the factory; None if none of our factories built it.
    """

    described: ModelDescription | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    @abstractmethod
    def freeze_encoder(self) -> None:
        """Exclude the parameters of the encoder from training."""

    @abstractmethod
    def freeze_decoder(self) -> None:
        """Exclude the parameters of the decoder from training."""

    def freeze_head(self) -> None:
        """Exclude the parameters of the head from training; do nothing by default."""

    @abstractmethod
    def forward(self, *args: Any, **kwargs: Any) -> ModelOutput:
        """Predict from a batch of images `(B, C, H, W)` or `(B, C, T, H, W)`."""


class ModelFactory(ABC):
    """The base of model factories; any class with a `build_model` is accepted."""

    @abstractmethod
    def build_model(self, *args: Any, **kwargs: Any) -> Model:
        """Build a model from the arguments of a configuration."""
