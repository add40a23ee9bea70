"""The factory of whole models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from terratorch.contracts.images import Images
from terratorch.errors import ArgumentNameError, ConfigurationError
from terratorch.models.arguments import (
    ArgumentCheck,
    accepted_names,
    constructor_of,
)
from terratorch.models.config import PartConfig, split_prefixes
from terratorch.models.description import describe_whole
from terratorch.models.encoder_decoder_model import image_size_of
from terratorch.models.inputs import ModelInput, inputs_of
from terratorch.models.model import Model, ModelFactory, ModelOutput
from terratorch.models.task_heads import SIZE_ARGUMENTS
from terratorch.ops.modules import freeze
from terratorch.ops.padding import crop_center, pad_images
from terratorch.registry import FULL_MODEL_REGISTRY, MODEL_FACTORY_REGISTRY


class FullModel(Model):
    """Any module as a model: images are padded to its patches, maps resized to the images.

    Args:
        model: The module; it may return a tensor, or the output of a model.
        rescale: Resize maps `(B, C, H, W)` to the size of the image.
        padding: How to pad; see `terratorch.ops.padding.pad_axis`.
    """

    def __init__(self, model: nn.Module, rescale: bool = True, padding: str = "reflect") -> None:
        super().__init__()
        self.model = model
        self.rescale = rescale
        self.padding = padding

    @property
    def inputs(self) -> tuple[ModelInput, ...]:
        """The further inputs of the module."""
        return inputs_of(self.model)

    def freeze_encoder(self) -> None:
        """Exclude the parameters of the module's `encoder` from training."""
        self._freeze("encoder", "freeze_backbone")

    def freeze_decoder(self) -> None:
        """Exclude the parameters of the module's `decoder` from training."""
        self._freeze("decoder", "freeze_decoder")

    def freeze_head(self) -> None:
        """Exclude the parameters of the module's `head` from training."""
        self._freeze("head", "freeze_head")

    def _freeze(self, part: str, argument: str) -> None:
        module = getattr(self.model, part, None)
        if not isinstance(module, nn.Module):
            raise ConfigurationError(
                argument,
                f"is set, but the model {type(self.model).__name__} has no part '{part}'",
                f"Remove it, or call that part of the model '{part}'.",
            )
        freeze(module)

    def forward(self, x: Images, **kwargs: Any) -> Any:
        """Return the output of the module; a tensor becomes a `ModelOutput`.

        Args:
            x: Images `(B, C, H, W)` or `(B, C, T, H, W)`, or a dictionary of them by modality.
            kwargs: Further inputs of the module.
        """
        patch_size = getattr(self.model, "patch_size", None)
        padded = x if patch_size is None else pad_images(x, patch_size, self.padding)
        output = self.model(padded, **kwargs)
        if isinstance(output, Tensor):
            output = ModelOutput(output)
        if isinstance(output, ModelOutput) and output.output.ndim == 4:
            output.output = self._fit(output.output, image_size_of(padded), image_size_of(x))
        return output

    def _fit(self, maps: Tensor, padded_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
        if self.rescale and maps.shape[-2:] != padded_size:
            maps = F.interpolate(maps, size=padded_size, mode="bilinear")
        return crop_center(maps, size)


@MODEL_FACTORY_REGISTRY.register
class FullModelFactory(ModelFactory):
    """Build a model by its name in `FULL_MODEL_REGISTRY`, or wrap a module."""

    def build_model(
        self,
        model: str | nn.Module,
        rescale: bool = True,
        padding: str = "reflect",
        peft_config: dict[str, object] | None = None,
        **kwargs: object,
    ) -> Model:
        """Build the model.

        Args:
            model: A name in `FULL_MODEL_REGISTRY`, or a module.
            rescale: Resize maps to the size of the image.
            padding: How to pad images to the patches of the model.
            peft_config: Not available yet.
            kwargs: Arguments of the model, with the prefix `model_` or without. Only the task uses
                `task`, and numbers of classes and outputs that the model does not take.

        Raises:
            ConfigurationError: If there are arguments that nothing uses.
        """
        if peft_config is not None:
            raise ConfigurationError("peft_config", "is not available yet", "Remove it.")
        kwargs.pop("task", None)  # tasks pass it to every factory
        arguments = _without_prefix(kwargs)
        if isinstance(model, str):
            constructor = constructor_of(FULL_MODEL_REGISTRY, model)
            taken = _of_model(arguments, constructor and accepted_names(constructor))
            check = ArgumentCheck("model_args")
            check.compare("", taken, constructor, first=0)
            check.report()
            built: nn.Module = FULL_MODEL_REGISTRY.build(model, **taken)
            whole = _as_model(built, rescale, padding)
            whole.described = describe_whole(PartConfig(model, arguments), built)
            return whole
        unused = _of_model(arguments, frozenset())
        if unused:
            raise ArgumentNameError(
                f"model_args: {', '.join(unused)}",
                f"is not used: the model {type(model).__name__} is built already",
                "Remove it, or give the name of a registered model.",
            )
        return _as_model(model, rescale, padding)


def _without_prefix(arguments: Mapping[str, object]) -> dict[str, object]:
    """Return arguments without the prefix of the model, which is optional."""
    prefixed = {key: value for key, value in arguments.items() if key.startswith("model_")}
    others = {key: value for key, value in arguments.items() if key not in prefixed}
    return split_prefixes(prefixed, {"model": others}, "model_args")["model"]


def _of_model(
    arguments: Mapping[str, object], accepted: frozenset[str] | None
) -> dict[str, object]:
    """Return arguments less the sizes that only the task reads; `accepted` is None for any."""
    return {
        name: value
        for name, value in arguments.items()
        if name not in SIZE_ARGUMENTS or accepted is None or name in accepted
    }


def _as_model(module: nn.Module, rescale: bool, padding: str) -> Model:
    return module if isinstance(module, Model) else FullModel(module, rescale, padding)
