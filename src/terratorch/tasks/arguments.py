"""The arguments of tasks: type and description of each, once; how constructors are recorded.

The constructors are explicit signatures of these types, which editors, `help()` and jsonargparse
read. They only declare: `RecordedArguments` keeps what they were called with.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

from torch import nn

from terratorch.models.model import AuxiliaryHead

ModelArgs = Annotated[
    dict[str, Any],
    "Arguments of the model factory, such as `backbone` and, for classes, `num_classes`.",
]
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
CustomLossArgs = Annotated[dict[str, Any] | None, "Arguments of the class that `loss` names."]
LearningRate = Annotated[float, "Learning rate."]
OptimizerName = Annotated[str | None, "Name of a class of `torch.optim`; `Adam` by default."]
OptimizerArgs = Annotated[dict[str, Any] | None, "Other arguments of the optimizer."]
SchedulerName = Annotated[str | None, "Name of a class of `torch.optim.lr_scheduler`."]
SchedulerArgs = Annotated[
    dict[str, Any] | None,
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
    dict[str, Any] | None, "Arguments of `tiled_inference`: predict tile by tile with these."
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


class Call(NamedTuple):
    """The arguments that one constructor of an object was called with.

    Attributes:
        chosen: Those that were passed.
        all: Those that were passed, and defaults.
        takes_any: Whether it takes keywords that it does not name.
        hides_some: Whether it was passed positions that it does not name.
    """

    chosen: dict[str, Any]
    all: dict[str, Any]
    takes_any: bool
    hides_some: bool


class RecordedArguments:
    """Record what each constructor of an object is called with.

    Every class that defines `__init__` gets a wrapper around it, so a subclass with arguments of
    its own needs nothing more to have them stored in checkpoints.
    """

    _calls: list[Call]  # the constructor of the outermost class first

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _recorded(cls.__init__)  # type: ignore[method-assign] # a wrapper

    def used_arguments(self) -> dict[str, Any]:
        """Return the value of each argument that counts: as the innermost constructor got it."""
        values: dict[str, Any] = {}
        for call in self._calls[:-1]:
            values.update(call.all)
        # The base has defaults for what constructors below it have taken already.
        return {**self._calls[-1].all, **values, **self._calls[-1].chosen}

    def own_arguments(self) -> dict[str, Any]:
        """Return the arguments that build the object again: as the outermost constructor got them.

        A constructor that takes any keywords gets only those that it was called with: others may be
        set by itself.
        """
        outermost, *inner = self._calls
        if outermost.takes_any:
            positional = inner[0].chosen if outermost.hides_some else {}
            return {**positional, **outermost.all}
        values: dict[str, Any] = {}
        for call in reversed(self._calls):
            values.update(call.all)
        return values


def _recorded(init: Callable[..., None]) -> Callable[..., None]:
    """Return a constructor that records its arguments before it runs."""
    signature = inspect.signature(init)
    names = {parameter.kind: name for name, parameter in signature.parameters.items()}
    takes_any = inspect.Parameter.VAR_KEYWORD in names
    positional = names.get(inspect.Parameter.VAR_POSITIONAL, "")

    @functools.wraps(init)
    def recorded(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        chosen = _flat(bound)
        bound.apply_defaults()
        hides_some = bool(bound.arguments.get(positional))
        call = Call(chosen, _flat(bound), takes_any, hides_some)
        self.__dict__.setdefault("_calls", []).append(call)
        init(self, *args, **kwargs)

    # Lightning reads the arguments of a constructor without following wrappers.
    recorded.__signature__ = signature  # type: ignore[attr-defined] # functions may have it
    return recorded


def _flat(bound: inspect.BoundArguments) -> dict[str, Any]:
    """Return arguments by name, further keywords among them, without `self`."""
    _, *named = bound.arguments.items()
    values: dict[str, Any] = {}
    for name, value in named:
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            values.update(value)
        elif kind is not inspect.Parameter.VAR_POSITIONAL:
            values[name] = value
    return values
