"""The model of encoder, necks, decoder and head, and of auxiliary heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from terratorch.contracts.features import Freezes, features_of
from terratorch.contracts.images import Images
from terratorch.contracts.model_description import ModelDescription
from terratorch.errors import DataError
from terratorch.models.features import as_list, listed
from terratorch.models.inputs import ModelInput, inputs_of
from terratorch.models.model import Model, ModelOutput
from terratorch.ops.modules import freeze
from terratorch.ops.padding import pad_images


@dataclass
class Parts:
    """The parts of a model, built and fitting.

    Attributes:
        encoder: The backbone.
        necks: The steps between it and the decoders.
        decoder: The decoder, which gets a list of features.
        head: The head; None if the decoder includes it.
        aux_heads: By name, the decoder and the head of each auxiliary prediction.
    """

    encoder: nn.Module
    necks: Sequence[nn.Module]
    decoder: nn.Module
    head: nn.Module | None
    aux_heads: Mapping[str, tuple[nn.Module, nn.Module | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Sizing:
    """How images are padded for the encoder, and predictions resized.

    Attributes:
        patch_size: Side, height and width, or time, height and width of a patch; None: no padding.
        padding: How to pad; see `terratorch.ops.padding.pad_axis`.
        rescale: Resize predictions to the size of the image.
        image_size_out: Height and width to crop predictions to; None: those of the image.
    """

    patch_size: int | Sequence[int] | None = None
    padding: str = "reflect"
    rescale: bool = True
    image_size_out: tuple[int, int] | None = None


def image_size_of(images: Images) -> tuple[int, int]:
    """Return height and width of images, of the first modality if there are several.

    Raises:
        DataError: If they have too few axes.
    """
    candidates = images.values() if isinstance(images, dict) else [images]
    for image in candidates:
        if image.ndim > 3:
            return image.shape[-2], image.shape[-1]
    shapes = [tuple(image.shape) for image in candidates]
    raise DataError(
        "image", f"has the shape {', '.join(map(str, shapes))}", "Models take batches (B, C, H, W)."
    )


class EncoderDecoderModel(Model):
    """Encoder, necks, decoder and head, one after the other.

    Args:
        parts: The parts.
        sizing: How images are padded and predictions resized.
        described: What the factory knows of the model.
    """

    def __init__(
        self,
        parts: Parts,
        sizing: Sizing | None = None,
        described: ModelDescription | None = None,
    ) -> None:
        super().__init__()
        self.described = described
        self.encoder = parts.encoder
        self.neck = nn.ModuleList(parts.necks)
        self.decoder = parts.decoder
        self.head = parts.head if parts.head is not None else nn.Identity()
        self.aux_heads = nn.ModuleDict(
            {
                name: nn.Sequential(decoder, nn.Identity() if head is None else head)
                for name, (decoder, head) in parts.aux_heads.items()
            }
        )
        self.sizing = sizing or Sizing()
        self._declared = features_of(parts.encoder)

    @property
    def inputs(self) -> tuple[ModelInput, ...]:
        """The further inputs of the encoder."""
        return inputs_of(self.encoder)

    def freeze_encoder(self) -> None:
        """Exclude the parameters of the encoder from training."""
        # Some backbones keep parameters in training, such as prompts.
        if isinstance(self.encoder, Freezes):
            self.encoder.freeze()
        else:
            freeze(self.encoder)

    def freeze_decoder(self) -> None:
        """Exclude the parameters of necks and decoders from training, auxiliary ones included."""
        freeze(self.neck, self.decoder, *(aux[0] for aux in self._aux()))

    def freeze_head(self) -> None:
        """Exclude the parameters of the heads from training, the auxiliary ones included."""
        freeze(self.head, *(aux[1] for aux in self._aux()))

    def _aux(self) -> list[nn.Sequential]:
        return [aux for aux in self.aux_heads.values() if isinstance(aux, nn.Sequential)]

    def forward(self, x: Images, **kwargs: object) -> ModelOutput:
        """Predict from a batch of images.

        Args:
            x: Images `(B, C, H, W)` or `(B, C, T, H, W)`, or a dictionary of them by modality.
            kwargs: Further inputs of the encoder, such as coordinates.
        """
        features, padded_size = self.features(x, **kwargs)
        size = image_size_of(x)
        output = self._finish(self.head(self.decoder(features)), padded_size, size)
        auxiliary = {
            name: self._finish(aux(features), padded_size, size)
            for name, aux in self.aux_heads.items()
        }
        return ModelOutput(output, auxiliary)

    def features(self, x: Images, **kwargs: object) -> tuple[list[Tensor], tuple[int, int]]:
        """Return the features that the decoder gets, and the size of the padded images."""
        padded = self._pad(x)
        padded_size = image_size_of(padded)
        features = listed(
            self.encoder(padded, **kwargs),
            self._declared,
            type(self.encoder).__name__,
            x if isinstance(x, dict) else (),
        )
        for neck in self.neck:
            features = as_list(neck(features, image_size=padded_size))
        return features, padded_size

    def _pad(self, x: Images) -> Images:
        patch_size, mode = self.sizing.patch_size, self.sizing.padding
        return x if patch_size is None else pad_images(x, patch_size, mode)

    def _finish(
        self, prediction: Tensor, padded_size: tuple[int, int], size: tuple[int, int]
    ) -> Tensor:
        """Return a prediction in its final size and shape."""
        return prediction
