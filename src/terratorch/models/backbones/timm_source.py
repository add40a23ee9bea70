"""timm as a source of backbones: any model of it that gives feature maps."""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import timm
from torch import Tensor, nn

from terratorch.bands import expand_bands
from terratorch.contracts.features import Feature, FeatureKind
from terratorch.errors import (
    ArgumentNameError,
    ConfigurationError,
    DataError,
    WeightsError,
    did_you_mean,
)
from terratorch.models.arguments import Arguments
from terratorch.models.backbones.timm_weights import load_timm
from terratorch.models.weights.files import existing_file
from terratorch.models.weights.hub import hub_file
from terratorch.registry.registry import Constructor, Definition, definition_of

logger = logging.getLogger(__name__)

# Arguments that most of timm's models take, for suggestions only: each model has more.
_COMMON = (
    *("in_chans", "bands", "pretrained", "ckpt_path", "out_indices", "img_size", "output_stride"),
    *("drop_rate", "drop_path_rate", "global_pool", "norm_layer", "act_layer", "features_only"),
)


class TimmSource:
    """The models of timm, by timm's own names."""

    def build(
        self,
        name: str,
        /,
        pretrained: bool = False,
        *,
        bands: Sequence[object] | None = None,
        in_chans: int | None = None,
        out_indices: Sequence[int] | None = None,
        ckpt_path: str | os.PathLike[str] | None = None,
        **kwargs: object,
    ) -> nn.Module:
        """Build the feature extractor of a model: `(B, C, H, W)` to a list of maps.

        It is timm's own `features_only` model, with the same keys in its state dict, and with
        `out_channels` and `features` added.

        Args:
            name: The name of the model, with or without the tag of its weights.
            pretrained: Whether to start from timm's weights for it.
            bands: The bands of the input, in order. Weights that were trained on red, green and
                blue are fitted to them by name.
            in_chans: The number of bands, where their names do not matter; by default 3.
            out_indices: Levels whose features are returned; by default those of timm.
            ckpt_path: A file in timm's layout to start from; weights of a head are ignored.
            kwargs: Arguments of the model.

        Raises:
            ArgumentNameError: If the model has no such argument.
            ConfigurationError: If a value cannot be used.
            WeightsError: If weights cannot be had or do not fit.
        """
        used_bands = None if bands is None else expand_bands(bands)
        arguments: Arguments = {**kwargs, "in_chans": _channels(used_bands, in_chans)}
        if out_indices is not None:
            arguments["out_indices"] = tuple(out_indices)
        file = _weights_file(name, pretrained, ckpt_path)
        model = _create(name, arguments)
        if file is not None:
            strict = ckpt_path is not None
            load_timm(model, name, arguments, file, used_bands, strict_names=strict)
        model.register_forward_pre_hook(
            functools.partial(_check_images, bands=arguments["in_chans"])
        )
        return declare_features(model)

    def __getitem__(self, name: str) -> Constructor:
        """Return the constructor of a model."""
        return functools.partial(self.build, name)

    def definition(self, name: str) -> Definition:
        """Return where a model is defined."""
        return definition_of(name, timm.model_entrypoint(name.split(".")[0]))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(timm.is_model(name))

    def __iter__(self) -> Iterator[str]:
        return iter(timm.list_models())

    def __len__(self) -> int:
        return len(timm.list_models())


def _channels(bands: Sequence[object] | None, in_chans: int | None) -> int:
    if bands is None:
        return 3 if in_chans is None else in_chans
    if in_chans not in (None, len(bands)):
        raise ConfigurationError(
            "in_chans", f"{in_chans}, but there are {len(bands)} bands", "Remove in_chans."
        )
    return len(bands)


def _create(name: str, arguments: Arguments) -> Any:
    """Build a feature extractor without weights; explain arguments that timm does not take."""
    try:
        return timm.create_model(name, pretrained=False, features_only=True, **arguments)
    except TypeError as error:
        # The second message names an argument that the variant sets itself.
        message = r"(?:unexpected|multiple values for) keyword argument '(\w+)'"
        unknown = re.search(message, str(error))
        if unknown is None or unknown[1] not in arguments:
            raise
        raise ArgumentNameError(
            f"backbone 'timm_{name}'",
            f"does not take the argument '{unknown[1]}'",
            did_you_mean(unknown[1], _COMMON) or "See the documentation of timm for its arguments.",
        ) from error
    except (IndexError, AssertionError) as error:
        if "out_indices" not in arguments:
            raise
        raise ConfigurationError(
            f"backbone 'timm_{name}'",
            f"cannot give out_indices {list(arguments['out_indices'])} ({error})",
            "Remove out_indices to see how many there are; they count from 0.",
        ) from error


def _weights_file(
    name: str, pretrained: bool, ckpt_path: str | os.PathLike[str] | None
) -> Path | None:
    if ckpt_path is not None:
        return existing_file(ckpt_path)
    if not pretrained:
        return None
    model, _, tag = name.partition(".")
    known = timm.list_pretrained(f"{model}*")
    row = timm.get_pretrained_cfg(name) if not tag or name in known else None
    if row is None or not row.hf_hub_id:
        raise WeightsError(
            f"backbone 'timm_{name}' with pretrained=True",
            "timm names no weights on the Hugging Face Hub for it",
            f"Known are: {', '.join(known)}." if known else "Give a file as backbone_ckpt_path.",
        )
    return hub_file(row.hf_hub_id, row.hf_hub_filename or "model.safetensors")


def _check_images(model: nn.Module, inputs: tuple[Tensor, ...], bands: int) -> None:
    """Explain images that the first convolution cannot take."""
    shape = tuple(inputs[0].shape)
    if len(shape) == 5:
        raise DataError(
            "image",
            f"is a time series, of shape {shape}, but timm's models take images (B, C, H, W)",
            "Set backbone_use_temporal: true to run the backbone over every time step.",
        )
    if len(shape) == 4 and shape[1] != bands:
        raise DataError(
            "image",
            f"has {shape[1]} bands, but the backbone was built for {bands}",
            "Name the bands as backbone_bands, or give their number as backbone_in_chans.",
        )


def declare_features(model: Any) -> nn.Module:
    """Add the declarations of a backbone.

    They are attributes of timm's module: a wrapper around it would rename its weights.
    """
    info = model.feature_info
    last = str(getattr(model, "output_fmt", "NCHW")).endswith("NHWC")
    kind = FeatureKind.MAPS_CHANNELS_LAST if last else FeatureKind.MAPS
    model.out_channels = list(info.channels())
    # Not setattr: a module of timm may have a child called `features`.
    vars(model)["features"] = tuple(
        Feature(channels, kind, stride)
        for channels, stride in zip(info.channels(), info.reduction(), strict=True)
    )
    built: nn.Module = model
    return built
