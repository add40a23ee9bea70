"""Several objectives on one encoder: a head for each, with its own target, loss and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from terratorch.contracts.outputs import Content, OutputValue
from terratorch.contracts.prediction import MAIN_LAYER
from terratorch.errors import InvalidModelError
from terratorch.models.model import ModelOutput
from terratorch.tasks.objectives.objective import Objective
from terratorch.tasks.objectives.supervised import SupervisedObjective
from terratorch.tasks.settings import TaskSettings
from terratorch.tasks.step_result import Batch, RawTarget, Returned, StepResult

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


class SeveralObjectives(Objective):
    """Learn each target with its own head of one model.

    The model returns its heads by name: `{"cover": (B, C, H, W), "height": (B, 1, H, W)}`.

    Args:
        settings: The settings of the task; those of the heads are in their objectives.
        heads: The objective of each head. The first one's prediction is the main layer.
        weights: Weight of each head in the loss; by default 1.
    """

    def __init__(
        self,
        settings: TaskSettings,
        heads: Mapping[str, SupervisedObjective],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self.heads, self.weights = dict(heads), dict(weights or {})
        super().__init__(settings)

    def read_targets(self, batch: Batch) -> list[RawTarget]:
        """Return the target of each head."""
        return [target for head in self.heads.values() for target in head.read_targets(batch)]

    def build_criterion(self) -> nn.Module:
        """Return the loss of each head by name."""
        return nn.ModuleDict({name: head.build_criterion() for name, head in self.heads.items()})

    def learn(
        self, output: Returned, batch: Batch, criterion: nn.Module, counts: Sequence[bool]
    ) -> StepResult:
        """Return the weighted sum of the losses, that of each head under its name."""
        outputs = _heads_of(output)
        criteria = cast("nn.ModuleDict", criterion)
        steps = {
            name: head.learn(_as_output(outputs[name]), batch, criteria[name], [has_target])
            for (name, head), has_target in zip(self.heads.items(), counts, strict=True)
        }
        losses = {
            (name if part == "loss" else f"{name}_{part}"): value
            for name, step in steps.items()
            for part, value in step.losses.items()
        }
        weighted = [self.weights.get(name, 1.0) * step.loss for name, step in steps.items()]
        return StepResult(
            {"loss": torch.stack(weighted).sum(), **losses},
            {name: step.output for name, step in steps.items()},
            {name: step.decided for name, step in steps.items()},
            {name: step.target for name, step in steps.items()},
        )

    def metrics(self) -> MetricCollection:
        """Return the metrics of each head, named `head/metric`."""
        by_head = HeadMetrics({name: head.metrics() for name, head in self.heads.items()})
        return cast("MetricCollection", by_head)

    @property
    def main(self) -> SupervisedObjective:
        """The objective of the first head."""
        return next(iter(self.heads.values()))

    @property
    def output_type(self) -> type[OutputValue]:  # type: ignore[override] # it depends on the heads
        """The type of the main output."""
        return self.main.output_type

    def scores(self, output: Returned) -> Tensor:
        """Return the scores of all heads as channels of one tensor, as tiles are joined."""
        outputs = _heads_of(output)
        heads = self.heads.items()
        return torch.cat([_with_channels(outputs[name], head) for name, head in heads], dim=1)

    def output_of(self, scores: Tensor) -> dict[str, Tensor]:
        """Return the scores of each head by name."""
        return {name: part for name, _, part in self._parts(scores)}

    def decide(self, scores: Tensor) -> Tensor:
        """Return class ids or values of the first head."""
        _, head, part = next(self._parts(scores))
        return head.decide(part)

    def outputs(self, scores: Tensor) -> dict[str, OutputValue]:
        """Return the outputs of each head; all but the first are named after their head."""
        return {
            _layer_name(name, layer, head is self.main): value
            for name, head, part in self._parts(scores)
            for layer, value in head.outputs(part).items()
        }

    def default_layers(self) -> dict[str, Content]:
        """Return the contents of all heads."""
        return {
            _layer_name(name, layer, head is self.main): content
            for name, head in self.heads.items()
            for layer, content in head.layer_outputs.items()
        }

    def _parts(self, scores: Tensor) -> Iterator[tuple[str, SupervisedObjective, Tensor]]:
        """Yield each head with its channels of joined scores."""
        sizes = [head.num_classes or 1 for head in self.heads.values()]
        parts = scores.split(sizes, dim=1)
        for (name, head), part in zip(self.heads.items(), parts, strict=True):
            yield name, head, part


class HeadMetrics(nn.Module):
    """The metrics of several heads, used like one `MetricCollection`.

    Args:
        by_head: The metrics of each head.
    """

    def __init__(self, by_head: Mapping[str, MetricCollection]) -> None:
        super().__init__()
        self.by_head = nn.ModuleDict(dict(by_head))

    def clone(self, prefix: str) -> HeadMetrics:
        """Return a copy whose names start with a prefix and the head."""
        return HeadMetrics({name: part.clone(f"{prefix}{name}/") for name, part in self.heads()})

    def update(self, decided: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
        """Compare what was decided with the target, for each head."""
        for name, metrics in self.heads():
            metrics.update(decided[name], target[name])

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics of all heads by name."""
        return {key: value for _, part in self.heads() for key, value in part.compute().items()}

    def reset(self) -> None:
        """Forget what was compared so far."""
        for _, metrics in self.heads():
            metrics.reset()

    def heads(self) -> Iterator[tuple[str, MetricCollection]]:
        """Yield the name and the metrics of each head."""
        for name, metrics in self.by_head.items():
            yield name, cast("MetricCollection", metrics)


def _heads_of(output: Returned) -> Mapping[str, Tensor | ModelOutput]:
    heads: Returned = output.output if isinstance(output, ModelOutput) else output
    if not isinstance(heads, Mapping):
        raise InvalidModelError(
            "the model",
            f"returns a {type(heads).__name__}",
            "Return a tensor for each head by name.",
        )
    return heads


def _as_output(output: Tensor | ModelOutput) -> ModelOutput:
    return ModelOutput(output) if isinstance(output, Tensor) else output


def _with_channels(output: Tensor | ModelOutput, head: SupervisedObjective) -> Tensor:
    """Return scores of a head `(B, C, ...)`; one value per pixel or image may lack `C`."""
    scores = output.output if isinstance(output, ModelOutput) else output
    has_channels = head.num_classes is not None or scores.ndim in (2, 4)
    return scores if has_channels else scores.unsqueeze(1)


def _layer_name(head: str, layer: str, is_main: bool) -> str:
    if is_main:
        return layer
    return head if layer == MAIN_LAYER else f"{head}_{layer}"
