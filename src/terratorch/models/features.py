"""From what the forward of a backbone or neck returns to the list of features that it declares."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from torch import Tensor

from terratorch.contracts.features import FeatureKind, Features
from terratorch.errors import DataError

Output = Tensor | Mapping[str, "Output"] | Iterable["Output"]


def as_list(output: Output) -> list[Tensor]:
    """Return all tensors of an output in order; a single tensor is a list of one."""
    if isinstance(output, Tensor):
        return [output]
    entries = output.values() if isinstance(output, Mapping) else output
    return [tensor for entry in entries for tensor in as_list(entry)]


def listed(
    output: Output, declared: Features, backbone: str, modalities: Collection[str] = ()
) -> list[Tensor]:
    """Return the features of a backbone in the order in which it declares them.

    Args:
        output: What it returned: a tensor, a list, or features by modality.
        declared: The features that it declares.
        backbone: Its name, for the message.
        modalities: The modalities of the images.

    Raises:
        DataError: If the backbone returns other features than it declares.
    """
    names = {*modalities, *(str(feature.modality) for feature in declared)}
    by_modality = _by_modality(output, names)
    if by_modality is None:
        return _counted(as_list(output), declared, backbone)
    returned = list(by_modality)
    features = []
    for feature in declared:
        tensors = by_modality.get(str(feature.modality))
        if not tensors:
            raise _mismatch(backbone, returned, declared)
        features.append(tensors.pop(0))
    if any(by_modality.values()):
        raise _mismatch(backbone, returned, declared)
    return features


def _counted(features: list[Tensor], declared: Features, backbone: str) -> list[Tensor]:
    known = all(feature.kind is not FeatureKind.UNKNOWN for feature in declared)
    if known and len(features) != len(declared):
        raise DataError(
            f"backbone {backbone}",
            f"returns {len(features)} features, but declares {len(declared)}",
            "Declare a Feature for each entry of the list that its forward returns.",
        )
    return features


def _by_modality(output: Output, names: Collection[str]) -> dict[str, list[Tensor]] | None:
    """Return features by modality; None if they are not."""
    if isinstance(output, Tensor):
        return None
    if isinstance(output, Mapping):
        # Other keys are names of layers, as of a feature extractor of torchvision.
        by_modality = not set(names).isdisjoint(output)
        return {name: as_list(entry) for name, entry in output.items()} if by_modality else None
    collected: dict[str, list[Tensor]] = {}
    for entry in output:
        if not isinstance(entry, Mapping):
            return None
        for name, tensors in entry.items():
            collected.setdefault(name, []).extend(as_list(tensors))
    return collected


def _mismatch(backbone: str, returned: list[str], declared: Features) -> DataError:
    names = dict.fromkeys(str(f.modality) for f in declared if f.modality is not None)
    if names:
        seen = f"declares features of {', '.join(names)}, but returns {', '.join(returned)}"
        return DataError(f"backbone {backbone}", seen, "Give the images of all its modalities.")
    return DataError(
        f"backbone {backbone}",
        f"returns features by modality ({', '.join(returned)}), but does not declare them",
        "Declare them in the backbone, self.features = (Feature(channels, kind, "
        f"modality={returned[0]!r}), ...), and merge them: necks: [{{name: MergeModalities}}]",
    )
