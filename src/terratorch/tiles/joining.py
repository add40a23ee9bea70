"""Join what a model returns for the tiles of a scene; rasters are blended into a canvas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from terratorch.errors import InvalidModelError
from terratorch.tiles.blend import blend_into
from terratorch.tiles.plan import Tile, TilePlan
from terratorch.tiles.sink import Canvas, TileWeights


class JoinedRows(Protocol):
    """The rows of a scene that are joined; `Scene` documents the properties."""

    plan: TilePlan
    begin: int

    @property
    def bottom(self) -> int:
        """The row after the last."""
        ...

    @property
    def fresh(self) -> bool:
        """Whether no tile before has written what is `fresh` of a tile."""
        ...

    @property
    def last(self) -> tuple[int, int] | None:
        """Row and column of the last tile."""
        ...


class Joiner(Protocol):
    """Joins the outputs of the tiles of one scene."""

    def split(self, output: Any, tiles: Sequence[Tile]) -> Iterable[Any]:
        """Check the output of a batch, and return that of each tile."""
        ...

    def add(self, scene: JoinedRows, tile: Tile, output: Any) -> None:
        """Take the output of a tile; tiles come row by row."""
        ...


class Blending:
    """Joins `(n, C, h, w)` or `(n, h, w)` by weights that sum to one at every pixel.

    Args:
        canvas: Where the prediction is put together.
        weights: Returns the weights, or the mask of owned pixels, of a tile.
    """

    def __init__(self, canvas: Canvas, weights: TileWeights) -> None:
        self.canvas, self.weights = canvas, weights

    def split(self, output: Any, tiles: Sequence[Tile]) -> Tensor:
        """Return the prediction as `(n, C, h, w)` in a dtype that can be summed."""
        size = (tiles[0].height, tiles[0].width)
        if not isinstance(output, Tensor):
            raise InvalidModelError(
                "tiled inference",
                f"the model gives a {type(output).__name__}",
                "It takes a model that gives a tensor or a ModelOutput.",
            )
        if output.ndim == 3:
            output = output.unsqueeze(1)
        if output.ndim != 4 or len(output) != len(tiles) or tuple(output.shape[-2:]) != size:
            raise InvalidModelError(
                "tiled inference",
                f"for {len(tiles)} tiles of {size[0]} x {size[1]} pixels the model gives the shape "
                f"{tuple(output.shape)}",
                "It takes a model that gives (B, C, H, W) or (B, H, W) of the size of its input "
                "(the factories do with rescale: true); others run without "
                "tiled_inference_parameters.",
            )
        return output.float() if output.dtype in (torch.float16, torch.bfloat16) else output

    def add(self, scene: JoinedRows, tile: Tile, output: Tensor) -> None:
        """Add the prediction of a tile to the canvas."""
        values = output[(slice(None), *tile.local())]
        weights = self.weights(tile)
        if weights.dtype != torch.bool and not values.is_floating_point():
            raise InvalidModelError(
                "tiled inference",
                f"the model gives {values.dtype}, which cannot be averaged",
                "Give scores, or set tiled_inference_parameters.average_patches: false.",
            )
        first, _, left, right = tile.kept
        top, bottom = max(first, scene.begin), min(tile.kept[1], scene.bottom)
        within = slice(top - first, bottom - first)
        # No tile from this row of tiles on touches the rows before.
        self.canvas.finish(scene.plan.finished(tile.row - 1), like=values)
        canvas = self.canvas.rows(top, bottom, like=values)[:, :, left:right]
        fresh = (max(tile.fresh[0] - top, 0), tile.fresh[1] - left) if scene.fresh else None
        blend_into(canvas, values[:, within].to(canvas.device), weights[within], fresh)
        if (tile.row, tile.column) == scene.last:
            self.canvas.finish(scene.bottom, like=values)
