"""The arguments of tasks: type and description of each, once.

Constructors are explicit signatures of these types, which editors, `help()` and jsonargparse read.
They only declare: `hyperparameters.RecordedArguments` records what they are called with.
"""

from __future__ import annotations

import inspect
import textwrap
from typing import Annotated, Any, TypeVar, get_type_hints

from torch import nn

from terratorch.models.model import AuxiliaryHead

Options = dict[str, Any]
_MODEL_ARGS = "Arguments of the model factory, such as `backbone` and, for classes, `num_classes`."
ModelArgs = Annotated[Options, _MODEL_ARGS]
OptionalModelArgs = Annotated[Options | None, _MODEL_ARGS]
Factory = Annotated[str | None, "Name of the model factory; `EncoderDecoderFactory` by default."]
BuiltModel = Annotated[nn.Module | None, "A model that is already built, instead of a factory."]
LossNames = Annotated[
    str | list[str] | dict[str, float] | None,
    "Name of a loss, a list for the sum of several, or weights by name. Losses over classes: `ce`, "
    "`dice`, `jaccard`, `focal`, `lovasz`; over values: `mse`, `rmse`, `mae`, `huber`.",
]
Loss = Annotated[
    str | list[str] | dict[str, float] | nn.Module,
    "Name of a loss, a list for the sum of several, weights by name, a module or, with "
    "`custom_loss`, the path of a class. Losses over classes: `ce`, `dice`, `jaccard`, `focal`, "
    "`lovasz`; over values: `mse`, `rmse`, `mae`, `huber`.",
]
AuxHeads = Annotated[
    list[AuxiliaryHead] | None, "Auxiliary heads of the model, trained with the same loss."
]
AuxLoss = Annotated[dict[str, float] | None, "Weight of each auxiliary head in the loss."]
ClassWeights = Annotated[list[float] | None, "Weight of each class in the loss `ce`."]
VarWeights = Annotated[list[float] | None, "Weight of each variable; there is one."]
IgnoreIndex = Annotated[
    int | None,
    "Targets with this value count in neither loss nor metrics. In classification, `focal` still "
    "counts them, and so does `jaccard` if the value is the id of a class.",
]
CustomLoss = Annotated[bool, "Whether `loss` is the path of a class."]
CustomLossArgs = Annotated[Options | None, "Arguments of the class that `loss` names."]
LearningRate = Annotated[float, "Learning rate."]
OptimizerName = Annotated[str | None, "Name of a class of `torch.optim`; `Adam` by default."]
OptimizerArgs = Annotated[Options | None, "Other arguments of the optimizer."]
SchedulerName = Annotated[str | None, "Name of a class of `torch.optim.lr_scheduler`."]
SchedulerArgs = Annotated[
    Options | None,
    "Arguments of the scheduler, and `interval` and `frequency` for the Trainer.",
]
FreezeBackbone = Annotated[
    bool,
    "Exclude the parameters of the encoder from training; its batch norms still follow the "
    "statistics of the batches.",
]
FreezeDecoder = Annotated[bool, "Exclude the decoder from training."]
FreezeHead = Annotated[bool, "Exclude the head from training."]
PlotOnVal = Annotated[
    bool | int, "Plot samples every this many epochs; true for each, false for never."
]
ClassNames = Annotated[list[str] | None, "Names of the classes, in the order of their ids."]
TileArgs = Annotated[
    Options | None, "Arguments of `tiled_inference`: predict tile by tile with these."
]
TestNames = Annotated[
    list[str] | None, "Names of the test sets, which become part of their metrics' names."
]
LrOverrides = Annotated[
    dict[str, float] | None, "Learning rates of the parameters whose name contains the key."
]
OutputLayers = Annotated[
    str | list[str], "Layers of a prediction: `prediction`, `logits`, `probabilities`, or several."
]
MostProbable = Annotated[bool, "Predict the most probable class; otherwise the scores of all."]
MetricsPath = Annotated[
    str | None, "A `.csv` or `.json` file, or a folder, for the metrics of a test."
]
TileTests = Annotated[bool, "Run tests tile by tile."]
TileValidation = Annotated[bool, "Run validation tile by tile."]
TaskName = Annotated[
    str | None, "What the model factory builds a head for; by default what the objective names."
]

Task = TypeVar("Task", bound=type[object])


def describe_arguments(task: Task) -> Task:
    """Add the section `Args:` to the docstring of a class, from the types of its constructor."""
    hints = get_type_hints(vars(task)["__init__"], include_extras=True)
    lines = [
        textwrap.fill(
            f"{name}: {kind.__metadata__[0]}",
            width=100,
            initial_indent="    ",
            subsequent_indent="        ",
        )
        for name, kind in hints.items()
        if hasattr(kind, "__metadata__")
    ]
    raises = "Raises:\n    ConfigurationError: If arguments contradict each other."
    summary = inspect.cleandoc(task.__doc__ or "")
    task.__doc__ = "\n\n".join([summary, "\n".join(["Args:", *lines]), raises])
    return task
