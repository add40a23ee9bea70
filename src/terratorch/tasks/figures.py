"""Sample plots, for any logger that takes figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
        known = [
            _SENDERS[kind.__name__] for kind in type(logger).__mro__ if kind.__name__ in _SENDERS
        ]
        log_figure = getattr(logger, "log_figure", None)
        if known:
            senders.append(partial(known[0], logger))
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

    Args:
        trainer: The Trainer.
        batch: The first batch.
        decided: The prediction of each sample; None for no plots.
        every: Plots are due every this many epochs; 0 for never.
        class_names: Names of the classes.
    """
    is_due = every > 0 and trainer.current_epoch % every == 0 and not trainer.sanity_checking
    if not is_due or not trainer.is_global_zero or not isinstance(decided, Tensor):
        return
    senders = figure_senders(trainer.loggers)
    dataset = next(datasets_of(trainer.val_dataloaders), None)
    if senders and callable(getattr(dataset, "plot", None)):
        plot_samples(dataset, batch, decided, senders, trainer.global_step, class_names)


def datasets_of(loaders: object) -> Iterator[Any]:
    """Yield the data sets of loaders, which may be nested in lists; for a subset, its source."""
    if isinstance(loaders, Sequence):
        for loader in loaders:
            yield from datasets_of(loader)
    elif loaders is not None:
        dataset = getattr(loaders, "dataset", None)
        while isinstance(dataset, Subset):
            dataset = dataset.dataset
        yield dataset


def plot_samples(
    dataset: Any,
    batch: Batch,
    prediction: Tensor,
    senders: Iterable[SendFigure],
    step: int,
    class_names: Sequence[str] | None = None,
) -> None:
    """Plot the first samples of a batch with their prediction and send them to the loggers.

    Args:
        dataset: Its `plot(sample)` returns a figure.
        batch: The batch.
        prediction: The prediction of each sample, added to it as `prediction`.
        senders: What `figure_senders` returned.
        step: The global step.
        class_names: Names of the classes, for a `plot` that takes them.
    """
    import matplotlib.pyplot as plt

    accepted = accepted_names(dataset.plot)
    takes_names = class_names is not None and (accepted is None or "class_names" in accepted)
    options = {"class_names": class_names} if takes_names else {}
    for index in range(min(SAMPLES, len(prediction))):
        sample = {key: _of_sample(value, index) for key, value in batch.items()}
        figure = dataset.plot({**sample, "prediction": prediction[index].cpu()}, **options)
        for send in senders:
            send(f"val/sample_{index}", figure, step)
        plt.close(figure)


def _of_sample(value: Any, index: int) -> object:
    if isinstance(value, Mapping):
        return {key: _of_sample(entry, index) for key, entry in value.items()}
    return value[index].cpu() if isinstance(value, Tensor) else value[index]
