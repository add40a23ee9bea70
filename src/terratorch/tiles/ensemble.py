"""One prediction from several: of several views of an image, and of several models."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn

from terratorch.contracts.images import Images
from terratorch.errors import InvalidModelError
from terratorch.models.model import ModelOutput
from terratorch.tiles.augmentation import SAME, View


class Measure(StrEnum):
    """How uncertain a prediction is."""

    # Of the mean probabilities, relative to its maximum: 0 if one class is certain, 1 if all are
    # equally probable.
    ENTROPY = "entropy"
    # Over the single predictions: of the probabilities, summed over the classes, or of each value.
    VARIANCE = "variance"


@dataclass(frozen=True)
class Pooled:
    """Several predictions combined.

    Attributes:
        scores: `(B, C, ...)`, as one model gives them.
        uncertainty: `(B, M, ...)`; None without measures.
        bands: The name of each measure.
    """

    scores: Tensor
    uncertainty: Tensor | None = None
    bands: tuple[str, ...] = ()


class Ensemble(nn.Module):
    """Join the predictions of a model for several views, and of further models.

    Of classes the probabilities are averaged, of values the values. Single predictions are made one
    after the other and none is kept, so that memory does not grow with their number.

    Args:
        views: How the models see an image.
        others: The models after the first.
        of_classes: Whether a model gives logits `(B, C, ...)`; otherwise values.
        measures: How uncertain the prediction is; variance needs more than one view or model.
    """

    def __init__(
        self,
        views: Sequence[View] = (SAME,),
        others: Iterable[nn.Module] = (),
        of_classes: bool = True,
        measures: Sequence[Measure] = (),
    ) -> None:
        super().__init__()
        self.views = tuple(views)
        self.others = nn.ModuleList(others)
        self.of_classes = of_classes
        self.measures = tuple(measures)
        assert Measure.VARIANCE not in measures or self.size > 1, "the variance of one prediction"

    @property
    def size(self) -> int:
        """How many predictions there are of an image."""
        return len(self.views) * (1 + len(self.others))

    def extra_repr(self) -> str:
        """Return the views and measures."""
        return f"views={self.views}, measures={[str(measure) for measure in self.measures]}"

    def forward(
        self, first: Callable[..., Any], images: Images, extras: Mapping[str, Any]
    ) -> Tensor:
        """Return the joint scores of a batch.

        Args:
            first: The first model, which maps images and extra inputs to a tensor or `ModelOutput`.
            images: The batch.
            extras: Further inputs, which all views share.

        Returns:
            `(B, C, ...)`, for classes the logarithms of the mean probabilities, which are logits
            like those of a model, followed by channels for the variance if it is measured. The
            scores of a single prediction are returned unchanged.

        Raises:
            InvalidModelError: If the models differ in the shape of their scores.
        """
        singles = self._singles([first, *self.others], images, extras)
        if self.size == 1:
            return next(singles)
        mean = _LogMean() if self.of_classes else _Moments()
        spread = _Moments() if Measure.VARIANCE in self.measures else None
        for scores in singles:
            mean.add(scores)
            if spread is not None:
                spread.add(scores.softmax(dim=1) if self.of_classes else scores)
        if spread is None:
            return mean.mean()
        variance = spread.variance()
        if self.of_classes:
            variance = variance.sum(dim=1, keepdim=True)
        return torch.cat([mean.mean(), variance], dim=1)

    def _singles(
        self, models: Sequence[Callable[..., Any]], images: Images, extras: Mapping[str, Any]
    ) -> Iterator[Tensor]:
        """Yield the scores of each view and model, turned back."""
        shape: tuple[int, ...] | None = None
        for view in self.views:
            seen = view.of(images)
            for model in models:
                output = model(seen, **extras)
                scores = output.output if isinstance(output, ModelOutput) else output
                scores = _turned_back(scores.float(), view, self.of_classes)
                shape = shape or tuple(scores.shape)
                if tuple(scores.shape) != shape:
                    raise InvalidModelError(
                        "several predictions of one image",
                        f"they have the shapes {shape} and {tuple(scores.shape)}",
                        "Models of one ensemble give scores of one shape, and augmented ones of "
                        "the size of their input.",
                    )
                yield scores

    def split(self, scores: Tensor) -> Pooled:
        """Return joint scores, which tiles may have been blended of, and how uncertain they are."""
        if not self.measures:
            return Pooled(scores)
        variance = scores[:, :0]
        if Measure.VARIANCE in self.measures:
            channels = scores.shape[1] - 1 if self.of_classes else scores.shape[1] // 2
            scores, variance = scores[:, :channels], scores[:, channels:]
        parts = {
            measure: _entropy(scores) if measure is Measure.ENTROPY else variance
            for measure in self.measures
        }
        bands = [name for measure, part in parts.items() for name in _names(measure, part)]
        return Pooled(scores, torch.cat(list(parts.values()), dim=1), tuple(bands))


def _turned_back(scores: Tensor, view: View, of_classes: bool) -> Tensor:
    """Return scores of a view in the place of the image, values with a dimension for them."""
    if not of_classes and scores.ndim in (1, 3):
        scores = scores.unsqueeze(1)
    # Scores of whole images have no place.
    return view.undo(scores) if scores.ndim == 4 else scores


def _entropy(logits: Tensor) -> Tensor:
    """Return the entropy `(B, 1, ...)` of logits `(B, C, ...)`, 0 to 1."""
    entropy = torch.special.entr(logits.softmax(dim=1)).sum(dim=1, keepdim=True)
    return (entropy / math.log(logits.shape[1])).clamp(0, 1)


def _names(measure: Measure, values: Tensor) -> list[str]:
    count = values.shape[1]
    return [measure.value] if count == 1 else [f"{measure}_{index}" for index in range(count)]


class _LogMean:
    """The logarithm of the mean of the probabilities of logits, computed in logarithms."""

    def __init__(self) -> None:
        self.count = 0
        self.total: Tensor | None = None

    def add(self, logits: Tensor) -> None:
        logarithms = logits.log_softmax(dim=1)
        self.total = logarithms if self.total is None else self.total.logaddexp(logarithms)
        self.count += 1

    def mean(self) -> Tensor:
        assert self.total is not None, "a mean of nothing"
        return self.total - math.log(self.count)


class _Moments:
    """Mean and variance of tensors that come one by one.

    The sums are those of B. P. Welford, "Note on a method for calculating corrected sums of squares
    and products", Technometrics 4 (1962): squares of large numbers are never subtracted.
    """

    def __init__(self) -> None:
        self.count = 0
        self._mean: Tensor | None = None
        self._squares: Tensor | None = None

    def add(self, values: Tensor) -> None:
        self.count += 1
        if self._mean is None or self._squares is None:
            self._mean, self._squares = values.clone(), torch.zeros_like(values)
            return
        difference = values - self._mean
        self._mean += difference / self.count
        self._squares += difference * (values - self._mean)

    def mean(self) -> Tensor:
        assert self._mean is not None, "a mean of nothing"
        return self._mean

    def variance(self) -> Tensor:
        assert self._squares is not None, "a variance of nothing"
        return self._squares / self.count
