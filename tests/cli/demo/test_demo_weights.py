import pytest
import timm
import torch
from safetensors.torch import load_file

from terratorch.cli.demo.weights import convert, rename, timm_key
from terratorch.errors import WeightsError

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def published_keys() -> list[str]:
    """All keys of the published file: stem, 16 blocks, head, classifier."""
    norms = ["_bn0", "_bn1"]
    convolutions = ["_conv_stem", "_conv_head"]
    for index in range(16):
        block = f"_blocks.{index}"
        convolutions += [f"{block}._depthwise_conv", f"{block}._project_conv"]
        norms += [f"{block}._bn1", f"{block}._bn2"]
        if index > 0:
            convolutions.append(f"{block}._expand_conv")
            norms.append(f"{block}._bn0")
    keys = [f"{name}.weight" for name in convolutions]
    keys += [f"{name}.{part}" for name in norms for part in NORM]
    return [*keys, "_fc.weight", "_fc.bias"]


def test_the_renamed_keys_are_exactly_those_of_timm():
    keys = published_keys()
    with torch.device("meta"):
        expected = timm.create_model("tf_efficientnet_lite0").state_dict()
    assert len(keys) == 296
    assert {timm_key(key) for key in keys} == set(expected)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("_blocks.0._bn2.running_var", "blocks.0.0.bn2.running_var"),
        ("_blocks.0._project_conv.weight", "blocks.0.0.conv_pw.weight"),
        ("_blocks.4._bn2.bias", "blocks.2.1.bn3.bias"),
        ("_blocks.15._expand_conv.weight", "blocks.6.0.conv_pw.weight"),
    ],
)
def test_a_block_is_counted_through_the_stages(key, expected):
    assert timm_key(key) == expected


@pytest.mark.parametrize(
    "key", ["fc.weight", "_blocks.16._bn0.weight", "_blocks.x._bn0", "_blocks"]
)
def test_a_foreign_key_is_named(key):
    with pytest.raises(WeightsError, match=f"'{key}': not a key of the EfficientNet-Lite0"):
        rename({key: torch.zeros(1)})


def test_convert_writes_safetensors_under_the_final_name(tmp_path):
    torch.save({"_fc.bias": torch.arange(3.0)}, tmp_path / "w.pth")
    convert(tmp_path / "w.pth", tmp_path / "w.safetensors")
    assert load_file(tmp_path / "w.safetensors")["classifier.bias"].tolist() == [0, 1, 2]
    assert {path.name for path in tmp_path.iterdir()} == {"w.pth", "w.safetensors"}


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"not weights")
    with pytest.raises(WeightsError, match=r"w\.pth: cannot be read as weights"):
        convert(tmp_path / "w.pth", tmp_path / "w.safetensors")
