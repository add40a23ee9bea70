"""Configurations as people write them, through `terratorch fit` and `terratorch test`."""

import json
from pathlib import Path

import pytest
import yaml
from cli_config import write_config

from chip_files import write_classification_folder, write_segmentation_folder
from terratorch.cli.main import main
from terratorch.prediction.options import OPTIONS

CONFIGS = sorted((Path(__file__).parent / "configs").glob("*.yaml"))
STATISTICS = "means: [1000, 1000, 1000, 1000, 1000, 1000]\nstds: [500, 500, 500, 500, 500, 500]\n"
BACKBONE = """
from torch import nn
from terratorch.registry import TERRATORCH_BACKBONE_REGISTRY

@TERRATORCH_BACKBONE_REGISTRY.register
class MyBackbone(nn.Module):
    def __init__(self, bands):
        super().__init__()
        self.conv = nn.Conv2d(bands, 4, 8, stride=8)
        self.out_channels = [4]

    def forward(self, x):
        return [self.conv(x)]
"""
DATA = """
from terratorch.datamodules import GenericNonGeoSegmentationDataModule

class TwoTestSets(GenericNonGeoSegmentationDataModule):
    def __init__(self, folder: str):
        roots = {f"{split}_data_root": folder for split in ("train", "val", "test")}
        super().__init__(
            2, 0, num_classes=3, img_grep="*_merged.tif", label_grep="*.mask.tif",
            means=[1000.0] * 6, stds=[500.0] * 6, **roots,
        )

    def test_dataloader(self):
        return [super().test_dataloader(), super().test_dataloader()]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The folder that the configurations speak of."""
    write_segmentation_folder(tmp_path / "chips")
    write_classification_folder(tmp_path / "classes")
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "train.txt").write_text("chip_0\nchip_1\n")
    (tmp_path / "splits" / "val.txt").write_text("chip_2_merged.tif\nchip_3_merged.tif\n")
    (tmp_path / "statistics.yaml").write_text(STATISTICS)
    (tmp_path / "my_modules").mkdir()
    (tmp_path / "my_modules" / "my_backbone.py").write_text(BACKBONE)
    (tmp_path / "my_modules" / "my_data.py").write_text(DATA)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore:Precision bf16-mixed is not supported by the model summary")
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_trains_and_tests(config, project, capsys):
    assert main(["fit", "-c", str(config)]) == 0, capsys.readouterr().err
    checkpoints = [path for path in project.rglob("*.ckpt") if "state_dict" not in path.name]
    assert checkpoints
    capsys.readouterr()
    assert main(["test", "-c", str(config), "--ckpt_path", str(checkpoints[0])]) == 0
    if config.stem == "two_test_sets":
        recorded = json.loads((project / "metrics.json").read_text())
        assert recorded["test/near/mIoU"] == recorded["test/far/mIoU"]


def test_what_fit_saves_holds_what_was_given_and_runs(config, tmp_path):
    given = {"format": "cog", "outputs": ["logits"], "augment": ["flips"]}
    assert main(["fit", "-c", write_config(tmp_path / "c.yaml", config | given)]) == 0
    saved = tmp_path / "run" / "config.yaml"
    content = yaml.safe_load(saved.read_text())
    assert {name: content[name] for name in OPTIONS.keys() & content.keys()} == given
    assert None not in content.values()
    checkpoint = str(tmp_path / "run" / "checkpoints" / "best.ckpt")
    scenes = str(next(Path(config["data"]["init_args"]["test_data_root"]).glob("*_merged.tif")))
    output = ["--predict_data", scenes, "--predict_output_dir", str(tmp_path / "maps")]
    for command in (["fit"], ["test"], ["predict", "--ckpt_path", checkpoint, *output]):
        assert main([*command, "-c", str(saved)]) == 0
    deployed = str(tmp_path / "run" / "config_deploy.yaml")
    assert main(["predict", "--ckpt_path", checkpoint, *output, "-c", deployed]) == 0
    assert len(list((tmp_path / "maps").glob("*.tif"))) == 1
