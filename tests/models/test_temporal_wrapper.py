"""The wrapper that runs a backbone over every time step."""

import pytest
import torch
from tiny_backbones import TinyMaps, TinyTokens
from torch import nn

from terratorch.errors import ArgumentNameError, ConfigurationError, DataError
from terratorch.models.encoder_decoder_factory import EncoderDecoderFactory
from terratorch.models.utils import TemporalWrapper

X = torch.rand(2, 3, 4, 32, 16)


@pytest.mark.parametrize(
    ("pooling", "shape"),
    [("mean", (2, 4, 8, 4)), ("max", (2, 4, 8, 4)), ("keep", (2, 4, 4, 8, 4))],
)
def test_maps(pooling, shape):
    wrapper = TemporalWrapper(TinyMaps(), pooling)
    assert wrapper(X)[1].shape == shape
    assert wrapper.out_channels == [4, 4, 4]


def test_concat_joins_channels_of_maps_and_of_tokens():
    maps = TemporalWrapper(TinyMaps(), "concat", n_timestamps=4)
    assert maps(X)[1].shape == (2, 16, 8, 4)
    assert maps.out_channels == [16] * 3
    tokens = TemporalWrapper(TinyTokens(), "concat", n_timestamps=4)
    assert tokens(X)[0].shape == (2, 9, 32)


def test_the_mean_is_that_of_the_steps():
    backbone = TinyMaps()
    steps = torch.stack([backbone(X[:, :, step])[0] for step in range(4)])
    torch.testing.assert_close(TemporalWrapper(backbone)(X)[0], steps.mean(0))


def test_difference_of_two_groups():
    backbone = TinyMaps()
    first = torch.stack([backbone(X[:, :, step])[0] for step in (0, 1, 2)]).mean(0)
    expected = first - backbone(X[:, :, 3])[0]
    wrapper = TemporalWrapper(backbone, "diff", subset_lengths=[3, 1])
    torch.testing.assert_close(wrapper(X)[0], expected)


def test_channels_last_come_back_as_they_were():
    class ChannelsLast(TinyMaps):
        def forward(self, x):
            return [feature.movedim(1, -1) for feature in super().forward(x)]

    wrapper = TemporalWrapper(ChannelsLast(), "concat", 4, features_permute_op=[0, 3, 1, 2])
    assert wrapper(X)[1].shape == (2, 8, 4, 16)


def test_further_inputs_are_split_or_repeated():
    class Coordinates(nn.Module):
        out_channels = (2,)

        def forward(self, x, temporal_coords, location_coords):
            assert x.shape == (8, 3, 32, 16)
            assert temporal_coords.shape == (8, 1, 2)
            assert location_coords.shape == (8, 2)
            return (temporal_coords[:, 0] + location_coords)[..., None, None].expand(-1, -1, 2, 2)

    times = torch.arange(8.0).reshape(2, 4, 1).expand(-1, -1, 2)
    wrapper = TemporalWrapper(Coordinates(), "keep")
    (feature,) = wrapper(
        X, temporal_coords=times, location_coords=torch.tensor([[0.0] * 2, [9] * 2])
    )
    assert feature[:, :, 0, 0, 0].tolist() == [[0, 1, 2, 3], [13, 14, 15, 16]]


def test_modalities_share_their_time_steps():
    class Two(TinyMaps):
        def forward(self, x):
            return super().forward(x["a"] + x["static"])

    images = {"a": X, "static": torch.rand(2, 3, 32, 16)}
    assert TemporalWrapper(Two())(images)[0].shape == (2, 4, 16, 8)


MODEL = {"task": "segmentation", "backbone": "TinyMaps", "decoder": "FCNDecoder", "num_classes": 2}


def test_in_a_model():
    model = EncoderDecoderFactory().build_model(
        **MODEL,
        backbone_use_temporal=True,
        backbone_temporal_pooling="concat",
        backbone_temporal_n_timestamps=4,
        decoder_channels=4,
    )
    assert model(X).output.shape == (2, 2, 32, 16)
    assert "encoder.encoder.stages.0.weight" in model.state_dict()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"backbone_temporal_pool": "max"}, ArgumentNameError, "'backbone_temporal_pooling'"),
        ({"backbone_temporal_pooling": "sum"}, ConfigurationError, "temporal_pooling: is 'sum'"),
        ({"backbone_temporal_pooling": "concat"}, ConfigurationError, "n_timestamps"),
    ],
)
def test_mistakes(arguments, error, message):
    with pytest.raises(error, match=message):
        EncoderDecoderFactory().build_model(**MODEL, backbone_use_temporal=True, **arguments)


def test_images_without_time_are_refused():
    with pytest.raises(DataError, match="expand_temporal_dimension"):
        TemporalWrapper(TinyMaps())(torch.rand(2, 3, 8, 8))
    with pytest.raises(DataError, match="takes two time steps, but gets 4"):
        TemporalWrapper(TinyMaps(), "diff")(X)


@pytest.mark.parametrize("steps", [{"n_timestamps": 3}, {"subset_lengths": [1, 2]}])
def test_another_number_of_time_steps_is_refused(steps):
    with pytest.raises(DataError, match=rf"has 4 time steps, but \w+_{next(iter(steps))} is 3"):
        TemporalWrapper(TinyMaps(), "concat", **steps)(X)


def test_what_the_encoder_keeps_trained_stays_so():
    class Prompted(TinyMaps):
        def freeze(self):
            self.stages[0].requires_grad_(False)

    wrapper = TemporalWrapper(Prompted())
    wrapper.freeze()
    trained = [parameter.requires_grad for parameter in wrapper.encoder.stages[:2].parameters()]
    assert trained == [False, False, True, True]
    plain = TemporalWrapper(TinyMaps())
    plain.freeze()
    assert not any(parameter.requires_grad for parameter in plain.parameters())
