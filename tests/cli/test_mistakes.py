"""What the command line says to a configuration that is wrong: one message, exit code 2."""

import pytest
from cli_config import write_config

from terratorch.cli.main import main

MODEL = "model.init_args"
DATA = "data.init_args"


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (
            {"model.class_path": "SemanticSegmentatonTask"},
            ["model.class_path: there is no task", "Did you mean 'SemanticSegmentationTask'?"],
        ),
        (
            {"data.class_path": "terratorch.datamodules.GenericNonGeoSegmentationDataModul"},
            ["data.class_path:", "Did you mean 'GenericNonGeoSegmentationDataModule'"],
        ),
        (
            {"model.class_path": "nowhere.tasks.Task"},
            ["model.class_path: there is no module 'nowhere'"],
        ),
        (
            {f"{MODEL}.lerning_rate": 1},
            [f"{MODEL}.lerning_rate: SemanticSegmentationTask does not"],
        ),
        (
            {f"{MODEL}.losss": 1, f"{MODEL}.ignor_index": 2},
            [f"{MODEL}.losss Did you mean 'loss'", "Did you mean 'ignore_index'?"],
        ),
        (
            {f"{MODEL}.model_args.backbone": "prithvi_eo_tinny"},
            ["backbone 'prithvi_eo_tinny': could not", "Did you mean 'prithvi_eo_tiny'"],
        ),
        (
            {f"{MODEL}.model_args.decoder": "UperNetDecodr"},
            ["decoder 'UperNetDecodr': could not be", "Did you mean 'UperNetDecoder'"],
        ),
        ({f"{MODEL}.model_args.backbone_depht": 1}, ["backbone_depht", "'backbone_depth'"]),
        ({f"{MODEL}.model_args.num_clases": 1}, ["num_clases", "'num_classes'"]),
        ({f"{MODEL}.model_factory": "EncoderDecoderFactry"}, ["'EncoderDecoderFactory'"]),
        ({f"{MODEL}.loss": "cee"}, ["cee", "'ce'"]),
        ({f"{DATA}.train_data_root": "nowhere"}, ["train_data_root nowhere: there is no such"]),
        ({f"{DATA}.img_grep": "*.jpg"}, ["none of its 8 files matches the pattern '*.jpg'"]),
        ({f"{DATA}.means": [1.0]}, ["means: 1 values, but 6 bands"]),
        ({f"{DATA}.batch_size": 9}, ["batch_size: 9, but the training set has 4 chips"]),
        ({"model.lr": 1}, ["model.lr: is next to class_path", "Move it to model.init_args.lr"]),
        ({f"{DATA}.batchsize": 1}, [f"{DATA}.batchsize: ", "Did you mean 'batch_size'?"]),
        ({f"{DATA}.batch_size": "two"}, [f"{DATA}.batch_size: expected int, got two"]),
        ({f"{DATA}.batch_size": None}, [f"{DATA}.batch_size: missing, and GenericNonGeoSeg"]),
        ({"trainer.max_epoch": 1}, ["trainer.max_epoch: the Trainer does not", "'max_epochs'"]),
        ({"trainer.max_epochs": "ten"}, ["trainer.max_epochs: expected int or None, got ten"]),
        (
            {"trainer.accelerator": "cup"},
            ["trainer.accelerator: 'cup' cannot", "Available names"],
        ),
        (
            {"trainer.devices": 0},
            ["trainer.devices: 0 cannot be used", "or use auto for"],
        ),
        (
            {"trainer.devices": [0]},
            ["trainer.devices: [0]", "is the number of processes"],
        ),
        ({"trainer.devices": True}, ["trainer.devices: expected list or str or int, got True"]),
        ({"trainer.precision": 17}, ["trainer.precision: '17' is not one of 64, 32, 16, "]),
        ({"trainer.precision": "bf16-mix"}, ["trainer.precision: ", "Did you mean 'bf16-mixed'"]),
        (
            {"trainer.callbacks": [{"class_path": "EarlyStoping", "init_args": {"monitor": "x"}}]},
            [
                "trainer.callbacks[0].class_path: there is no callback",
                "Did you mean 'EarlyStopping'",
            ],
        ),
        (
            {
                "trainer.callbacks": [
                    {"class_path": "EarlyStopping", "init_args": {"monitor": "val/mIoU"}}
                ]
            },
            ["val/mIoU is better when larger, but mode is 'min'. Set mode: max"],
        ),
        (
            {"lr_scheduler": {"class_path": "StepLR", "init_args": {"step_size": 1}}},
            ["lr_scheduler: is given without optimizer"],
        ),
        (
            {
                "trainer.callbacks": [
                    {"class_path": "ModelCheckpoint", "init_args": {"monitor": "val/miou"}}
                ]
            },
            ["ModelCheckpoint: it monitors 'val/miou', which", "Did you mean 'val/mIoU'"],
        ),
        (
            {
                "optimizer": {"class_path": "SGD", "init_args": {"lr": 0.1}},
                "lr_scheduler": {"class_path": "ReduceLROnPlateau", "init_args": {"monitor": "x"}},
            },
            ["scheduler ReduceLROnPlateau: it monitors 'x'", "Metrics: train/Accuracy, "],
        ),
        (
            {"optimizer": {"class_path": "torch.optim.AdmW"}},
            ["optimizer.class_path: module 'torch.optim' has no class 'AdmW'", "'AdamW'"],
        ),
        (
            {"optimizer": {"class_path": "Adam"}, "lr_scheduler": {"class_path": "StepLRR"}},
            ["lr_scheduler.class_path: there is no scheduler 'StepLRR'. Did you mean 'StepLR'"],
        ),
        (
            {"trainer.logger": {"class_path": "lightning.pytorch.loggers.CSVLoger"}},
            ["trainer.logger.class_path: module", "Did you mean 'CSVLogger'"],
        ),
        ({"ckpt_path": "nowhere.ckpt"}, ["ckpt_path 'nowhere.ckpt': does not exist"]),
        ({"custom_modules_path": "nowhere"}, ["custom_modules_path 'nowhere': does not exist"]),
    ],
)
def test_a_mistake_is_explained(changes, messages, config, tmp_path, capsys):
    path = write_config(tmp_path / "c.yaml", config, changes)
    assert main(["fit", "-c", path]) == 2
    shown = capsys.readouterr().err
    assert [message for message in messages if message not in shown] == [], shown
    assert "Traceback" not in shown
    assert not (tmp_path / "run" / "checkpoints").exists()


@pytest.mark.parametrize("monitor", ["val/IoU_water", "val/dice", "train/ce_epoch", "train/mIoU"])
def test_every_metric_of_the_task_can_be_watched(monitor, config, tmp_path):
    mode = "max" if "IoU" in monitor else "min"
    own = {"class_path": "ModelCheckpoint", "init_args": {"monitor": monitor, "mode": mode}}
    changes = {"trainer.callbacks": [own], f"{MODEL}.loss": {"ce": 1, "dice": 1}}
    assert main(["fit", "-c", write_config(tmp_path / "c.yaml", config, changes)]) == 0


def test_an_error_in_a_constructor_of_the_user_is_shown_with_its_frames(config, tmp_path, capsys):
    module = tmp_path / "broken_cli_task.py"
    module.write_text(
        "from lightning.pytorch import LightningModule\n\n"
        "class BrokenCliTask(LightningModule):\n"
        "    def __init__(self, x: int = 1):\n"
        "        super().__init__()\n"
        "        self.y = {}['y']\n"
    )
    changes = {"custom_modules_path": str(module), "model": {"class_path": "BrokenCliTask"}}
    assert main(["fit", "-c", write_config(tmp_path / "c.yaml", config, changes)]) == 1
    shown = capsys.readouterr().err
    assert f'File "{module}", line 6, in __init__' in shown
    assert shown.rstrip().endswith("KeyError: 'y'")
    assert "Union" not in shown


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--trainer.max_epochz", "1"], "'--trainer.max_epochz': is not known. Did you mean"),
        (["--trainer.max_epoch", "1"], "Did you mean '--trainer.max_epochs'"),  # no abbreviation
        (["--trainer.max_epoch=1"], "Did you mean '--trainer.max_epochs'"),
        (["--trainr.max_epochs", "1"], "Did you mean '--trainer.max_epochs'?"),
        (["--modle.init_args.lr", "1"], "Did you mean '--model.init_args.lr'?"),
        (
            ["--optimizer", "AdmW"],
            "--optimizer: there is no optimizer 'AdmW'. Did you mean 'AdamW'",
        ),
        (["--trainer.callbacks+=EarlyStoping"], "Did you mean 'EarlyStopping'?"),
        (
            ["--trainer.default_root_dir", "/proc/x"],
            "trainer.default_root_dir '/proc/x': /proc cannot",
        ),
        (["--trainer.default_root_dir", __file__], f"{__file__} is a file. Choose another folder"),
        (["--debgu"], "'--debgu': is not known. Did you mean '--debug'"),
        (["--xyzabcd", "1"], "List the options with: terratorch fit --help_all"),
        (["--model.init_args.lr", "fast"], "model.init_args.lr: expected float, got fast"),
        (["--ckpt_path"], "option --ckpt_path: has no value"),
    ],
)
def test_a_wrong_option_is_explained(option, message, config, tmp_path, capsys):
    path = write_config(tmp_path / "c.yaml", config)
    assert main(["fit", "-c", path, *option]) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown


def test_a_checkpoint_of_another_model_is_explained(fitted, tmp_path, capsys):
    import yaml

    given = yaml.safe_load((fitted / "given.yaml").read_text())
    change = {"model.init_args.model_args.backbone_embed_dim": 32}
    path = write_config(tmp_path / "c.yaml", given, change)
    checkpoint = str(fitted / "checkpoints" / "best.ckpt")
    assert main(["test", "-c", path, "--ckpt_path", checkpoint]) == 2
    shown = capsys.readouterr().err
    assert "its weights are not those of this model" in shown
    assert "Traceback" not in shown


def test_a_broken_custom_module_shows_its_own_frames(config, tmp_path, capsys):
    module = tmp_path / "broken_cli_module.py"
    module.write_text("x = 1\nimport not_there_at_all\n")
    changes = {"custom_modules_path": str(module)}
    assert main(["fit", "-c", write_config(tmp_path / "c.yaml", config, changes)]) == 1
    shown = capsys.readouterr().err
    assert "Error in your own code" in shown
    assert f'File "{module}", line 2' in shown
    assert "No module named 'not_there_at_all'" in shown


def test_a_custom_module_with_a_syntax_error_is_named_in_short(config, tmp_path, capsys):
    module = tmp_path / "unparsable_cli_module.py"
    module.write_text("x = 1\ndef f(:\n    pass\n")
    changes = {"custom_modules_path": str(module)}
    assert main(["fit", "-c", write_config(tmp_path / "c.yaml", config, changes)]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("Error in your own code")
    assert f'File "{module}", line 2' in shown
    assert "Traceback" not in shown
