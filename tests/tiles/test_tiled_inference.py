"""An identity model gives the image back; models, modalities and extra inputs keep their order."""

import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from terratorch.errors import ConfigurationError, DataError, InvalidModelError
from terratorch.models.model import ModelOutput
from terratorch.tasks.tiled_inference import tiled_inference
from terratorch.tiles.engine import run_tiles, tile_weights
from terratorch.tiles.joining import Blending
from terratorch.tiles.parameters import TiledInferenceParameters
from terratorch.tiles.plan import plan_tiles
from terratorch.tiles.scene import Scene
from terratorch.tiles.sink import RollingCanvas
from terratorch.tiles.source import TensorSource


def identity(tiles, **_):
    return tiles


def image(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_identity_gives_the_image_back(data):
    logging.disable(logging.WARNING)
    draw = data.draw
    crop = draw(st.integers(1, 20))
    x = image(2, 2, draw(st.integers(1, 50)), draw(st.integers(1, 50)))
    y = tiled_inference(
        identity,
        x,
        crop=crop,
        stride=draw(st.integers(1, crop)),
        delta=draw(st.integers(0, (crop - 1) // 2)),
        average_patches=draw(st.booleans()),
        blend_overlaps=draw(st.booleans()),
        batch_size=draw(st.integers(1, 9)),
        padding=draw(
            st.sampled_from(["reflect", "replicate", "constant", "circular", True, False])
        ),
    )
    assert torch.allclose(y, x, atol=1e-5)
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "constant", "circular"])
def test_tiles_see_the_padding_beyond_the_border(mode):
    seen = []

    def forward(tiles):
        seen.append(tiles)
        return tiles

    x = image(1, 1, 10, 14)
    tiled_inference(forward, x, crop=8, stride=4, delta=2, batch_size=99, padding=mode)
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode=mode)
    tiles = torch.cat(seen)
    assert torch.equal(tiles[0, 0], padded[0, 0, :8, :8])
    assert torch.equal(tiles[-1, 0], padded[0, 0, -8:, -8:])


def test_a_side_shorter_than_the_tile_is_padded_to_it():
    shapes = set()

    def forward(tiles):
        shapes.add(tuple(tiles.shape[-2:]))
        return tiles

    x = image(1, 1, 5, 40)
    assert torch.allclose(tiled_inference(forward, x, crop=16, stride=8, delta=2), x, atol=1e-6)
    assert shapes == {(16, 16)}


def test_batches_are_as_large_as_told_across_images():
    sizes = []

    def forward(tiles):
        sizes.append(len(tiles))
        return tiles

    tiled_inference(forward, image(2, 1, 30, 28), crop=12, stride=9, delta=1, batch_size=5)
    assert sizes == [5] * (len(sizes) - 1) + [sizes[-1]]
    assert sum(sizes) % 2 == 0


def test_time_series_and_models_without_a_channel_axis():
    x = image(1, 2, 3, 20, 18)
    y = tiled_inference(lambda tiles: tiles.mean(2)[:, 0], x, crop=8, stride=6, delta=1)
    assert y.shape == (1, 1, 20, 18)
    assert torch.allclose(y[:, 0], x.mean(2)[:, 0], atol=1e-6)


def test_modalities_are_cut_alike_and_other_entries_go_along():
    x = {"s1": image(2, 1, 20, 18), "s2": image(2, 3, 20, 18), "where": torch.tensor([[1.0], [2]])}

    def forward(tiles):
        return torch.cat([tiles["s2"], tiles["s1"] * tiles["where"][:, :, None, None]], 1)

    y = tiled_inference(forward, x, crop=8, stride=6, delta=1, batch_size=3)
    assert torch.allclose(y, forward(x), atol=1e-5)


def test_inputs_per_image_stay_with_their_image():
    x = torch.zeros(3, 1, 20, 18)
    offset = torch.tensor([1.0, 2.0, 3.0])

    def forward(tiles, offset, scale):
        return ModelOutput(tiles + scale * offset[:, None, None, None])

    y = tiled_inference(forward, x, crop=8, stride=6, delta=1, batch_size=4, offset=offset, scale=2)
    assert torch.allclose(y, (2 * offset)[:, None, None, None].expand(3, 1, 20, 18))


def test_half_precision_is_summed_in_single():
    y = tiled_inference(lambda tiles: tiles.half(), image(1, 1, 20, 18), crop=8, stride=6, delta=1)
    assert y.dtype == torch.float32


def test_class_maps_are_joined_by_owner_only():
    classes = (image(1, 1, 20, 18) * 4).long()
    kwargs = {"crop": 8, "stride": 6, "delta": 1}
    y = tiled_inference(identity, classes, average_patches=False, **kwargs)
    assert torch.equal(y, classes)
    with pytest.raises(InvalidModelError, match=r"torch.int64, which cannot be averaged. Give sc"):
        tiled_inference(identity, classes, **kwargs)


def test_a_model_of_another_output_size_is_named():
    with pytest.raises(InvalidModelError, match=r"8 x 8 pixels the model gives .*\(9, 1, 4, 4\)"):
        tiled_inference(
            lambda tiles: tiles[..., ::2, ::2], image(1, 1, 16, 16), crop=8, stride=6, delta=1
        )


def test_modalities_of_different_size_are_named():
    x = {"s1": image(1, 1, 10, 10), "s2": image(1, 1, 20, 10)}
    with pytest.raises(DataError, match=r"differ in size: s1 10 x 10, s2 20 x 10. Bring"):
        tiled_inference(identity, x)


def test_what_is_not_images_is_named():
    with pytest.raises(DataError, match=r"shape \(1, 10, 10\) is not that of a batch of images"):
        tiled_inference(identity, image(1, 10, 10))


def test_single_parameters_beside_the_whole_object_are_refused():
    parameters = TiledInferenceParameters(8, 6, 8, 6, 1)
    x = image(1, 1, 20, 18)
    y = tiled_inference(identity, x, inference_parameters=parameters, padding=False)
    assert torch.allclose(y, x, atol=1e-6)
    with pytest.raises(ConfigurationError, match="single parameters are set together with infe"):
        tiled_inference(identity, x, inference_parameters=parameters, crop=32)


def test_announced_channels_are_checked():
    with pytest.raises(
        InvalidModelError, match="out_channels: 5 were announced, the model gives 1"
    ):
        tiled_inference(identity, image(1, 1, 8, 8), out_channels=5)


class _Rows:
    def __init__(self):
        self.pieces = []
        self.tops = []

    def write_rows(self, top, rows):
        self.tops.append(top)
        self.pieces.append(rows.clone())


@pytest.mark.parametrize(("padding", "zeroed"), [("reflect", False), (False, True)])
def test_a_stream_of_rows_gives_the_same_and_holds_few(padding, zeroed):
    x = image(1, 2, 90, 21)
    parameters = TiledInferenceParameters(16, 10, 16, 10, 2, padding=padding)
    plan = plan_tiles(90, 21, parameters)
    rows = _Rows()
    canvas = RollingCanvas(rows, width=21, zeroed=zeroed)
    weights = tile_weights(plan, parameters, torch.device("cpu"))
    scene = Scene(plan, TensorSource(x, parameters.padding_mode), Blending(canvas, weights))
    run_tiles([scene], lambda tiles, extras: tiles * 2, batch_size=5)
    whole = tiled_inference(lambda tiles: tiles * 2, x, inference_parameters=parameters)
    assert torch.equal(torch.cat(rows.pieces, 1), whole[0])
    assert rows.tops == sorted(set(rows.tops))
    assert canvas._buffer.shape[1] <= 16 + 10


def test_progress_is_shown_when_asked(capsys):
    tiled_inference(identity, image(1, 1, 20, 18), crop=8, stride=6, delta=1, verbose=True)
    assert "Tiled inference" in capsys.readouterr().out


def test_a_model_that_gives_no_tensor_is_named():
    with pytest.raises(InvalidModelError, match="the model gives a list"):
        tiled_inference(lambda tiles: [tiles], torch.rand(1, 1, 9, 9), crop=8, stride=4, delta=0)


def test_a_batch_without_images_is_named():
    with pytest.raises(DataError, match=r"the shape \(0, 1, 9, 9\) is not that of a batch"):
        tiled_inference(lambda tiles: tiles, torch.rand(0, 1, 9, 9))
