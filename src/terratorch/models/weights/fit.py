"""Fit a state dict to a model, and load it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from terratorch.errors import WeightsError
from terratorch.ops.state_dict import StateDict, compare_states, match_bands

logger = logging.getLogger(__name__)


def load_strictly(
    model: nn.Module, state: Mapping[str, Tensor], source: str, optional: Sequence[str] = ()
) -> None:
    """Load a state dict into a model: every key must fit.

    Args:
        model: The model.
        state: Its weights.
        source: Their name in messages, such as the path of the file.
        optional: Parts of keys that may be missing; these parameters keep their initial values.

    Raises:
        WeightsError: If keys are missing, unexpected or of another shape; all are counted.
    """
    difference = compare_states(state, model.state_dict(), optional)
    if difference:
        raise WeightsError(
            f"Weights '{source}'",
            f"do not fit {type(model).__name__}: {difference}",
            "Check that name, sizes and options of the model are those of the file.",
        )
    model.load_state_dict(dict(state), strict=False)
    logger.info("Loaded %d tensors from %s.", len(state), source)


def adapt_first_projection(
    state: StateDict,
    key: str,
    fresh: Tensor,
    bands_of_file: Sequence[str | int],
    bands: Sequence[str | int],
    source: str,
) -> StateDict:
    """Fit the first projection of a state dict to the bands of the model, by name, and log it.

    Args:
        state: The weights.
        key: The key of the projection.
        fresh: The initialised weight of the model `(D, bands, ...)`.
        bands_of_file: The bands that the file was trained on.
        bands: The bands of the model.
        source: The name of the weights in messages.

    Returns:
        The weights with the fitted projection; one of another patch size keeps its initial values.

    Raises:
        WeightsError: If the file has another number of bands than `bands_of_file`.
    """
    if key not in state:
        return state  # reported as missing when the whole is loaded
    weight = state[key]
    if weight.shape[1] != len(bands_of_file):
        raise WeightsError(
            f"Weights '{source}'",
            f"'{key}' has {weight.shape[1]} bands, not the {len(bands_of_file)} of the published "
            f"weights ({', '.join(map(str, bands_of_file))})",
            "Name the bands of the file as backbone_pretrained_bands (pretrained_bands in Python).",
        )
    if weight.shape[0] == fresh.shape[0] and weight.shape[2:] != fresh.shape[2:]:
        logger.warning(
            "%s: '%s' is for patches of %s, the model has %s. It stays randomly initialised.",
            source,
            key,
            tuple(weight.shape[2:]),
            tuple(fresh.shape[2:]),
        )
        return {**state, key: fresh}
    if weight.shape[0] != fresh.shape[0] or tuple(bands) == tuple(bands_of_file):
        return state
    _log_bands(bands_of_file, bands, source)
    return {**state, key: match_bands(weight, bands_of_file, fresh, bands)}


def _log_bands(bands_of_file: Sequence[str | int], bands: Sequence[str | int], source: str) -> None:
    copied = [band for band in bands if band in bands_of_file]
    new = [band for band in bands if band not in bands_of_file]
    if copied:
        logger.info("%s: weights of the bands %s are copied by name.", source, copied)
    if new:
        logger.warning(
            "%s was not trained on the bands %s: their weights are randomly initialised.",
            source,
            new,
        )
