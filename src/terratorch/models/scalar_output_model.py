"""The model of tasks that predict something for a whole image."""

from __future__ import annotations

from terratorch.models.encoder_decoder_model import EncoderDecoderModel


class ScalarOutputModel(EncoderDecoderModel):
    """Predict logits `(B, classes)` or values `(B, outputs)` for a whole image."""
