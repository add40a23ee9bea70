"""`terratorch predict`: from a checkpoint alone, or from a configuration and a checkpoint."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from terratorch.cli.arguments import CONFIG_OPTIONS, option_values, wants_help
from terratorch.cli.option_parser import OptionParser
from terratorch.cli.stages import check_checkpoint, prepare, run_prepared, setting
from terratorch.errors import ConfigurationError, DataError, MissingFileError

if TYPE_CHECKING:
    from terratorch.datamodules.prediction import PredictionDataModule
    from terratorch.tasks.checkpoint import CheckpointInfo

# The types that a map can be written in; None fits the type to what is predicted.
OUT_DTYPES = (
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "float16",
    "float32",
    "float64",
)

_EPILOG = """\
A checkpoint is enough: it holds the model, the bands, the means and the tiling. With -c CONFIG the
model and the data come from that file, and its keys can be set as --SECTION.KEY VALUE.

examples:
  terratorch predict --ckpt_path best.ckpt --predict_data scenes/ --predict_output_dir maps/
  terratorch predict -c config.yaml --ckpt_path best.ckpt --predict_output_dir maps/
"""


def _parser() -> OptionParser:
    parser = OptionParser(
        prog="terratorch predict",
        description="Write one georeferenced map for every image.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-c", "--config", action="append", metavar="FILE", help="a configuration; may be repeated")
    add("--ckpt_path", metavar="FILE", help="the checkpoint of the trained model")
    add("--predict_data", nargs="+", metavar="PATH", help="files or folders to predict")
    add("--predict_output_dir", metavar="DIR", help="the folder that maps are written to")
    add("--out_dtype", choices=OUT_DTYPES, help="type of the maps; by default it fits the task")
    add("--output_file_prefix", metavar="TEXT", help="what the name of every map begins with")
    add("--batch_size", type=int, default=1, help="images at once; of one size if several (1)")
    add("--num_workers", type=int, default=0, help="processes that read images (0)")
    add("--accelerator", default="auto", help="cpu, gpu, mps, ... (auto)")
    add("--devices", default="auto", help="how many devices, or which (auto)")
    add("--precision", help="such as 16-mixed or bf16-mixed")
    add("--custom_modules_path", metavar="PATH", help="folder or file with modules of your own")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `terratorch predict`."""
    if option_values(arguments, *CONFIG_OPTIONS) and not wants_help(arguments):
        return _predict_with_configuration(arguments)
    return _predict_from_checkpoint(_parser().parse_args(arguments))


def _predict_with_configuration(arguments: Sequence[str]) -> int:
    configuration = prepare("predict", arguments)
    output_dir = setting("predict_output_dir", configuration, arguments)
    if output_dir is None and not (configuration.content.get("trainer") or {}).get("callbacks"):
        raise _missing_output()
    if output_dir is not None:
        check_output_dir(output_dir)
    if setting("ckpt_path", configuration, arguments) is None:
        raise _missing_checkpoint()
    return run_prepared("predict", arguments)


def _predict_from_checkpoint(options: argparse.Namespace) -> int:
    if options.ckpt_path is None:
        raise _missing_checkpoint()
    check_checkpoint(options.ckpt_path)
    paths = check_data(options.predict_data)
    if options.predict_output_dir is None:
        raise _missing_output()
    check_output_dir(options.predict_output_dir)
    if options.custom_modules_path:
        from terratorch.registry import load_custom_modules

        load_custom_modules(options.custom_modules_path)
    from terratorch.tasks.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(options.ckpt_path)
    datamodule = prediction_data(checkpoint, paths, options.batch_size, options.num_workers)
    _run(checkpoint, datamodule, options)
    return 0


def prediction_data(
    checkpoint: CheckpointInfo, paths: list[Path], batch_size: int = 1, num_workers: int = 0
) -> PredictionDataModule:
    """Return the data module that reads images the way the model of a checkpoint was trained.

    Raises:
        ConfigurationError: If the checkpoint does not say how.
    """
    from terratorch.datamodules.prediction import PredictionDataModule

    if checkpoint.input_spec is None:
        raise ConfigurationError(
            "ckpt_path",
            "the checkpoint does not say which bands and means its model was trained with",
            "Predict with the configuration: terratorch predict -c CONFIG --ckpt_path FILE ...",
        )
    return PredictionDataModule(
        paths, checkpoint.input_spec, batch_size=batch_size, num_workers=num_workers
    )


def _run(
    checkpoint: CheckpointInfo, datamodule: PredictionDataModule, options: argparse.Namespace
) -> None:
    from terratorch.cli.callbacks.prediction_writer import PredictionWriter
    from terratorch.cli.lightning_cli import MyTrainer

    writer = PredictionWriter(
        options.predict_output_dir, options.out_dtype, options.output_file_prefix
    )
    trainer = MyTrainer(
        accelerator=options.accelerator,
        devices=options.devices,
        precision=options.precision,
        logger=False,
        enable_checkpointing=False,
        callbacks=[writer],
    )
    trainer.predict(checkpoint.build_task(), datamodule=datamodule, return_predictions=False)


def check_data(paths: Sequence[str] | None) -> list[Path]:
    """Return the files and folders to predict.

    Raises:
        ConfigurationError: If there are none.
        MissingFileError: If one is not there.
        DataError: If a folder is empty.
    """
    if not paths:
        raise ConfigurationError(
            "predict_data",
            "is missing",
            "Name files or folders: --predict_data FILE_OR_DIR; or give a configuration with "
            "data.init_args.predict_data_root.",
        )
    for path in map(Path, paths):
        if not path.exists():
            raise MissingFileError(
                f"predict_data '{path}'", "does not exist", "Check the spelling of the path."
            )
        if path.is_dir() and not any(path.iterdir()):
            raise DataError(f"predict_data '{path}'", "is an empty folder")
    return list(map(Path, paths))


def check_output_dir(path: str) -> None:
    """Refuse a folder that cannot be written to; one that is not there yet is made later.

    Raises:
        ConfigurationError: If it is a file, or may not be written to.
    """
    folder = Path(path).absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise ConfigurationError(
            f"predict_output_dir '{path}'", f"{existing} is a file", "Choose another folder."
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"predict_output_dir '{path}'",
            f"{existing} may not be written to",
            "Change its permissions, or choose another folder.",
        )


def _missing_output() -> ConfigurationError:
    return ConfigurationError(
        "predict_output_dir", "is missing", "Say where the maps go: --predict_output_dir DIR"
    )


def _missing_checkpoint() -> ConfigurationError:
    return ConfigurationError(
        "ckpt_path",
        "is missing; without a checkpoint the model has learnt nothing",
        "Give it: --ckpt_path FILE (`terratorch fit` prints where it keeps its checkpoints).",
    )
