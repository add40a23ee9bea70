"""torchgeo as an optional source of backbones: those of its models that are built on timm."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

from torch import nn

from terratorch.models.backbones.timm_source import declare_features
from terratorch.optional import import_optional
from terratorch.registry.registry import Constructor, Definition, definition_of

# The families that pass `features_only` on to timm; the others give one vector, or take no sizes.
_ON_TIMM = ("resnet", "vit_")


class TorchgeoSource:
    """The models of torchgeo that give feature maps, by torchgeo's own names."""

    def __init__(self) -> None:
        self._models = import_optional("torchgeo.models", "torchgeo", "use torchgeo's backbones")

    def build(
        self,
        name: str,
        /,
        weights: str | None = None,
        *,
        out_indices: Sequence[int] | None = None,
        **kwargs: object,
    ) -> nn.Module:
        """Build the feature extractor of a model: `(B, C, H, W)` to a list of maps.

        Args:
            name: The name of the model.
            weights: The weights to start from, such as `ResNet50_Weights.SENTINEL2_ALL_MOCO`; they
                determine the number of bands.
            out_indices: Levels whose features are returned; by default those of timm.
            kwargs: Arguments of the model, such as `in_chans`.
        """
        arguments: dict[str, object] = {**kwargs, "features_only": True}
        if out_indices is not None:
            arguments["out_indices"] = tuple(out_indices)
        if weights is not None:
            chosen = self._models.get_weight(weights)
            arguments.setdefault("in_chans", chosen.meta["in_chans"])
            arguments["weights"] = chosen
        return declare_features(self._models.get_model(name, **arguments))

    def __getitem__(self, name: str) -> Constructor:
        """Return the constructor of a model."""
        return functools.partial(self.build, name)

    def definition(self, name: str) -> Definition:
        """Return where a model is defined."""
        return definition_of(name, getattr(self._models, name))

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._models.list_models() if name.startswith(_ON_TIMM))

    def __len__(self) -> int:
        return sum(1 for _ in self)
