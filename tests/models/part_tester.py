"""One tester for every registered neck and decoder."""

import copy
import io
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

PYRAMID = ((2, 8, 24, 20), (2, 16, 12, 10), (2, 16, 6, 5), (2, 16, 3, 3))
FLAT = ((2, 16, 7, 6),) * 4
TOKENS = ((2, 1 + 7 * 5, 16),) * 4


@dataclass
class Part:
    """How a part is built and what it is given.

    `shapes` are those of the features; `image_size` goes to necks.
    """

    shapes: tuple[tuple[int, ...], ...]
    arguments: dict[str, Any] = field(default_factory=dict)
    channel_axis: int = 1
    keywords: dict[str, Any] = field(default_factory=dict)

    @property
    def channels(self) -> list[int]:
        return [shape[self.channel_axis] for shape in self.shapes]

    def features(self, **options: Any) -> list[Tensor]:
        return [torch.rand(shape, **options) for shape in self.shapes]


def as_tensors(outputs: Any) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    return list(outputs.values() if isinstance(outputs, dict) else outputs)


class PartTester:
    """Subclasses build a part by its name."""

    def build(self, name: str, part: Part) -> nn.Module:
        raise NotImplementedError

    def expected_channels(self, module: nn.Module, part: Part) -> list[int]:
        raise NotImplementedError

    def channel_axis(self, name: str) -> int:
        return 1

    def run(self, module: nn.Module, part: Part, **options: Any) -> list[Tensor]:
        torch.manual_seed(0)
        return as_tensors(module(part.features(**options), **part.keywords))

    def check_channels(self, name: str, part: Part) -> None:
        module = self.build(name, part).eval()
        outputs = self.run(module, part)
        axis = self.channel_axis(name)
        assert [out.shape[axis] for out in outputs] == self.expected_channels(module, part)
        assert all(out.shape[0] == 2 and out.isfinite().all() for out in outputs)

    def check_half(self, name: str, part: Part, dtype: torch.dtype) -> None:
        module = self.build(name, part).eval().to(dtype)
        outputs = self.run(module, part, dtype=dtype)
        assert all(out.dtype == dtype and out.isfinite().all() for out in outputs)

    def check_meta(self, name: str, part: Part) -> None:
        expected = [out.shape for out in self.run(self.build(name, part).eval(), part)]
        with torch.device("meta"):
            module = self.build(name, part).eval()
            outputs = as_tensors(module(part.features(), **part.keywords))
        assert [out.shape for out in outputs] == expected
        assert all(out.is_meta for out in outputs)

    def check_copies(self, name: str, part: Part) -> None:
        module = self.build(name, part).eval()
        buffer = io.BytesIO()
        torch.save(module, buffer)
        buffer.seek(0)
        loaded = torch.load(buffer, weights_only=False)
        for other in (copy.deepcopy(module), loaded):
            torch.testing.assert_close(self.run(other, part), self.run(module, part))

    def check_gradients(self, name: str, part: Part) -> None:
        module = self.build(name, part).train()
        features = [feature.requires_grad_() for feature in part.features()]
        sum(out.float().sum() for out in as_tensors(module(features, **part.keywords))).backward()
        unused = [key for key, value in module.named_parameters() if value.grad is None]
        assert not unused
        assert any(feature.grad is not None for feature in features)

    def check_export(self, name: str, part: Part) -> None:
        with torch.device("meta"):
            module = self.build(name, part).eval()
            exported = torch.export.export(module, (part.features(),), dict(part.keywords))
        assert exported.graph_module is not None


def half_types() -> Any:
    return pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
