"""Weight files in timm's layout, into feature extractors with other bands, sizes and no head."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import adapt_input_conv
from torch import Tensor, nn

from terratorch.errors import WeightsError
from terratorch.models.arguments import Arguments
from terratorch.models.weights import load_state_dict_file, load_strictly
from terratorch.ops.state_dict import (
    RGB,
    StateDict,
    StateDifference,
    compare_states,
    select_prefix,
    spread_rgb,
)

logger = logging.getLogger(__name__)


# Files of old versions of torch lack these counters, which only some batch norms ever read.
_MAY_MISS = ("num_batches_tracked",)


def load_timm(
    model: nn.Module,
    name: str,
    arguments: Arguments,
    file: Path,
    bands: Sequence[str | int] | None,
    strict_names: bool,
) -> None:
    """Load a file of a whole model into its feature extractor.

    Args:
        model: The feature extractor.
        name: Its name.
        arguments: What it was built with.
        file: The weights of the whole model, or of its feature extractor.
        bands: The bands of the input, if named.
        strict_names: Whether names must be those of the model; otherwise timm may convert them.

    Raises:
        WeightsError: If the file does not fit.
    """
    whole = load_state_dict_file(file)
    whole = select_prefix(whole, "module.") or whole  # as distributed training saves it
    target = model.state_dict()
    state = fit_names(whole, target)
    if strict_names:
        _check_names(state, whole, name, arguments, str(file))
    first = _first_convolutions(model, target)
    if not _fits(state, target, first):
        channels = next((state[key].shape[1] for key in first if key in state), len(RGB))
        state = _converted(name, {**arguments, "in_chans": channels}, whole, str(file))
    for key in first:
        state[key] = fit_bands(state[key], int(arguments["in_chans"]), bands, f"{file}: {key}")
    load_strictly(model, state, str(file), _MAY_MISS)


def _fits(state: Mapping[str, Tensor], target: Mapping[str, Tensor], first: Sequence[str]) -> bool:
    """Return whether a state dict fits, apart from the bands of its first convolutions."""
    difference = compare_states(
        {key: value for key, value in state.items() if key not in first},
        {key: value for key, value in target.items() if key not in first},
        _MAY_MISS,
    )
    kernels = (key in state and state[key].shape[2:] == target[key].shape[2:] for key in first)
    return not difference and all(kernels)


def fit_names(whole: Mapping[str, Tensor], target: Iterable[str]) -> StateDict:
    """Pick the tensors of a feature extractor from those of the whole model, under its own names.

    timm takes stages out of their container (`layers.0.x` becomes `layers_0.x`) or puts the model
    under `model.`.
    """
    fitted = {}
    for key in target:
        source = next((name for name in _names_in_whole(key) if name in whole), None)
        if source is not None:
            fitted[key] = whole[source]
    return fitted


def _names_in_whole(key: str) -> tuple[str, ...]:
    plain = key.removeprefix("model.")
    return key, plain, re.sub(r"^(\w+?)_(\d+)\.", r"\1.\2.", plain)


def _check_names(
    state: Mapping[str, Tensor],
    whole: Mapping[str, Tensor],
    name: str,
    arguments: Arguments,
    source: str,
) -> None:
    """Refuse a file that lacks a tensor, or has one that is not of this model or its head."""
    sizes = {key: value for key, value in arguments.items() if key != "out_indices"}
    with torch.device("meta"):
        features = timm.create_model(name, features_only=True, **arguments).state_dict()
        known = {*timm.create_model(name, **sizes).state_dict(), *features}
    difference = StateDifference(
        missing=compare_states(state, features, _MAY_MISS).missing,
        unexpected=tuple(key for key in whole if key not in known),
        shapes=(),
    )
    if difference:
        raise WeightsError(
            f"Weights '{source}'",
            f"do not fit timm's {name}: {difference}",
            "Give a file with the names of that model.",
        )


def _first_convolutions(model: Any, target: Mapping[str, Tensor]) -> list[str]:
    """Return the keys of the convolutions that read the image."""
    first = model.pretrained_cfg.get("first_conv") or ()
    names = {f"{name}.weight" for name in ((first,) if isinstance(first, str) else first)}
    return [key for key in target if names & {*_names_in_whole(key)}]


def fit_bands(
    weight: Tensor, in_chans: int, bands: Sequence[str | int] | None, source: str
) -> Tensor:
    """Fit the first convolution of a model for red, green, blue to other bands, and log it.

    Named bands are fitted by name; a mere number of them as timm does it, by repeating the three.

    Args:
        weight: `(D, 3, h, w)`; with another number of bands it is returned unchanged.
        in_chans: The number of bands of the model.
        bands: Their names, if known.
        source: What the weights are called in messages.
    """
    if weight.shape[1] != len(RGB) or (bands is None and in_chans == len(RGB)):
        return weight
    if bands is None:
        logger.warning(
            "%s is for red, green, blue; its filters are repeated for %d bands. Name the bands "
            "(backbone_bands) to fit them by name.",
            source,
            in_chans,
        )
        fitted: Tensor = adapt_input_conv(in_chans, weight)
        return fitted
    if tuple(bands) == RGB:
        return weight
    logger.info(
        "%s is for red, green, blue: %s take their filters by name, %s the mean of the three, "
        "all times 3/%d.",
        source,
        [band for band in bands if band in RGB] or "no bands",
        [band for band in bands if band not in RGB] or "no bands",
        in_chans,
    )
    return spread_rgb(weight, bands)


def _converted(name: str, arguments: Arguments, whole: StateDict, source: str) -> StateDict:
    """Let timm resize position tables and rename, as it does for its own weights."""
    logger.info("%s: timm converts the weights to the sizes of the model.", source)
    try:
        model = timm.create_model(
            name,
            pretrained=True,
            features_only=True,
            pretrained_cfg_overlay={"state_dict": whole},
            **arguments,
        )
    except RuntimeError as error:  # what it cannot convert
        raise WeightsError(
            f"Weights '{source}'",
            f"do not fit timm's {name}: {' '.join(str(error).split())}",
            "Check that name and arguments of the model are those of the file.",
        ) from error
    state: StateDict = model.state_dict()
    return state
