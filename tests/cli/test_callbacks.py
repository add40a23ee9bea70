"""Checkpoints, the writer's public form, and `config_deploy.yaml`."""

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from terratorch.cli.callbacks.checkpoints import default_checkpoints
from terratorch.cli.lightning.deploy_config import deployed
from terratorch.cli_tools import CustomWriter, StateDictAwareModelCheckpoint
from terratorch.errors import ConfigurationError


def test_the_direction_of_the_monitor_is_known():
    modes = {c.filename: c.mode for c in default_checkpoints([], "val/mIoU") if c.monitor}
    assert modes == {"best": "max", "best-state_dict": "max"}
    assert {c.mode for c in default_checkpoints([], "val/loss")} == {"min"}
    assert default_checkpoints([ModelCheckpoint()], "val/loss") == []


def test_checkpoints_of_both_kinds_stand_side_by_side():
    pair = [
        StateDictAwareModelCheckpoint(monitor="val/loss", save_weights_only=weights)
        for weights in (False, True)
    ]
    assert pair[0].state_key != pair[1].state_key
    assert pair[1].filename == "{epoch}-{step}-state_dict"
    assert pair[1].CHECKPOINT_NAME_LAST == "last-state_dict"
    Trainer(callbacks=pair, logger=False, accelerator="cpu")  # it refuses equal states


def test_only_the_best_is_kept_where_that_is_wanted():
    callback = StateDictAwareModelCheckpoint(
        monitor="val/loss", save_best_only=True, save_top_k=5, save_last=True
    )
    assert (callback.save_top_k, callback.save_last) == (1, False)


@pytest.mark.parametrize("interval", ["batch", "epoch", "batch_and_epoch"])
def test_the_writer_writes_batch_by_batch(interval):
    writer = CustomWriter("maps", write_interval=interval)
    assert writer.interval.on_batch
    assert not writer.interval.on_epoch


def test_the_writer_refuses_other_intervals():
    with pytest.raises(ConfigurationError, match="write_interval: 'never'"):
        CustomWriter(write_interval="never")


def test_deployment_needs_no_weights_and_no_training():
    config = {
        "trainer": {"max_epochs": 3, "precision": "16-mixed", "logger": None, "callbacks": [1]},
        "model": {
            "class_path": "X",
            "init_args": {
                "lr": 1,
                "model_args": {"backbone_pretrained": True, "backbone_ckpt_path": "a.pt"},
            },
        },
        "data": {"class_path": "Y"},
        "optimizer": {"class_path": "Z"},
        "ckpt_path": "last.ckpt",
    }
    result = deployed(config)
    assert result["trainer"] == {"precision": "16-mixed", "logger": False}
    assert result["model"]["init_args"]["model_args"] == {"backbone_pretrained": False}
    assert result["model"]["init_args"]["lr"] == 1
    assert result["data"] == {"class_path": "Y"}
    assert set(result) == {"trainer", "model", "data"}
    assert deployed({"model": {"class_path": "X"}})["model"] == {"class_path": "X"}
