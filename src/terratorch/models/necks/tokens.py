"""Necks that turn tokens into maps or vectors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from terratorch.contracts.features import Feature, FeatureKind, Features, undeclared
from terratorch.errors import ConfigurationError, DataError
from terratorch.models.arguments import check_indices
from terratorch.models.necks.base import Neck
from terratorch.models.necks.grid import grid_of
from terratorch.registry import TERRATORCH_NECK_REGISTRY


@TERRATORCH_NECK_REGISTRY.register
class ReshapeTokensToImage(Neck):
    """Turn tokens `(B, N, C)` into maps `(B, T * C, H, W)`, time-major; maps pass through.

    The grid and the prefix tokens are those that the backbone declares. Where it declares none, the
    grid follows from `h`, else from the size of the image, else it is square.

    Args:
        channel_list: Channels of each input feature.
        remove_cls_token: Whether to remove the prefix tokens, such as the class token; or how many.
        effective_time_dim: Time steps in the tokens, after the tubelets of the patches.
        h: Rows of the grid.
        temporal_inputs: Whether features have a separate time axis `(B, T, N, C)`, which stays.
    """

    def __init__(
        self,
        channel_list: list[int],
        remove_cls_token: bool | int = True,
        effective_time_dim: int = 1,
        h: int | None = None,
        temporal_inputs: bool = False,
    ) -> None:
        super().__init__(channel_list)
        self.remove_cls_token = remove_cls_token
        self.effective_time_dim = effective_time_dim
        self.h = h
        self.temporal_inputs = temporal_inputs
        self.inputs: Features = undeclared(channel_list)

    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return the same channels: `out_channels` of a backbone count all its time steps."""
        return list(channel_list)

    def connect(self, features: Features) -> Features:
        """Return maps, with `T` times the channels.

        Raises:
            ConfigurationError: If the arguments contradict what the tokens are declared to hold.
        """
        for feature in features:
            if feature.kind is FeatureKind.TOKENS:
                self._check(feature)
        self.inputs = features
        return tuple(self._as_map(feature) for feature in features)

    def _check(self, tokens: Feature) -> None:
        if isinstance(tokens.modality, tuple):
            raise ConfigurationError(
                "neck 'ReshapeTokensToImage'",
                f"gets the tokens of {', '.join(tokens.modality)} one after the other",
                "Put the neck MergeModalities before it.",
            )
        if tokens.frames != self.effective_time_dim:
            raise ConfigurationError(
                "ReshapeTokensToImage.effective_time_dim",
                f"is {self.effective_time_dim}, but the tokens hold {tokens.frames} time steps",
                f"Set effective_time_dim: {tokens.frames}",
            )
        removed = tokens.prefix_tokens if self.remove_cls_token is True else self.remove_cls_token
        if int(removed) != tokens.prefix_tokens:
            raise ConfigurationError(
                "ReshapeTokensToImage.remove_cls_token",
                f"is {self.remove_cls_token}, but {tokens.prefix_tokens} prefix tokens come first",
                "Remove this argument: they are removed by default.",
            )

    def _as_map(self, feature: Feature) -> Feature:
        kind = FeatureKind.UNKNOWN if self.temporal_inputs else FeatureKind.MAPS
        frames = feature.frames if feature.kind is FeatureKind.TOKENS else 1
        channels = feature.channels * frames
        return Feature(channels, kind, feature.stride, feature.grid, modality=feature.modality)

    def forward(
        self, features: list[Tensor], image_size: tuple[int, int] | None = None, **kwargs: object
    ) -> list[Tensor]:
        """Return the features as maps.

        Args:
            features: Tokens `(B, N, C)`, or maps.
            image_size: Height and width of the image in pixels.
            kwargs: Ignored.
        """
        tokens_ndim = 4 if self.temporal_inputs else 3
        return [
            self._reshape(feature, declared, image_size) if feature.ndim == tokens_ndim else feature
            for feature, declared in zip(features, self.inputs, strict=False)
        ]

    def _reshape(
        self, tokens: Tensor, declared: Feature, image_size: tuple[int, int] | None
    ) -> Tensor:
        prefix, rows, columns = self._layout(tokens.shape[-2], declared, image_size)
        frames = self.effective_time_dim
        maps = tokens[..., prefix:, :].unflatten(-2, (frames, rows, columns))
        maps = maps.movedim(-1, -3)  # (..., T, C, H, W)
        return maps.flatten(-4, -3).contiguous()

    def _layout(
        self, count: int, declared: Feature, image_size: tuple[int, int] | None
    ) -> tuple[int, int, int]:
        """Return the number of prefix tokens, and the rows and columns of the others."""
        known = declared.kind is FeatureKind.TOKENS
        cells = declared.cells(image_size) if known and image_size and self.h is None else None
        prefixes = (declared.prefix_tokens,) if known else (int(self.remove_cls_token), 0)
        for prefix in dict.fromkeys(prefixes):
            patches, rest = divmod(count - prefix, self.effective_time_dim)
            grid = None if rest else cells or grid_of(patches, image_size, self.h)
            if grid is not None and grid[0] * grid[1] == patches:
                return prefix, *grid
        where = f" of an image of {tuple(image_size)} pixels" if image_size is not None else ""
        raise DataError(
            "neck 'ReshapeTokensToImage'",
            f"{count} tokens{where} do not make a grid of {self.effective_time_dim} time steps",
            "Set its effective_time_dim, remove_cls_token, or h (rows of the grid).",
        )


def _mean(feature: Tensor, dims: tuple[int, ...]) -> Tensor:
    return feature.mean(dims)


_POOLINGS: dict[str, Callable[[Tensor, tuple[int, ...]], Tensor]] = {
    "mean": _mean,
    "max": torch.amax,
    "min": torch.amin,
}


@TERRATORCH_NECK_REGISTRY.register
class AggregateTokens(Neck):
    """Pool each chosen feature to a vector `(B, C)`: tokens over tokens, maps over pixels.

    Args:
        channel_list: Channels of each input feature.
        pooling: `mean`, `max` or `min`; `cls` takes the first token, a number that token.
        indices: The feature, or features, to pool.
        index: An older name of `indices`.
        drop_cls: Whether the pooling skips the first token.
        temporal_inputs: Whether features have a separate time axis, `(B, T, N, C)` or
            `(B, T, C, H, W)`, which stays.
    """

    def __init__(
        self,
        channel_list: list[int],
        pooling: str | int = "mean",
        indices: int | list[int] | None = None,
        index: int | None = -1,
        drop_cls: bool = False,
        temporal_inputs: bool = False,
    ) -> None:
        super().__init__(channel_list)
        self.pooling = self._checked_pooling(pooling, drop_cls)
        if indices is not None and index not in (None, -1, indices):
            raise ConfigurationError(
                "AggregateTokens.index", f"is {index}, but indices is {indices}", "Give indices."
            )
        chosen = index if indices is None else indices
        chosen = -1 if chosen is None else chosen
        self.indices = check_indices(chosen, len(channel_list), "AggregateTokens.indices")
        self.drop_cls = drop_cls
        self.temporal_inputs = temporal_inputs

    @staticmethod
    def _checked_pooling(pooling: str | int, drop_cls: bool) -> str | int:
        name = pooling.lower() if isinstance(pooling, str) else pooling
        if isinstance(name, str) and name not in (*_POOLINGS, "cls"):
            raise ConfigurationError(
                "AggregateTokens.pooling",
                f"is {pooling!r}",
                "Choose mean, max, min, cls, or the index of a token.",
            )
        if drop_cls and (name == "cls" or isinstance(name, int)):
            raise ConfigurationError(
                "AggregateTokens.drop_cls", f"is true, but pooling: {name} takes one token alone"
            )
        return 0 if name == "cls" else name

    def process_channel_list(self, channel_list: list[int]) -> list[int]:
        """Return the channels of the chosen features."""
        return [channel_list[index] for index in self.indices]

    def connect(self, features: Features) -> Features:
        """Return a vector for each chosen feature."""
        kind = FeatureKind.UNKNOWN if self.temporal_inputs else FeatureKind.VECTORS
        chosen = (features[index] for index in self.indices)
        return tuple(Feature(f.channels, kind, modality=f.modality) for f in chosen)

    def forward(self, features: list[Tensor], **kwargs: object) -> list[Tensor]:
        """Return a vector for each chosen feature; a single one is used whatever the index."""
        chosen = features if len(features) == 1 else [features[index] for index in self.indices]
        return [self._pool(feature) for feature in chosen]

    def _pool(self, feature: Tensor) -> Tensor:
        if feature.ndim - self.temporal_inputs == 3:
            return self._pool_tokens(feature)
        if isinstance(self.pooling, int):
            raise DataError(
                "neck 'AggregateTokens'",
                f"takes one token, but gets maps of shape {tuple(feature.shape)}",
                "Choose pooling: mean, max or min.",
            )
        pooled = _POOLINGS[self.pooling](feature, (-2, -1))
        # Maps (B, C, T, H, W) of a backbone keep their time in the middle.
        return pooled.mT if pooled.ndim == 3 and not self.temporal_inputs else pooled

    def _pool_tokens(self, tokens: Tensor) -> Tensor:
        if isinstance(self.pooling, int):
            return tokens[..., self.pooling, :]
        return _POOLINGS[self.pooling](tokens[..., int(self.drop_cls) :, :], (-2,))
