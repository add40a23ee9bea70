"""`config_deploy.yaml`: the configuration of a run, as prediction needs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from terratorch.tasks.checkpoint import without_weights

DEPLOY_FILE = "config_deploy.yaml"

# They belong to the training that was: where it logged, what it saved, from where it went on.
_TRAINING_SECTIONS = ("optimizer", "lr_scheduler", "ckpt_path")
_TRAINER_KEYS = ("callbacks", "logger", "default_root_dir", "max_epochs", "devices", "num_nodes")


def deployed(config: dict[str, Any]) -> dict[str, Any]:
    """Return what prediction needs of a configuration, without the paths of weights.

    Args:
        config: The configuration of a run as plain containers.
    """
    kept = {key: value for key, value in config.items() if key not in _TRAINING_SECTIONS}
    trainer = kept.get("trainer") or {}
    # What is null is a default, and versions of Lightning differ in which there are.
    kept["trainer"] = {
        key: value
        for key, value in trainer.items()
        if key not in _TRAINER_KEYS and value is not None
    } | {"logger": False}
    kept["model"] = _model_without_weights(kept.get("model"))
    return kept


def _unset(config: Mapping[str, Any]) -> list[str]:
    """Return the sections, and the options of a prediction, that nobody gave."""
    return [key for key, value in config.items() if value is None]


def _model_without_weights(model: Any) -> Any:
    """The weights come from the checkpoint: nothing is downloaded, no other file is needed."""
    arguments = (model or {}).get("init_args") or {}
    if not isinstance(arguments.get("model_args"), dict):
        return model
    changed = {**arguments, "model_args": without_weights(arguments["model_args"])}
    return {**model, "init_args": changed}


class StudioDeploySaveConfigCallback(SaveConfigCallback):
    """Save the configuration of a run, and beside it the one for prediction.

    The arguments are those of Lightning's `SaveConfigCallback`. The second file is left out with
    `deploy_config_file: false`.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Save the configuration of a training; a later test or prediction leaves it alone."""
        if stage == "fit":
            self.config = self.config.clone()
            for key in _unset(vars(self.config)):
                del self.config[key]
            super().setup(trainer, pl_module, stage)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write `config_deploy.yaml` into the folder of the run when training begins."""
        import yaml

        log_dir = trainer.log_dir
        if log_dir is None or not self.config.get("deploy_config_file"):
            return
        # What was just saved: to dump the configuration anew takes longer than to read it.
        config = yaml.safe_load(Path(log_dir, self.config_filename).read_text())
        text = yaml.safe_dump(deployed(config), sort_keys=False)
        Path(log_dir, DEPLOY_FILE).write_text(text)
