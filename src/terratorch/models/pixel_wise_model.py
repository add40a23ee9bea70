"""The model of tasks that predict something for every pixel."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from terratorch.models.encoder_decoder_model import EncoderDecoderModel
from terratorch.ops.padding import crop_center


class PixelWiseModel(EncoderDecoderModel):
    """Predict logits `(B, classes, H, W)` or values `(B, outputs, H, W)` for every pixel.

    Predictions are resized to the padded image and cropped to the image.
    """

    def _finish(
        self, prediction: Tensor, padded_size: tuple[int, int], size: tuple[int, int]
    ) -> Tensor:
        if self.sizing.rescale and prediction.shape[-2:] != padded_size:
            prediction = F.interpolate(prediction, size=padded_size, mode="bilinear")
        return crop_center(prediction, self.sizing.image_size_out or size)


class PixelWiseRegressionModel(PixelWiseModel):
    """Predict values `(B, H, W)` for every pixel, or `(B, outputs, H, W)` of several variables."""

    def _finish(
        self, prediction: Tensor, padded_size: tuple[int, int], size: tuple[int, int]
    ) -> Tensor:
        values = super()._finish(prediction, padded_size, size)
        return values.squeeze(1)
