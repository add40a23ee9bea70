"""The factory of models that consist of a backbone, necks, a decoder and a head."""

from __future__ import annotations

import inspect
from dataclasses import replace

from torch import nn

from terratorch.errors import ConfigurationError
from terratorch.models.assembly import build_parts, known_arguments
from terratorch.models.config import aux_configs, read_config
from terratorch.models.description import describe_parts
from terratorch.models.encoder_decoder_model import Sizing
from terratorch.models.model import AuxiliaryHead, Model, ModelFactory
from terratorch.models.pixel_wise_model import PixelWiseModel
from terratorch.models.task_heads import prediction_size, task_head
from terratorch.registry import MODEL_FACTORY_REGISTRY


@MODEL_FACTORY_REGISTRY.register
class EncoderDecoderFactory(ModelFactory):
    """Build a model from the names, or the modules, of its parts."""

    def build_model(
        self,
        task: str,
        backbone: str | nn.Module,
        decoder: str | nn.Module | None = None,
        backbone_kwargs: dict[str, object] | None = None,
        decoder_kwargs: dict[str, object] | None = None,
        head_kwargs: dict[str, object] | None = None,
        num_classes: int | None = None,
        num_outputs: int | None = None,
        necks: list[dict[str, object]] | None = None,
        aux_decoders: list[AuxiliaryHead] | None = None,
        rescale: bool = True,
        image_size_out: tuple[int, int] | None = None,
        peft_config: dict[str, object] | None = None,
        **kwargs: object,
    ) -> Model:
        """Build the model.

        Args:
            task: `segmentation`, `regression`, `classification`, `scalar_regression` or
                `embedding_generation`.
            backbone: A name in `BACKBONE_REGISTRY`, or a module with `out_channels`.
            decoder: A name in `DECODER_REGISTRY`, or a module.
            backbone_kwargs: Arguments of the backbone; or give them with the prefix `backbone_`.
            decoder_kwargs: Arguments of the decoder; or with the prefix `decoder_`.
            head_kwargs: Arguments of the head; or with the prefix `head_`.
            num_classes: Classes, of tasks that have them.
            num_outputs: Variables to predict, of regressions.
            necks: Name and arguments of each neck; by default those that the decoder needs.
            aux_decoders: Further decoders on the same features.
            rescale: Resize predictions to the size of the image, of pixel-wise tasks.
            image_size_out: Crop predictions to this height and width, not to those of the image.
            peft_config: Not available yet.
            kwargs: Arguments of the parts with their prefix.

        Raises:
            ConfigurationError: If something does not fit.
        """
        if peft_config is not None:
            raise ConfigurationError("peft_config", "is not available yet", "Remove it.")
        row = task_head(task)
        if image_size_out is not None and not issubclass(row.model, PixelWiseModel):
            raise ConfigurationError(
                "model_args.image_size_out",
                f"is {image_size_out}, but a model for {task} predicts no map",
                "Remove it.",
            )
        nested = {"backbone": backbone_kwargs, "decoder": decoder_kwargs, "head": head_kwargs}
        known = [*_PARAMETERS, *known_arguments(backbone, decoder, row.head)]
        size = prediction_size(row, num_classes=num_classes, num_outputs=num_outputs)
        config = replace(
            read_config(backbone, decoder, nested, kwargs, known),
            necks=necks,
            aux=aux_configs(aux_decoders),
            size=size,
        )
        parts = build_parts(config, row)
        patch_size = getattr(parts.encoder, "patch_size", None)
        sizing = Sizing(patch_size, rescale=rescale, image_size_out=image_size_out)
        return row.model(parts, sizing, describe_parts(config, parts, row.size_argument))


_PARAMETERS = tuple(inspect.signature(EncoderDecoderFactory.build_model).parameters)[1:-1]
