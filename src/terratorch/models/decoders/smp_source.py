"""The decoders of segmentation-models-pytorch as a source of the registry.

Only its decoder modules are used: its encoders and its tables are not touched.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Any

from torch import Tensor, nn

from terratorch.contracts.features import MAPS, PYRAMID, Needs
from terratorch.errors import ArgumentNameError, ConfigurationError, UnknownNameError, did_you_mean
from terratorch.models.arguments import Arguments
from terratorch.models.decoders.base import Decoder
from terratorch.models.decoders.fit_levels import crop_like, pad_levels
from terratorch.registry.registry import Definition, definition_of

_NORM = {"decoder_use_norm": "use_norm", "decoder_use_batchnorm": "use_norm"}
_MODE = {"decoder_interpolation": "interpolation_mode"}
_WIDTHS = (256, 128, 64, 32, 16)


class SmpDecoder(Decoder):
    """A decoder of segmentation-models-pytorch, for maps of any size.

    Args:
        decoder: The decoder.
        out_channels: Channels of its output.
        halves: The sizes that it takes, as in `SmpRow`.
    """

    def __init__(self, decoder: nn.Module, out_channels: int, halves: int = 0) -> None:
        super().__init__()
        self._smp_decoder = decoder
        self.out_channels = out_channels
        self.halves = halves

    def forward(self, x: list[Tensor]) -> Tensor:
        """Return a map `(B, out_channels, H, W)`."""
        if not self.halves:
            return self._decode(list(x))
        padded = pad_levels(x, self.halves)
        return crop_like(self._decode(padded), padded[0], x[0])

    def _decode(self, x: list[Tensor]) -> Tensor:
        decoded: Tensor = self._smp_decoder(x)
        return decoded


class SmpMapsDecoder(SmpDecoder):
    """A decoder that also takes class tokens, which maps do not have."""

    def _decode(self, x: list[Tensor]) -> Tensor:
        decoded: Tensor = self._smp_decoder(x, [None] * len(x))
        return decoded


@dataclass(frozen=True)
class SmpRow:
    """How a decoder is built.

    Attributes:
        target: Its module and class below `segmentation_models_pytorch.decoders`.
        arguments: Public arguments, named as of the whole models there -> arguments of the decoder.
        defaults: Arguments of the decoder that the user may override.
        output: The argument that sets the output channels; empty if the decoder has `out_channels`.
        depth: The argument that takes the number of features less one; empty for none.
        features: The fewest features that it can work on.
        channels: The argument that takes the channels of the features.
        halves: 0 if it takes maps of any size; otherwise the size of each must be a multiple of
            the next, and the coarsest of this number.
        needs: What features it takes.
        wrapper: The module around it.
    """

    target: str
    arguments: Mapping[str, str]
    defaults: Arguments
    output: str
    depth: str = "encoder_depth"
    features: int = 2
    channels: str = "encoder_channels"
    halves: int = 0
    needs: Needs = PYRAMID
    wrapper: type[SmpDecoder] = SmpDecoder


_UNET_LIKE = {"decoder_channels": "decoder_channels", **_NORM, **_MODE}
_DEEPLAB = {
    "decoder_channels": "out_channels",
    "decoder_atrous_rates": "atrous_rates",
    "decoder_aspp_separable": "aspp_separable",
    "decoder_aspp_dropout": "aspp_dropout",
}
_ASPP = {"out_channels": 256, "atrous_rates": (12, 24, 36), "aspp_dropout": 0.5}

ROWS: dict[str, SmpRow] = {
    "Unet": SmpRow(
        "unet.decoder:UnetDecoder",
        {**_UNET_LIKE, "decoder_attention_type": "attention_type"},
        {"decoder_channels": _WIDTHS},
        "decoder_channels",
        "n_blocks",
    ),
    "UnetPlusPlus": SmpRow(
        "unetplusplus.decoder:UnetPlusPlusDecoder",
        {**_UNET_LIKE, "decoder_attention_type": "attention_type"},
        {"decoder_channels": _WIDTHS},
        "decoder_channels",
        "n_blocks",
        features=3,
        halves=1,
    ),
    "MAnet": SmpRow(
        "manet.decoder:MAnetDecoder",
        {**_UNET_LIKE, "decoder_pab_channels": "pab_channels"},
        {"decoder_channels": _WIDTHS},
        "decoder_channels",
        "n_blocks",
        halves=1,
    ),
    "Linknet": SmpRow(
        "linknet.decoder:LinknetDecoder",
        _NORM,
        {"prefinal_channels": 32},
        "prefinal_channels",
        "n_blocks",
        halves=1,
    ),
    "FPN": SmpRow(
        "fpn.decoder:FPNDecoder",
        {
            "decoder_pyramid_channels": "pyramid_channels",
            "decoder_segmentation_channels": "segmentation_channels",
            "decoder_merge_policy": "merge_policy",
            "decoder_dropout": "dropout",
            **_MODE,
        },
        {},
        "",
        features=4,
        halves=1,
    ),
    "PAN": SmpRow(
        "pan.decoder:PANDecoder",
        {"decoder_channels": "decoder_channels", **_MODE},
        {"decoder_channels": 32},
        "decoder_channels",
        features=4,
        halves=1,
    ),
    "PSPNet": SmpRow(
        "pspnet.decoder:PSPDecoder",
        {"psp_out_channels": "out_channels", "psp_dropout": "dropout", **_NORM},
        {"out_channels": 512},
        "out_channels",
        depth="",
        features=1,
    ),
    "DeepLabV3": SmpRow(
        "deeplabv3.decoder:DeepLabV3Decoder",
        _DEEPLAB,
        {**_ASPP, "aspp_separable": False},
        "out_channels",
        depth="",
        features=1,
        channels="in_channels",
    ),
    "DeepLabV3Plus": SmpRow(
        "deeplabv3.decoder:DeepLabV3PlusDecoder",
        {**_DEEPLAB, "encoder_output_stride": "output_stride"},
        {**_ASPP, "aspp_separable": True, "output_stride": 16},
        "out_channels",
        features=4,
        halves=1,
    ),
    "Segformer": SmpRow(
        "segformer.decoder:SegformerDecoder",
        {"decoder_segmentation_channels": "segmentation_channels"},
        {"segmentation_channels": 256},
        "segmentation_channels",
        features=4,
    ),
    "UPerNet": SmpRow(
        "upernet.decoder:UPerNetDecoder",
        {"decoder_channels": "decoder_channels", **_NORM},
        {"decoder_channels": 256},
        "decoder_channels",
        features=4,
    ),
    "DPT": SmpRow(
        "dpt.decoder:DPTDecoder",
        {
            "decoder_intermediate_channels": "intermediate_channels",
            "decoder_fusion_channels": "fusion_channels",
        },
        {
            "fusion_channels": 256,
            "encoder_has_prefix_tokens": False,
            "readout": "ignore",
        },
        "fusion_channels",
        depth="",
        channels="encoder_out_channels",
        halves=2,
        needs=Needs(MAPS.kinds, one_size=True, levels=4),
        wrapper=SmpMapsDecoder,
    ),
}


class SmpBuilder:
    """The constructor of one of the decoders; its signature names the arguments of the decoder.

    Args:
        name: The name of the decoder.
        row: How it is built.
    """

    def __init__(self, name: str, row: SmpRow) -> None:
        self.__name__ = self.__qualname__ = name
        self.row = row
        self.needs = row.needs
        self.__signature__ = _signature(row)

    def __call__(
        self, channel_list: list[int], num_classes: int | None = None, **arguments: object
    ) -> nn.Module:
        """Build the decoder.

        Args:
            channel_list: Channels of each feature, the finest first.
            num_classes: Ignored: the head is built separately.
            arguments: Arguments of the decoder, named as of the whole model there.

        Raises:
            ArgumentNameError: If the decoder does not take an argument.
            ConfigurationError: If the number of features does not fit.
        """
        name, row = self.__name__, self.row
        options: Arguments = dict(row.defaults)
        options |= {row.arguments[key]: arguments[key] for key in _checked(name, row, arguments)}
        _fit(name, row, options, list(channel_list), explicit="decoder_channels" in arguments)
        decoder = _constructor(row)(**options)
        importlib.import_module(
            "segmentation_models_pytorch.base.initialization"
        ).initialize_decoder(decoder)
        out = options[row.output] if row.output else decoder.out_channels
        return row.wrapper(decoder, out if isinstance(out, int) else out[-1], row.halves)


def _signature(row: SmpRow) -> Signature:
    features = Parameter("channel_list", Parameter.POSITIONAL_OR_KEYWORD)
    options = [
        Parameter(key, Parameter.KEYWORD_ONLY, default=row.defaults.get(argument))
        for key, argument in row.arguments.items()
    ]
    return Signature([features, *options])


class SmpDecoderSource:
    """The decoders by the names of their models in segmentation-models-pytorch."""

    def build(self, name: str, /, *args: Any, **kwargs: Any) -> nn.Module:
        """Build a decoder, as its `SmpBuilder` does.

        Raises:
            UnknownNameError: If there is no such decoder.
        """
        return self[name](*args, **kwargs)

    def __getitem__(self, name: str) -> SmpBuilder:
        """Return the constructor of a decoder.

        Raises:
            UnknownNameError: If there is no such decoder.
        """
        return SmpBuilder(name, self._row(name))

    def definition(self, name: str) -> Definition:
        """Return where a decoder is defined."""
        return definition_of(name, _constructor(self._row(name)))

    def _row(self, name: str) -> SmpRow:
        if name not in ROWS:
            raise UnknownNameError(f"decoder '{name}'", "smp has none", did_you_mean(name, ROWS))
        return ROWS[name]

    def __contains__(self, name: object) -> bool:
        return name in ROWS

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(ROWS))

    def __len__(self) -> int:
        return len(ROWS)


def _constructor(row: SmpRow) -> Any:
    module, _, attribute = row.target.partition(":")
    return getattr(
        importlib.import_module(f"segmentation_models_pytorch.decoders.{module}"), attribute
    )


def _checked(name: str, row: SmpRow, arguments: Mapping[str, object]) -> Mapping[str, object]:
    for key in arguments:
        if key not in row.arguments:
            raise ArgumentNameError(
                f"decoder_{key}",
                f"the decoder {name} takes no such argument",
                f"{did_you_mean(key, row.arguments)} Known: "
                f"{', '.join(f'decoder_{known}' for known in row.arguments)}.".strip(),
            )
    return arguments


def _fit(name: str, row: SmpRow, options: Arguments, channels: list[int], explicit: bool) -> None:
    """Set the options that follow from the features."""
    if len(channels) < row.features:
        raise ConfigurationError(
            f"decoder '{name}'",
            f"needs at least {row.features} features, but gets {len(channels)}",
            "Choose more of them in backbone_out_indices or in the necks.",
        )
    blocks = len(channels) - 1
    options[row.channels] = channels[-1] if row.channels == "in_channels" else channels
    if row.depth:
        options[row.depth] = blocks
    if row.depth == "n_blocks" and "decoder_channels" in options:
        widths = list(options["decoder_channels"])
        if explicit and len(widths) != blocks:
            raise ConfigurationError(
                "decoder_decoder_channels",
                f"has {len(widths)} entries, but {name} has {blocks} blocks for {len(channels)} "
                "features",
                f"Give {blocks} channels, the coarsest block's first.",
            )
        options["decoder_channels"] = widths[:blocks]
    if name == "DPT":
        # The strides only set how much each map is resized; predictions are resized to the image.
        options["encoder_output_strides"] = [16] * len(channels)
        options.setdefault("intermediate_channels", [256, 512, 1024, 1024][-len(channels) :])
