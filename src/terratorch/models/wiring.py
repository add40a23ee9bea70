"""Join the features of a backbone to what a decoder needs: standard necks, and checks."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from terratorch.contracts.features import Feature, FeatureKind, Features, Needs
from terratorch.errors import ConfigurationError

log = logging.getLogger(__name__)

LEVELS = 4  # of the pyramid that the standard necks make
_WORDS = {
    FeatureKind.MAPS: "maps (B, C, H, W)",
    FeatureKind.MAPS_CHANNELS_LAST: "maps with the channels last (B, H, W, C)",
    FeatureKind.TOKENS: "tokens (B, N, C)",
    FeatureKind.VECTORS: "vectors (B, C)",
}
Necks = list[dict[str, object]]


def spread_indices(count: int, levels: int) -> list[int]:
    """Return the indices of features that are spread evenly over the depth, the deepest last."""
    return [max(0, (level + 1) * count // levels - 1) for level in range(levels)]


def standard_necks(features: Features, needs: Needs) -> Necks:
    """Return the necks that bring features to what a decoder needs, empty if none are needed.

    Where no necks can do it, the list is empty too: `check_joint` then reports what is wrong.

    Args:
        features: The features of the backbone.
        needs: What the decoder needs.
    """
    necks: Necks = []
    modalities = modalities_of(features)
    if modalities:
        necks.append({"name": "MergeModalities"})
        features = _merged(features)
    if any(feature.kind is FeatureKind.UNKNOWN for feature in features):
        return necks
    make_pyramid = needs.pyramid and _of_one_size(features)
    levels = needs.levels or (LEVELS if make_pyramid else len(features))
    if levels != len(features):
        necks.append({"name": "SelectIndices", "indices": spread_indices(len(features), levels)})
    if needs.kinds is not None and not all(f.kind in needs.kinds for f in features):
        necks += _to_maps(features)
    if make_pyramid:
        necks.append({"name": "LearnedInterpolateToPyramidal"})
    return necks


def modalities_of(features: Features) -> tuple[str, ...]:
    """Return the modalities that features are still apart by, in order."""
    names: dict[str, None] = {}
    for feature in features:
        if feature.modality is not None:
            several = isinstance(feature.modality, tuple)
            names |= dict.fromkeys(feature.modality if several else (str(feature.modality),))
    return tuple(names)


def _merged(features: Features) -> Features:
    """Return the features of the first modality, which stand for all."""
    first = features[0].modality
    return tuple(feature for feature in features if feature.modality == first)


def _of_one_size(features: Features) -> bool:
    """Return whether there are several tokens or maps, known to be of one size."""
    kinds = {feature.kind for feature in features}
    if len(features) < 2 or not kinds <= {FeatureKind.TOKENS, FeatureKind.MAPS}:
        return False
    strides = {feature.stride for feature in features}
    if None in strides:
        return kinds == {FeatureKind.TOKENS}
    return len(strides) == 1


def _to_maps(features: Features) -> Necks:
    kinds = {feature.kind for feature in features}
    if kinds == {FeatureKind.MAPS_CHANNELS_LAST}:
        return [{"name": "PermuteDims", "new_order": [0, 3, 1, 2]}]
    if kinds <= {FeatureKind.TOKENS, FeatureKind.MAPS}:
        frames = max(feature.frames for feature in features)
        time = {"effective_time_dim": frames} if frames > 1 else {}
        return [{"name": "ReshapeTokensToImage", **time}]
    return []


def check_joint(features: Features, needs: Needs, decoder: str, origin: str) -> None:
    """Refuse features that a decoder cannot read; warn if they are of little use to it.

    Args:
        features: Its input.
        needs: What it needs.
        decoder: Its name, for the message.
        origin: What returns the features, for the message.

    Raises:
        ConfigurationError: If they do not fit; the message holds the necks to add.
    """
    modalities = modalities_of(features)
    refused = [feature for feature in features if not needs.takes(feature.kind)]
    if len(modalities) > 1:
        seen = f"takes the features of one image, but {origin} gives those of "
        raise _refused(decoder, seen + ", ".join(modalities), features, needs)
    if refused:
        layouts = " or ".join(sorted(_WORDS[kind] for kind in needs.kinds or ()))
        seen = f"needs {layouts}, but {origin} gives {_WORDS[refused[0].kind]}"
        raise _refused(decoder, seen, features, needs)
    if needs.one_size and not _alike_in_stride(features):
        raise ConfigurationError(
            f"decoder '{decoder}'",
            f"needs features of one size, but {origin} gives strides {_strides(features)}",
            "Choose those of one size in backbone_out_indices or with the neck SelectIndices, "
            "or choose another decoder.",
        )
    if needs.pyramid and all(f.kind is FeatureKind.MAPS for f in features):
        _warn_of_one_size(features, needs, decoder, origin)


def _alike_in_stride(features: Features) -> bool:
    strides = set(_strides(features))
    return None in strides or len(strides) < 2


def _strides(features: Sequence[Feature]) -> list[int | None]:
    return [feature.stride for feature in features]


def _refused(decoder: str, seen: str, features: Features, needs: Needs) -> ConfigurationError:
    necks = standard_necks(features, needs)
    cure = "Choose other necks, or another decoder."
    if necks:
        cure = f"Add to the end of your necks:\n{necks_yaml(necks)}"
    return ConfigurationError(f"decoder '{decoder}'", seen, cure)


def _warn_of_one_size(features: Features, needs: Needs, decoder: str, origin: str) -> None:
    if _of_one_size(features):
        log.warning(
            "%s is made for maps of several sizes, but %s gives %d of one size. "
            "Add to the end of your necks:\n%s",
            decoder,
            origin,
            len(features),
            necks_yaml(standard_necks(features, needs)),
        )


def necks_yaml(necks: Sequence[Mapping[str, object]]) -> str:
    """Return necks as YAML to paste."""
    lines = ["necks:"]
    for neck in necks:
        for position, (key, value) in enumerate(neck.items()):
            text = str(value).lower() if isinstance(value, bool) else value
            lines.append(f"  {'  ' if position else '- '}{key}: {text}")
    return "\n".join(lines)
