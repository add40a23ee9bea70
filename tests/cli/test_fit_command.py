"""`terratorch fit` and `test`, through the real command line."""

import pytest
import torch
import yaml
from cli_config import write_config

from terratorch.cli.main import main


def test_fit_keeps_best_and_last_whole_and_as_weights(fitted):
    names = {file.name for file in (fitted / "checkpoints").iterdir()}
    assert names == {"best.ckpt", "last.ckpt", "best-state_dict.ckpt", "last-state_dict.ckpt"}
    whole = torch.load(fitted / "checkpoints" / "best.ckpt", weights_only=True)
    weights = torch.load(fitted / "checkpoints" / "best-state_dict.ckpt", weights_only=True)
    assert "optimizer_states" in whole
    assert "optimizer_states" not in weights
    assert weights["terratorch"]["task"] == "SemanticSegmentationTask"


def test_fit_says_where_the_checkpoints_are(config, tmp_path, capsys):
    path = write_config(tmp_path / "c.yaml", config)
    assert main(["-c", path, "fit", "--trainer.limit_train_batches", "1"]) == 0
    shown = capsys.readouterr().out
    assert f"last checkpoint: {tmp_path / 'run' / 'checkpoints' / 'last.ckpt'}" in shown
    assert "best checkpoint (val/loss " in shown


def test_several_configurations_are_merged_and_overridden(config, tmp_path):
    first = write_config(tmp_path / "a.yaml", config)
    second = tmp_path / "b.yaml"
    second.write_text("model:\n  init_args:\n    lr: 3e-4\ntrainer:\n  max_epochs: 9\n")
    arguments = ["fit", "-c", first, "-c", str(second), "--trainer.max_epochs", "1"]
    assert main([*arguments, "--model.init_args.ignore_index", "2"]) == 0
    saved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert saved["model"]["init_args"]["lr"] == 3e-4
    assert saved["model"]["init_args"]["ignore_index"] == 2
    assert saved["trainer"]["max_epochs"] == 1


def test_test_prints_the_metrics_and_leaves_the_saved_configuration_alone(fitted, capsys):
    before = (fitted / "config.yaml").read_text()
    checkpoint = str(fitted / "checkpoints" / "best.ckpt")
    assert main(["test", "-c", str(fitted / "given.yaml"), "--ckpt_path", checkpoint]) == 0
    assert "test/mIoU" in capsys.readouterr().out
    assert (fitted / "config.yaml").read_text() == before


def test_what_fit_saved_can_be_used_again(fitted):
    checkpoint = str(fitted / "checkpoints" / "best-state_dict.ckpt")
    assert main(["validate", "-c", str(fitted / "config.yaml"), "--ckpt_path", checkpoint]) == 0


def test_own_checkpoint_callbacks_replace_ours(config, tmp_path):
    own = {
        "class_path": "ModelCheckpoint",
        "init_args": {"monitor": "val/mIoU", "mode": "max", "filename": "mine"},
    }
    path = write_config(tmp_path / "c.yaml", config, {"trainer.callbacks": [own]})
    assert main(["fit", "-c", path]) == 0
    assert [file.name for file in (tmp_path / "run" / "checkpoints").iterdir()] == ["mine.ckpt"]


def test_the_optimizer_of_the_configuration_wins_and_says_so(config, tmp_path, capsys):
    changes = {
        "model.init_args.optimizer": "Adam",
        "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.01}},
        "lr_scheduler": {"class_path": "ReduceLROnPlateau", "init_args": {"patience": 2}},
    }
    assert main(["fit", "-c", write_config(tmp_path / "c.yaml", config, changes)]) == 0
    assert (
        "`optimizer` is used, and not model.init_args.optimizer (Adam)" in capsys.readouterr().err
    )
    last = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    (group,) = last["optimizer_states"][0]["param_groups"]
    assert group["momentum"] == 0
    assert last["lr_schedulers"][0]["patience"] == 2


@pytest.mark.parametrize(
    "scheduler",
    [
        {"class_path": "StepLR", "init_args": {"step_size": 1}},
        {"class_path": "torch.optim.lr_scheduler.ReduceLROnPlateau"},
        {
            "class_path": "ReduceLROnPlateau",
            "init_args": {"monitor": "val/mIoU", "mode": "max"},
        },
    ],
)
def test_schedulers_with_and_without_monitor(scheduler, config, tmp_path):
    changes = {
        "optimizer": {"class_path": "AdamW", "init_args": {"lr": 0.01}},
        "lr_scheduler": scheduler,
    }
    assert main(["fit", "-c", write_config(tmp_path / "c.yaml", config, changes)]) == 0


def test_the_trainer_resumes_from_the_last_checkpoint(fitted, tmp_path, capsys):
    arguments = ["fit", "-c", str(fitted / "given.yaml"), "--trainer.max_epochs", "2"]
    arguments += ["--trainer.default_root_dir", str(tmp_path)]
    last = fitted / "checkpoints" / "last.ckpt"
    assert main([*arguments, "--ckpt_path", str(last)]) == 0
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1
    weights = fitted / "checkpoints" / "last-state_dict.ckpt"
    assert main([*arguments, "--ckpt_path", str(weights)]) == 2
    assert "holds weights only" in capsys.readouterr().err


def test_a_custom_module_is_used_by_name(config, tmp_path):
    modules = tmp_path / "my_parts"
    modules.mkdir()
    (modules / "my_cli_backbone.py").write_text(
        "from torch import nn\n"
        "from terratorch.registry import TERRATORCH_BACKBONE_REGISTRY\n\n"
        "@TERRATORCH_BACKBONE_REGISTRY.register\n"
        "class MyCliBackbone(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.out_channels = [4]\n"
        "        self.layer = nn.Conv2d(6, 4, 1)\n\n"
        "    def forward(self, x):\n"
        "        return self.layer(x)\n"
    )
    model_args = {"backbone": "MyCliBackbone", "decoder": "IdentityDecoder", "num_classes": 3}
    changes = {
        "custom_modules_path": str(modules),
        "model.init_args.model_args": model_args,
    }
    assert main(["fit", "-c", write_config(tmp_path / "c.yaml", config, changes)]) == 0


def test_the_folder_of_the_environment_variable_is_imported(config, tmp_path, monkeypatch):
    modules = tmp_path / "from_environment"
    modules.mkdir()
    (modules / "my_cli_callback.py").write_text(
        "from lightning.pytorch import Callback\n\nclass Silent(Callback):\n    pass\n"
    )
    monkeypatch.setenv("TERRATORCH_CUSTOM_MODULE_PATH", str(modules))
    changes = {"trainer.callbacks": [{"class_path": "my_cli_callback.Silent"}]}
    path = write_config(tmp_path / "c.yaml", config, changes)
    assert main(["fit", "-c", path, "--trainer.fast_dev_run", "1"]) == 0


def test_ctrl_c_ends_with_130_and_names_the_last_checkpoint(config, tmp_path, capsys):
    modules = tmp_path / "my_callbacks"
    modules.mkdir()
    (modules / "my_cli_interrupt.py").write_text(
        "from lightning.pytorch import Callback\n\n"
        "class InterruptSecondEpoch(Callback):\n"
        "    def on_train_epoch_start(self, trainer, pl_module):\n"
        "        if trainer.current_epoch == 1:\n"
        "            raise KeyboardInterrupt\n"
    )
    changes = {
        "custom_modules_path": str(modules),
        "trainer.callbacks": [{"class_path": "my_cli_interrupt.InterruptSecondEpoch"}],
        "trainer.max_epochs": 2,
    }
    assert main(["fit", "-c", write_config(tmp_path / "c.yaml", config, changes)]) == 130
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert last.exists()
    assert f"Interrupted. The last checkpoint is {last}" in capsys.readouterr().err


def test_every_option_and_every_argument_of_a_class_can_be_shown(capsys):
    assert main(["fit", "--help_all"]) == 0
    assert "--trainer.max_epochs" in capsys.readouterr().out
    assert main(["fit", "--model.help", "SemanticSegmentationTask"]) == 0
    assert "--model.loss" in capsys.readouterr().out


def test_the_whole_configuration_can_be_printed(config, tmp_path, capsys):
    path = write_config(tmp_path / "c.yaml", config)
    assert main(["fit", "-c", path, "--print_config"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["trainer"]["max_epochs"] == 1
