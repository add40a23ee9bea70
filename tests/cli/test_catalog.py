"""`terratorch list` and `terratorch describe`."""

import pytest

from terratorch.cli.commands.catalog import KINDS, find_names
from terratorch.cli.commands.describe import describe
from terratorch.cli.main import main
from terratorch.registry import TERRATORCH_BACKBONE_REGISTRY


@pytest.mark.parametrize("kind", [kind for kind in KINDS])
def test_every_kind_can_be_listed(kind, capsys):
    code = main(["list", kind])
    names = capsys.readouterr().out.splitlines()
    assert names == sorted(names)
    assert code == (0 if names else 2)
    assert all(len(name.split()) == 1 for name in names)


def test_a_pattern_is_a_glob_or_a_part_of_the_name(capsys):
    assert main(["list", "tasks", "semantic"]) == 0
    assert capsys.readouterr().out == "SemanticSegmentationTask\n"
    assert main(["list", "datamodule", "*Segmentation*"]) == 0
    assert capsys.readouterr().out == "GenericNonGeoSegmentationDataModule\n"
    assert main(["list", "tasks", "nothing_like_it"]) == 2
    assert "No tasks of 'nothing_like_it'" in capsys.readouterr().err


def test_other_packages_are_asked_where_it_is_wanted():
    assert "timm" in find_names("backbones").not_searched
    assert find_names("backbones", "prithvi_eo_tiny").names == ["prithvi_eo_tiny"]
    assert "timm_resnet18" in find_names("backbones", "timm_resnet1*").names
    assert "timm_resnet18" in find_names("backbones", "resnet18").names  # none of ours matches
    everywhere = find_names("backbones", "*tiny*", everywhere=True)
    assert "timm" not in everywhere.not_searched
    assert {"prithvi_eo_tiny", "timm_convnext_tiny"} <= set(everywhere.names)


def test_a_listing_that_is_piped_has_no_cut_lines(capsys):
    main(["list", "backbones", "prithvi"])
    captured = capsys.readouterr()
    assert "prithvi_eo_v2_300_tl" in captured.out.splitlines()
    assert "timm has more: terratorch list backbones 'timm_*prithvi*'" in captured.err


def test_a_backbone_is_described(capsys):
    assert main(["describe", "prithvi_eo_v2_tiny_tl"]) == 0
    shown = capsys.readouterr().out
    for part in (
        "prithvi_eo_v2_tiny_tl (backbone)",
        "prithvi/names.py:",
        "features: 12, tokens",
        "channels: 192 each",
        "bands: BLUE, GREEN, RED, NIR_NARROW, SWIR_1, SWIR_2",
        "licence: Apache-2.0",
        "  pretrained: bool = False",
    ):
        assert part in shown


def test_a_backbone_of_another_package_is_described():
    (description,) = describe("timm_resnet18")
    assert dict(description.facts)["channels"] == "64, 64, 128, 256, 512"


def test_list_alone_counts_the_kinds(capsys):
    assert main(["list"]) == 0
    rows = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert list(rows) == list(KINDS)
    assert int(rows["tasks"]) == len(find_names("tasks").names)


def test_a_class_of_ones_own_is_described_by_what_it_says_itself(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        TERRATORCH_BACKBONE_REGISTRY,
        "_constructors",
        dict(TERRATORCH_BACKBONE_REGISTRY._constructors),
    )
    module = tmp_path / "my_described_scales.py"
    module.write_text(
        "from torch import nn\n"
        "from terratorch.registry import TERRATORCH_BACKBONE_REGISTRY\n\n"
        "@TERRATORCH_BACKBONE_REGISTRY.register\n"
        "class MyDescribedScales(nn.Module):\n"
        "    def __init__(self, bands: int = 6):\n"
        "        super().__init__()\n"
        "        self.out_channels = [4]\n"
        "        self.layer = nn.Conv2d(bands, 4, 1)\n"
    )
    assert main(["describe", "MyDescribedScales", "--custom_modules_path", str(module)]) == 0
    shown = capsys.readouterr().out
    assert "Base class for all neural network modules" not in shown
    assert "features: 1, layout not declared" in shown
    assert "parameters: 28\n" in shown


def test_arguments_come_with_what_they_are():
    (description,) = describe("SelectIndices")
    arguments = {argument.name: argument for argument in description.arguments}
    assert description.kind == "neck"
    assert arguments["indices"].default == "required"
    assert arguments["indices"].type == "list[int]"
    assert arguments["indices"].description.startswith("Which features to pass on")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "backbones"])
def test_everything_of_ours_can_be_described(kind):
    for name in find_names(kind).names:
        assert any(description.text for description in describe(name)), name
