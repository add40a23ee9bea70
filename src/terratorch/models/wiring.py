"""Join the features of a backbone to what a decoder needs: standard necks, and checks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from terratorch.contracts.features import FeatureKind, FeatureSpec, Needs
from terratorch.errors import ConfigurationError

log = logging.getLogger(__name__)

LEVELS = 4  # of the pyramid that the standard necks make
_WORDS = {
    FeatureKind.MAPS: "maps (B, C, H, W)",
    FeatureKind.MAPS_CHANNELS_LAST: "maps with the channels last (B, H, W, C)",
    FeatureKind.TOKENS: "tokens (B, N, C)",
    FeatureKind.VECTORS: "vectors (B, C)",
}
Necks = list[dict[str, Any]]


def spread_indices(count: int, levels: int) -> list[int]:
    """Return the indices of features that are spread evenly over the depth, the deepest last."""
    return [max(0, (level + 1) * count // levels - 1) for level in range(levels)]


def standard_necks(spec: FeatureSpec, needs: Needs) -> Necks:
    """Return the necks that bring features to what a decoder needs, empty if none are needed.

    Where no necks can do it, there are none either: `check_joint` then says what is wrong.

    Args:
        spec: The features of the backbone.
        needs: What the decoder needs.
    """
    necks: Necks = []
    if spec.kind is FeatureKind.UNKNOWN:
        return necks
    make_pyramid = needs.pyramid and _of_one_size(spec)
    levels = needs.levels or (LEVELS if make_pyramid else len(spec))
    if levels != len(spec):
        necks.append({"name": "SelectIndices", "indices": spread_indices(len(spec), levels)})
    if needs.kinds is not None and spec.kind not in needs.kinds:
        necks += _to_maps(spec)
    if make_pyramid:
        necks.append({"name": "LearnedInterpolateToPyramidal"})
    return necks


def _of_one_size(spec: FeatureSpec) -> bool:
    """Say whether there are several features, tokens or maps, that are known to be of one size."""
    if len(spec) < 2 or spec.kind not in (FeatureKind.TOKENS, FeatureKind.MAPS):
        return False
    if spec.strides is None:
        return spec.kind is FeatureKind.TOKENS
    return len(set(spec.strides)) == 1


def _to_maps(spec: FeatureSpec) -> Necks:
    if spec.kind is FeatureKind.MAPS_CHANNELS_LAST:
        return [{"name": "PermuteDims", "new_order": [0, 3, 1, 2]}]
    if spec.kind is FeatureKind.VECTORS:
        return []
    reshape: dict[str, Any] = {"name": "ReshapeTokensToImage"}
    if spec.prefix_tokens != 1:
        reshape["remove_cls_token"] = spec.prefix_tokens or False
    if spec.frames > 1:
        reshape["effective_time_dim"] = spec.frames
    return [reshape]


def check_joint(spec: FeatureSpec, needs: Needs, decoder: str, origin: str) -> None:
    """Refuse features that a decoder cannot read; warn of those that it makes little of.

    Args:
        spec: The features that it gets.
        needs: What it needs.
        decoder: Its name, for the message.
        origin: What gives the features, for the message.

    Raises:
        ConfigurationError: If they do not fit; the message holds the necks to add.
    """
    if needs.takes(spec.kind):
        if needs.one_size and spec.strides is not None and len(set(spec.strides)) > 1:
            raise ConfigurationError(
                f"decoder '{decoder}'",
                f"needs features of one size, but {origin} gives strides {list(spec.strides)}",
                "Choose those of one size in backbone_out_indices or with the neck SelectIndices, "
                "or choose another decoder.",
            )
        if needs.pyramid and spec.kind is FeatureKind.MAPS and _of_one_size(spec):
            log.warning(
                "%s is made for maps of several sizes, but %s gives %d of one size. "
                "Add to the end of your necks:\n%s",
                decoder,
                origin,
                len(spec),
                necks_yaml(standard_necks(spec, needs)),
            )
        return
    wanted = " or ".join(sorted(_WORDS[kind] for kind in needs.kinds or ()))
    necks = standard_necks(spec, needs)
    cure = "Choose other necks, or another decoder."
    if necks:
        cure = f"Add to the end of your necks:\n{necks_yaml(necks)}"
    raise ConfigurationError(
        f"decoder '{decoder}'", f"needs {wanted}, but {origin} gives {_WORDS[spec.kind]}", cure
    )


def necks_yaml(necks: Sequence[Mapping[str, Any]]) -> str:
    """Return necks as YAML to paste."""
    lines = ["necks:"]
    for neck in necks:
        for position, (key, value) in enumerate(neck.items()):
            text = str(value).lower() if isinstance(value, bool) else value
            lines.append(f"  {'  ' if position else '- '}{key}: {text}")
    return "\n".join(lines)
