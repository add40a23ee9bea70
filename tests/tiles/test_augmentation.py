"""Views of an image and the way back, and what several predictions come to."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from terratorch.errors import InvalidModelError
from terratorch.models.model import ModelOutput
from terratorch.tiles.augmentation import SAME, View, views_of
from terratorch.tiles.ensemble import Ensemble, Measure
from terratorch.tiles.tiled import tiled_inference

SQUARE = views_of(["flips", "rotations"])
GROUPS = [(), ("flips",), ("rotations",), ("flips", "rotations")]
sizes = st.integers(1, 7)


def equivariant(image, **_extras):
    """Logits whose view is the logits of the view: neighbours count alike in all directions."""
    image = image.flatten(1, -3)
    blurred = F.avg_pool2d(image, 3, 1, 1)
    return torch.cat([image, blurred, image * blurred], 1)


def odd(image, **_extras):
    """Logits that depend on where a pixel lies."""
    scores = equivariant(image)
    return ModelOutput(scores + torch.arange(scores.shape[-1]) * 0.1)


def joint(model, image, *others, views=SQUARE, of_classes=True, measures=(), **extras):
    ensemble = Ensemble(views, [_Module(other) for other in others], of_classes, measures)
    return ensemble.split(ensemble(model, image, extras))


class _Module(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args, **kwargs):
        return self.function(*args, **kwargs)


@pytest.mark.parametrize(("group", "count"), [*zip(GROUPS, (1, 4, 4, 8), strict=True)])
def test_a_group_has_each_view_once_and_the_image_first(group, count):
    views = views_of(group)
    image = torch.arange(6.0).view(1, 1, 2, 3)
    seen = {(tuple(view.apply(image).shape), tuple(view.apply(image).flatten())) for view in views}
    assert len(views) == len(seen) == count
    assert views[0] == SAME


def test_flips_are_across_down_and_both():
    image = torch.arange(6.0).view(2, 3)
    seen = [view.apply(image) for view in views_of(["flips"])]
    expected = [image, image.flip(0, 1), image.flip(1), image.flip(0)]
    assert all(torch.equal(one, other) for one, other in zip(seen, expected, strict=True))


@settings(deadline=None)  # the first forward of a process takes long
@given(st.sampled_from(SQUARE), st.lists(sizes, min_size=2, max_size=5))
def test_a_view_that_is_undone_is_the_image(view, shape):
    image = torch.arange(math.prod(shape)).view(shape)
    seen = view.apply(image)
    assert seen.is_contiguous()
    assert [*seen.shape] == shape[:-2] + (shape[-2:] if view.turns % 2 == 0 else shape[:-3:-1])
    assert torch.equal(view.undo(seen), image)


@pytest.mark.parametrize("group", GROUPS, ids=str)
def test_a_view_of_a_view_is_one_of_the_group(group):
    image = torch.arange(6).view(2, 3)
    views = views_of(group)
    seen = {str(view.apply(image)) for view in views}
    for one, other in itertools.product(views, views):
        assert str(other.apply(one.apply(image))) in seen


def test_modalities_are_turned_together_and_the_rest_stays():
    images = {
        "s2": torch.rand(2, 3, 4, 5),
        "s1": torch.rand(2, 1, 2, 4, 5),
        "date": torch.rand(2, 2),
    }
    seen = View(turns=1).of(images)
    assert seen["s2"].shape == (2, 3, 5, 4)
    assert seen["s1"].shape == (2, 1, 2, 5, 4)
    assert seen["date"] is images["date"]


@settings(deadline=None)  # the first forward of a process takes long
@given(
    st.sampled_from(GROUPS[1:]),
    st.sampled_from([(2, 2, 5, 5), (1, 2, 4, 7), (2, 2, 3, 4, 4), (1, 1, 2, 3, 6)]),
    st.booleans(),
)
def test_of_an_equivariant_model_the_views_change_nothing(group, shape, of_classes):
    image = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))
    pooled = joint(
        equivariant, image, views=views_of(group), of_classes=of_classes,
        measures=[Measure.VARIANCE],
    )  # fmt: skip
    plain = equivariant(image)
    if of_classes:
        torch.testing.assert_close(pooled.scores.softmax(1), plain.softmax(1))
    else:
        torch.testing.assert_close(pooled.scores, plain)
    assert pooled.uncertainty.abs().max() < 1e-9


def test_tiles_of_an_equivariant_model_blend_as_without_views():
    image = torch.randn(1, 2, 20, 27, generator=torch.Generator().manual_seed(1))
    ensemble = Ensemble(SQUARE)
    tiles = {"crop": 12, "stride": 7, "delta": 1}
    joined = tiled_inference(lambda tile: ensemble(equivariant, tile, {}), image, **tiles)
    plain = tiled_inference(equivariant, image, **tiles)
    torch.testing.assert_close(joined.softmax(1), plain.softmax(1))


@pytest.mark.parametrize("of_classes", [True, False])
def test_mean_and_variance_are_those_of_all_predictions(of_classes):
    image = torch.randn(2, 2, 5, 6, generator=torch.Generator().manual_seed(2))
    pooled = joint(odd, image, equivariant, of_classes=of_classes, measures=[Measure.VARIANCE])
    single = torch.stack(
        [view.undo(model(view.apply(image)).output if model is odd else model(view.apply(image)))
         for view in SQUARE for model in (odd, equivariant)]
    )  # fmt: skip
    if of_classes:
        single = single.softmax(2)
        torch.testing.assert_close(pooled.scores.exp(), single.mean(0))
        expected = single.var(0, correction=0).sum(1, keepdim=True)
        assert pooled.bands == ("variance",)
    else:
        torch.testing.assert_close(pooled.scores, single.mean(0))
        expected = single.var(0, correction=0)
        assert pooled.bands[:2] == ("variance_0", "variance_1")
    torch.testing.assert_close(pooled.uncertainty, expected)


def test_the_variance_of_large_values_is_that_of_small_ones():
    def model(image, **_extras):
        return 1e4 + image[:, 0] + torch.arange(image.shape[-1])

    pooled = joint(model, torch.zeros(1, 1, 2, 2), of_classes=False, measures=[Measure.VARIANCE])
    torch.testing.assert_close(
        pooled.uncertainty, torch.full((1, 1, 2, 2), 0.25), atol=1e-3, rtol=0
    )
    assert pooled.scores.shape == (1, 1, 2, 2)


def test_the_entropy_goes_from_certain_to_undecided():
    logits = torch.tensor([[100.0, 0, 0], [1, 1, 1], [1, 1, -100]])
    pooled = joint(lambda *_: logits, logits, views=[SAME], measures=[Measure.ENTROPY])
    expected = torch.tensor([[0.0], [1.0], [math.log(2) / math.log(3)]])
    torch.testing.assert_close(pooled.uncertainty, expected)
    assert pooled.scores is logits
    assert pooled.bands == ("entropy",)


def test_probabilities_of_whole_images_are_averaged():
    def model(image, **_extras):
        return image[..., 0].mean(-1)

    image = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(4))
    pooled = joint(model, image, views=views_of(["rotations"]))
    single = torch.stack([model(view.apply(image)) for view in views_of(["rotations"])])
    torch.testing.assert_close(pooled.scores.exp(), single.softmax(2).mean(0))


def test_far_logits_and_half_precision_stay_finite():
    image = torch.tensor([[-500.0, 500.0]], dtype=torch.float16)
    pooled = joint(lambda seen: seen, image, views=[SAME, SAME], measures=list(Measure))
    assert pooled.scores.dtype == torch.float32
    torch.testing.assert_close(pooled.scores, torch.tensor([[-1000.0, 0.0]]))
    assert pooled.uncertainty.tolist() == [[0.0, 0.0]]


def test_one_view_and_model_leaves_the_scores_as_they_are():
    image = torch.randn(1, 2, 3, 3)
    assert torch.equal(joint(equivariant, image, views=[SAME]).scores, equivariant(image))


def test_extra_inputs_reach_each_view():
    seen = []
    joint(lambda image, date: seen.append(date) or image, torch.rand(1, 2, 2, 2), date=3)
    assert seen == [3] * 8


def test_models_whose_scores_differ_in_shape_are_refused():
    image = torch.rand(1, 2, 4, 4)
    with pytest.raises(InvalidModelError, match=r"the shapes \(1, 6, 4, 4\) and \(1, 2, 4, 4\)"):
        joint(equivariant, image, lambda seen: seen)
