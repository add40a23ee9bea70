"""Public path of the classes behind the command line; they live in `terratorch.cli`."""

from terratorch.cli.callbacks.checkpoints import StateDictAwareModelCheckpoint
from terratorch.cli.inference_model import LightningInferenceModel
from terratorch.cli.lightning.deploy_config import StudioDeploySaveConfigCallback
from terratorch.cli.lightning.lightning_cli import MyLightningCLI, build_lightning_cli
from terratorch.cli.lightning.trainer import MyTrainer
from terratorch.cli.prediction.writer import CustomWriter

__all__ = [
    "CustomWriter",
    "LightningInferenceModel",
    "MyLightningCLI",
    "MyTrainer",
    "StateDictAwareModelCheckpoint",
    "StudioDeploySaveConfigCallback",
    "build_lightning_cli",
]
