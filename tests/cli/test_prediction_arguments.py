"""Arguments of `terratorch predict` as people write them."""

from terratorch.cli.prediction.arguments import bounds_in_one, first_checkpoint_apart


def test_bounds_may_begin_with_a_minus():
    given = ["--area", "-9,38,-8,39", "--crop", "3", "--area", "x.json"]
    assert bounds_in_one(given) == ["--area=-9,38,-8,39", *given[2:]]


def test_further_checkpoints_get_an_option_of_their_own():
    given = ["--ckpt_path", "a", "b", "c", "--crop", "3"]
    expected = ["--ckpt_path", "a", "--further_ckpt_paths", "b", "c", "--crop", "3"]
    assert first_checkpoint_apart(given) == expected
    assert first_checkpoint_apart(["--ckpt_path", "a", "--crop", "3"])[2:] == ["--crop", "3"]
