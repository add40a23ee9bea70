"""Objectives of models that compute their own loss: detectors and masked autoencoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from terratorch.models.model import ModelOutput, ReconstructionOutput
from terratorch.tasks.objectives.objective import Objective
from terratorch.tasks.step_result import Batch, Compared, Returned, StepResult


class OwnLossObjective(Objective):
    """The base of objectives that take the losses which the model returns.

    In training the `forward` of the model gets `model_inputs(batch)` as further keywords, and
    returns a `ReconstructionOutput`, a dictionary of losses, or a `ModelOutput` of one. In
    evaluation it may return predictions alone: then no loss is logged.
    """

    def build_criterion(self) -> nn.Module:
        """Return a module that computes nothing: the loss is the model's."""
        return nn.Identity()

    def learn(
        self, output: Returned, batch: Batch, criterion: nn.Module, counts: Sequence[bool]
    ) -> StepResult:
        """Return the losses of the model; without predictions the metrics compare nothing."""
        losses = model_losses(output)
        return StepResult(losses, *self.compare(output, batch))

    def compare(self, output: Returned, batch: Batch) -> tuple[Compared, Compared, Compared]:
        """Return scores, decision and target of a batch for the metrics; None for nothing."""
        return None, None, None


def model_losses(output: Returned) -> dict[str, Tensor]:
    """Return the losses of a model's output, with their sum under `loss`; empty if it has none."""
    if isinstance(output, ReconstructionOutput):
        return {"loss": output.loss}
    parts = output.output if isinstance(output, ModelOutput) else output
    if not isinstance(parts, Mapping) or not parts:
        return {}
    return {"loss": sum(parts.values()), **parts}
