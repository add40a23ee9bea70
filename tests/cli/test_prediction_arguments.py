"""Arguments of `terratorch predict` as people write them."""

from terratorch.cli.prediction.arguments import join_bounds, split_checkpoints


def test_bounds_may_begin_with_a_minus():
    given = ["--area", "-9,38,-8,39", "--crop", "3", "--area", "x.json"]
    assert join_bounds(given) == ["--area=-9,38,-8,39", *given[2:]]


def test_further_checkpoints_get_an_option_of_their_own():
    given = ["--ckpt_path", "a", "b", "c", "--crop", "3"]
    expected = ["--ckpt_path", "a", "--further_ckpt_paths", "b", "c", "--crop", "3"]
    assert split_checkpoints(given) == expected
    assert split_checkpoints(["--ckpt_path", "a", "--crop", "3"])[2:] == ["--crop", "3"]
