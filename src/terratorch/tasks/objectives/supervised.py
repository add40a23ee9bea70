"""The step that dense and per-image objectives share: scores against one target."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

from terratorch.errors import DataError
from terratorch.losses.combined import build_losses, load_loss
from terratorch.models.model import ModelOutput
from terratorch.tasks.loss_handler import compute_losses, zero_losses
from terratorch.tasks.objectives.objective import Objective
from terratorch.tasks.step_result import Batch, RawTarget, Returned, StepResult


class SupervisedObjective(Objective):
    """The base of objectives that compare the scores of a model with a target of the batch."""

    target_key: ClassVar[str] = "mask"
    loss_names: ClassVar[tuple[str, ...]] = ()
    default_loss: ClassVar[str]

    @abstractmethod
    def build_loss(self, name: str) -> nn.Module:
        """Return the loss of this name, one of `loss_names`: `(scores, target)` to a scalar."""

    @abstractmethod
    def targets(self, batch: Batch, scores: Tensor) -> Tensor:
        """Return the target of a batch in the form that the criterion takes."""

    def valid(self, target: Tensor) -> Tensor | None:
        """Return where a target counts; None for everywhere."""
        ignored = self.settings.loss.ignore_index
        return None if ignored is None else target != ignored

    def read_targets(self, batch: Batch) -> list[RawTarget]:
        """Return the raw target of a batch."""
        if self.target_key not in batch:
            raise DataError(
                "batch",
                f"has no {self.target_key!r}, but {', '.join(batch)}",
                "Give each sample its label.",
            )
        target: Tensor = batch[self.target_key]
        return [RawTarget(self.target_key, target, self.valid(target), self.num_classes)]

    def build_criterion(self) -> nn.Module:
        """Return the loss of the settings: names of losses, a module, or the path of a class."""
        settings = self.settings.loss
        loss = self.default_loss if settings.loss is None else settings.loss
        if isinstance(loss, nn.Module):
            return loss
        if settings.is_path:
            return load_loss(loss, settings.arguments)
        return build_losses(loss, self.loss_names, self.build_loss)

    def learn(
        self, output: Returned, batch: Batch, criterion: nn.Module, counts: Sequence[bool]
    ) -> StepResult:
        """Return the losses of a batch, and what the metrics compare."""
        assert isinstance(output, ModelOutput)
        target = self.targets(batch, output.output)
        # Tiles, and some models in evaluation, give the main head only.
        with_heads = criterion.training or output.auxiliary_heads
        weights = self.settings.loss.auxiliary_weights if with_heads else None
        losses = compute_losses(output, target, criterion, weights)
        if not all(counts):
            losses = zero_losses(losses, output)
        scores = output.output.detach()
        return StepResult(losses, scores, self.decide(scores), target)
