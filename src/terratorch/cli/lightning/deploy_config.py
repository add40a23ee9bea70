"""`config_deploy.yaml`: the configuration of a run, reduced to what prediction needs."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

import yaml
from lightning.fabric.utilities.cloud_io import get_filesystem
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from terratorch.models.config import without_weights

DEPLOY_FILE = "config_deploy.yaml"

# They belong to the finished training: its optimisation, its log, its checkpoints.
_TRAINING_SECTIONS = ("optimizer", "lr_scheduler", "ckpt_path")
_TRAINER_KEYS = ("callbacks", "logger", "default_root_dir", "max_epochs", "devices", "num_nodes")


def deployed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a configuration that prediction needs, without paths of weights.

    Args:
        config: The configuration of a run as plain containers.
    """
    kept = {key: value for key, value in config.items() if key not in _TRAINING_SECTIONS}
    # null is a default, and versions of Lightning differ in their arguments.
    kept["trainer"] = {
        key: value
        for key, value in (config.get("trainer") or {}).items()
        if key not in _TRAINER_KEYS and value is not None
    } | {"logger": False}
    model = config.get("model") or {}
    arguments = model.get("init_args") or {}
    if isinstance(arguments.get("model_args"), dict):
        # The weights come from the checkpoint: no download, no other file is needed.
        model_args = without_weights(arguments["model_args"])
        kept["model"] = {**model, "init_args": {**arguments, "model_args": model_args}}
    return kept


class StudioDeploySaveConfigCallback(SaveConfigCallback):
    """Save the configuration of a training, and the one for prediction in the same folder.

    The arguments are those of Lightning's `SaveConfigCallback`. With `save_to_log_dir` false, both
    files are written here: the parser has checked the configuration, and to check it again, as
    Lightning does, takes 0.1 s. The option `deploy_config_file: false` turns the second file off.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Save the configuration of a training, but not of a later test or prediction."""
        if stage == "fit":
            self.config = self.config.clone()
            for key in [key for key, value in vars(self.config).items() if value is None]:
                del self.config[key]
            super().setup(trainer, pl_module, stage)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the files into the folder of the run when training begins."""
        log_dir = trainer.log_dir
        if log_dir is None:
            return
        text = self.parser.dump(self.config, "yaml", False, False, skip_validation=True)
        files = {} if self.save_to_log_dir else {self.config_filename: text}
        if self.config.get("deploy_config_file"):
            config = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            files[DEPLOY_FILE] = yaml.safe_dump(deployed(config), sort_keys=False)
        filesystem = get_filesystem(log_dir)
        filesystem.makedirs(log_dir, exist_ok=True)
        for name, content in files.items():
            with filesystem.open(posixpath.join(log_dir, name), "w") as file:
                file.write(content)
