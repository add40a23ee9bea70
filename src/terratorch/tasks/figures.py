"""Sample plots, for any logger that takes figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger
from torch import Tensor
from torch.utils.data import Subset

from terratorch.models.arguments import accepted_names
from terratorch.tasks.step_result import Batch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SendFigure = Callable[[str, "Figure", int], None]

# The first samples of the first batch are plotted, so that they can be followed over epochs.
SAMPLES = 4


def _to_tensorboard(logger: Any, tag: str, figure: Figure, step: int) -> None:
    logger.experiment.add_figure(tag, figure, global_step=step)


def _to_wandb(logger: Any, tag: str, figure: Figure, step: int) -> None:
    logger.log_image(tag, [figure], step=step)


def _to_mlflow(logger: Any, tag: str, figure: Figure, step: int) -> None:
    logger.experiment.log_figure(logger.run_id, figure, f"{tag}_{step}.png")


def _to_comet(logger: Any, tag: str, figure: Figure, step: int) -> None:
    logger.experiment.log_figure(tag, figure, step=step)


# By the name of the class, so that none of their packages is imported.
_SENDERS: dict[str, Callable[[Any, str, Figure, int], None]] = {
    "TensorBoardLogger": _to_tensorboard,
    "WandbLogger": _to_wandb,
    "MLFlowLogger": _to_mlflow,
    "CometLogger": _to_comet,
}


def figure_senders(loggers: Iterable[Logger]) -> list[SendFigure]:
    """Return a function `(tag, figure, step)` for each logger that takes figures.

    A user's own logger takes them if it has a method `log_figure(tag, figure, step)`.
    """
    senders: list[SendFigure] = []
    for logger in loggers:
        names = (kind.__name__ for kind in type(logger).__mro__)
        known = next((_SENDERS[name] for name in names if name in _SENDERS), None)
        log_figure = getattr(logger, "log_figure", None)
        if known is not None:
            senders.append(partial(known, logger))
        elif callable(log_figure):
            senders.append(log_figure)
    return senders


def plot_validation(
    trainer: Trainer,
    batch: Batch,
    decided: Tensor | None,
    every: int,
    class_names: Sequence[str] | None,
) -> None:
    """Plot the first samples of a validation, if plots are due and a logger takes them.

    The data set draws them: its `plot(sample)` returns a figure.

    Args:
        trainer: The Trainer.
        batch: The first batch.
        decided: The prediction of each sample, added to it as `prediction`; None for no plots.
        every: Plots are due every this many epochs; 0 for never.
        class_names: Names of the classes, for a `plot` that takes them.
    """
    is_due = every > 0 and trainer.current_epoch % every == 0 and not trainer.sanity_checking
    if not is_due or not trainer.is_global_zero or not isinstance(decided, Tensor):
        return
    senders = figure_senders(trainer.loggers)
    plot = getattr(_first_dataset(trainer.val_dataloaders), "plot", None)
    if not senders or not callable(plot):
        return
    import matplotlib.pyplot as plt

    accepted = accepted_names(plot)
    takes_names = class_names is not None and (accepted is None or "class_names" in accepted)
    options = {"class_names": class_names} if takes_names else {}
    for index in range(min(SAMPLES, len(decided))):
        sample = {key: _of_sample(value, index) for key, value in batch.items()}
        figure = plot({**sample, "prediction": decided[index].cpu()}, **options)
        for send in senders:
            send(f"val/sample_{index}", figure, trainer.global_step)
        plt.close(figure)


def _first_dataset(loaders: object) -> object:
    """Return the data set of the first of nested loaders; for a subset, its source."""
    while isinstance(loaders, Sequence):
        loaders = loaders[0] if loaders else None
    dataset = getattr(loaders, "dataset", None)
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    return dataset


def _of_sample(value: Any, index: int) -> object:
    if isinstance(value, Mapping):
        return {key: _of_sample(entry, index) for key, entry in value.items()}
    return value[index].cpu() if isinstance(value, Tensor) else value[index]
