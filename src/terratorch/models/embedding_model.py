"""The model that returns the features of a backbone."""

from __future__ import annotations

from torch import Tensor

from terratorch.contracts.images import Images
from terratorch.models.encoder_decoder_model import EncoderDecoderModel


class EmbeddingModel(EncoderDecoderModel):
    """Return the list of features behind the necks, without decoder and head."""

    def forward(self, x: Images, **kwargs: object) -> list[Tensor]:  # type: ignore[override]  # features, not a `ModelOutput`
        """Return the features; there is no prediction that a `ModelOutput` could hold.

        Args:
            x: Images `(B, C, H, W)` or `(B, C, T, H, W)`, or a dictionary of them by modality.
            kwargs: Further inputs of the encoder, such as coordinates.
        """
        features, _ = self.features(x, **kwargs)
        return features
