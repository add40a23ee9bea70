"""Tiled inference on tensors: the public function over plan, blending and engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from terratorch.contracts.facts import FACTS
from terratorch.contracts.images import Images, each_image
from terratorch.errors import ConfigurationError, InvalidModelError
from terratorch.models.model import ModelOutput
from terratorch.tiles.batch_size import SplittingForward, automatic_batch_size
from terratorch.tiles.engine import Facts, run_tiles, tile_weights
from terratorch.tiles.joining import Blending
from terratorch.tiles.parameters import AUTO, FUNCTION_DEFAULTS, TiledInferenceParameters
from terratorch.tiles.plan import plan_tiles
from terratorch.tiles.scene import Scene
from terratorch.tiles.sink import TensorSink
from terratorch.tiles.source import TensorSource, scene_size

_CROP, _STRIDE, _DELTA = (FUNCTION_DEFAULTS[key] for key in ("h_crop", "h_stride", "delta"))


@dataclass
class InferenceInput:
    """A tile of a batch, for code of users; the engine itself plans with `TilePlan`.

    Attributes:
        batch: Index of the image in the batch.
        input_coords: The window of the tile in the image.
        input_data: `(C, h, w)`, what the model sees.
        blend_mask: `(h, w)`, weights of what is kept.
        output_crop: What is kept of the prediction; None for all of it.
    """

    batch: int
    input_coords: tuple[slice, slice]
    input_data: Tensor
    blend_mask: Tensor
    output_crop: tuple[slice, slice] | None


@torch.no_grad()
def tiled_inference(
    model_forward: Callable[..., Any],
    input_batch: Images,
    out_channels: int | None = None,
    inference_parameters: TiledInferenceParameters | None = None,
    crop: int = _CROP,
    stride: int = _STRIDE,
    delta: int = _DELTA,
    h_crop: int | None = None,
    w_crop: int | None = None,
    h_stride: int | None = None,
    w_stride: int | None = None,
    average_patches: bool = True,
    blend_overlaps: bool = True,
    batch_size: int | Literal["auto"] = 16,
    verbose: bool = False,
    padding: str | bool = "reflect",
    device: str | None = None,
    **kwargs: Any,
) -> Tensor:
    """Run a model over images that are larger than its input, tile by tile.

    Every pixel of the result is an average over the tiles that see it, weighted by a cosine towards
    the sides of a tile. Any size, stride and `delta` is possible: images that fit in a tile run
    whole, and images smaller than a tile on one side are padded there.

    Args:
        model_forward: Maps a batch of tiles to scores `(n, C, h, w)` or `(n, h, w)`, or to a
            `ModelOutput`.
        input_batch: `(B, C, H, W)`, `(B, C, T, H, W)`, or a dictionary of these by modality.
        out_channels: Channels of the prediction, checked if given.
        inference_parameters: The parameters below in one object, instead of them; `padding` may be
            set as well.
        crop: Height and width of a tile in pixels.
        stride: Pixels from one tile to the next.
        delta: Pixels of each prediction that are dropped along each side.
        h_crop: Height of a tile, instead of `crop`.
        w_crop: Width of a tile, instead of `crop`.
        h_stride: Pixels from one row of tiles to the next, instead of `stride`.
        w_stride: Pixels from one column of tiles to the next, instead of `stride`.
        average_patches: Average where tiles overlap; otherwise one tile wins.
        blend_overlaps: Weight the average; otherwise all tiles count alike.
        batch_size: Tiles in a forward pass; `auto` finds out how many are fastest and fit.
        verbose: Show a progress bar.
        padding: How an image is continued beyond its border: `reflect` (also True), `replicate`,
            `constant`, `circular`; False for tiles that stay inside.
        device: Tiles are moved there before the model; None does not move them.
        **kwargs: Go to the model. A tensor whose first dimension is that of the batch is taken to
            hold a row for each image, and tiles get the row of their image; `wavelengths (C,)`
            are those of all images.

    Returns:
        `(B, C, H, W)` on the device of the input, in float32 for predictions in half precision.

    Raises:
        ConfigurationError: If a parameter cannot be used.
        DataError: If the modalities differ in size.
        InvalidModelError: If the model's output is not of the size of its input.
    """
    given = TiledInferenceParameters(
        h_crop=crop if h_crop is None else h_crop,
        h_stride=stride if h_stride is None else h_stride,
        w_crop=crop if w_crop is None else w_crop,
        w_stride=stride if w_stride is None else w_stride,
        delta=delta,
        average_patches=average_patches,
        blend_overlaps=blend_overlaps,
        batch_size=batch_size,
        verbose=verbose,
        padding=padding,
    )
    parameters = _one_of(given, inference_parameters)
    parameters.check("tiled_inference_parameters")
    sink = _run(model_forward, input_batch, parameters, device, kwargs)
    assert sink.output is not None, "a batch without images"
    if out_channels is not None and sink.output.shape[1] != out_channels:
        raise InvalidModelError(
            "tiled_inference.out_channels",
            f"{out_channels} were announced, the model gives {sink.output.shape[1]}",
        )
    return sink.output


def _one_of(
    given: TiledInferenceParameters, whole: TiledInferenceParameters | None
) -> TiledInferenceParameters:
    """Return the parameters to use; refuse single ones together with the object."""
    if whole is None:
        return given
    untouched = TiledInferenceParameters(**FUNCTION_DEFAULTS)
    if replace(given, padding=untouched.padding) != untouched:
        raise ConfigurationError(
            "tiled_inference",
            "single parameters are set together with inference_parameters, which replaces them",
            "Put them into TiledInferenceParameters.",
        )
    if given.padding == untouched.padding:
        return whole
    return replace(whole, padding=given.padding)


def _run(
    model_forward: Callable[..., Any],
    images: Images,
    parameters: TiledInferenceParameters,
    device: str | None,
    kwargs: dict[str, Any],
) -> TensorSink:
    first = images if isinstance(images, Tensor) else next(iter(images.values()))
    count = len(first)
    height, width = scene_size(images)
    plan = plan_tiles(height, width, parameters)
    weights = tile_weights(plan, parameters, first.device)
    sink = TensorSink(count, height, width, first.device, zeroed=not plan.even)
    rows, shared = _per_image(kwargs, count)
    scenes = (
        Scene(
            plan=plan,
            source=TensorSource(
                _of_image(images, index), parameters.padding_mode, _facts_of(rows, index)
            ),
            joiner=Blending(sink.canvas(index), weights),
        )
        for index in range(count)
    )

    def forward(tiles: Images, facts: Facts) -> Any:
        output = model_forward(tiles, **shared, **facts)
        return output.output if isinstance(output, ModelOutput) else output

    on_device = None if device is None else torch.device(device)
    size = (
        automatic_batch_size(*plan.tile_size, on_device or first.device)
        if parameters.batch_size == AUTO
        else parameters.tiles_at_once
    )
    with _progress(count * len(plan), parameters.verbose) as on_tiles:
        run_tiles(scenes, SplittingForward(forward), size, on_device, on_tiles)
    return sink


def _of_image(images: Images, index: int) -> Images:
    return each_image(images, lambda image: image[index : index + 1])


def _facts_of(rows: Facts, index: int) -> dict[str, Images]:
    return {name: _of_image(value, index) for name, value in rows.items()}


def _per_image(kwargs: dict[str, Any], count: int) -> tuple[dict[str, Images], dict[str, Any]]:
    """Separate the arguments with a row for each image from those that all images share."""
    rows = {name: value for name, value in kwargs.items() if _has_row_each(name, value, count)}
    return rows, {name: value for name, value in kwargs.items() if name not in rows}


def _has_row_each(name: str, value: object, count: int) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(_has_row_each(name, part, count) for part in value.values())
    if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != count:
        return False
    return value.ndim > 1 or name not in FACTS or not FACTS[name].per_batch


@contextmanager
def _progress(total: int, verbose: bool) -> Iterator[Callable[[int], None] | None]:
    if not verbose:
        yield None
        return
    from rich.progress import Progress

    with Progress() as progress:
        task = progress.add_task("Tiled inference", total=total)
        yield lambda count: progress.advance(task, count)
