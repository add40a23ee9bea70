"""What every backbone must do: one tester for all registered names."""

import copy
import inspect
import io
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from terratorch.contracts.features import Feature, FeatureKind, features_of
from terratorch.models.features import listed
from terratorch.models.inputs import inputs_of
from terratorch.registry import BACKBONE_REGISTRY

# Facts of a batch, by the name of the input that takes them.
FACTS = {
    "temporal_coords": lambda batch, frames: torch.full((batch, frames, 2), 100.0),
    "location_coords": lambda batch, frames: torch.full((batch, 2), 40.0),
}


@dataclass
class Sizes:
    """How backbones of a family are made small, and the images that they take.

    `tiny` are arguments that make any of them small; `frames` those that set the time steps.
    """

    tiny: dict[str, Any]
    bands: int
    frames: str = ""
    facts: dict[str, Any] = field(default_factory=lambda: dict(FACTS))


def assert_as_declared(features: list[Tensor], declared: tuple[Feature, ...], size) -> None:
    """Compare features with their declaration, for images of `size`."""
    assert len(features) == len(declared)
    for feature, one in zip(features, declared, strict=True):
        cells = one.cells(size)
        if one.kind is FeatureKind.TOKENS:
            rows, columns = cells
            count = one.prefix_tokens + one.frames * rows * columns
            assert feature.shape[1:] == (count, one.channels)
        elif one.kind is FeatureKind.VECTORS:
            assert feature.shape[1:] == (one.channels,)
        elif one.kind is FeatureKind.MAPS:
            assert feature.shape[1:] == (one.channels, *cells)
        else:
            assert one.kind is FeatureKind.MAPS_CHANNELS_LAST
            assert feature.shape[1:] == (*cells, one.channels)


class BackboneTester:
    """Subclasses give the sizes of a name's family."""

    def sizes(self, name: str) -> Sizes:
        raise NotImplementedError

    def tiny(self, name: str, **arguments: Any) -> nn.Module:
        torch.manual_seed(0)
        return BACKBONE_REGISTRY.build(name, **{**self.sizes(name).tiny, **arguments}).eval()

    def images(self, name: str, size, frames: int = 1, **options: Any) -> Tensor:
        time = (frames,) if frames > 1 else ()
        torch.manual_seed(0)
        return torch.rand((2, self.sizes(name).bands, *time, *size), **options)

    def further(self, name: str, model: nn.Module, frames: int = 1) -> dict[str, Tensor]:
        facts = self.sizes(name).facts
        return {entry.name: facts[entry.name](2, frames) for entry in inputs_of(model)}

    def run(self, model: nn.Module, images: Tensor, **further: Tensor) -> list[Tensor]:
        return listed(model(images, **further), features_of(model), type(model).__name__)

    def check_inputs(self, name: str) -> None:
        """Declared inputs are keywords of `forward`; the others change nothing."""
        model = self.tiny(name)
        keywords = set(list(inspect.signature(model.forward).parameters)[1:])
        declared = {entry.name for entry in inputs_of(model)}
        assert declared <= keywords
        images = self.images(name, (32, 32))
        plain = self.run(model, images)[-1]
        for keyword in keywords:
            fact = self.sizes(name).facts[keyword](2, 1)
            changed = not torch.equal(self.run(model, images, **{keyword: fact})[-1], plain)
            assert changed == (keyword in declared), keyword

    def check_features(self, name: str, *sizes, frames: int = 1, **arguments: Any) -> None:
        """Features are as declared at several sizes of images; nothing is computed."""
        time = {self.sizes(name).frames: frames} if frames > 1 else {}
        with torch.device("meta"):
            model = BACKBONE_REGISTRY.build(name, **time, **arguments).eval()
            for size in sizes:
                features = self.run(model, self.images(name, size, frames))
                assert all(feature.is_meta and feature.shape[0] == 2 for feature in features)
                assert_as_declared(features, features_of(model), size)

    def check_precision(self, name: str) -> None:
        """Half precision is as good as it can be."""
        model, images = self.tiny(name), self.images(name, (32, 32))
        exact = self.run(model, images, **self.further(name, model))
        model = model.to(torch.bfloat16)
        rough = self.run(model, images.bfloat16(), **self.further(name, model))
        for a, b in zip(exact, rough, strict=True):
            assert b.dtype == torch.bfloat16
            assert (a - b.float()).abs().max() < 0.05 * a.abs().max()

    def check_copies(self, name: str) -> None:
        model, images = self.tiny(name), self.images(name, (32, 32))
        buffer = io.BytesIO()
        torch.save(model, buffer)
        buffer.seek(0)
        loaded = torch.load(buffer, weights_only=False)
        for other in (copy.deepcopy(model), loaded):
            torch.testing.assert_close(self.run(other, images), self.run(model, images))

    def check_stop_after(self, name: str) -> None:
        """Stopping early changes neither state dict nor features, and trains only what is used."""
        model, images = self.tiny(name), self.images(name, (32, 32))
        keys, before = list(model.state_dict()), self.run(model, images)
        model.stop_after(0)
        after = self.run(model, images)
        assert list(model.state_dict()) == keys
        assert len(after) == len(features_of(model)) == 1
        torch.testing.assert_close(after, before[:1])
        trained = {key for key, value in model.named_parameters() if value.requires_grad}
        self.assert_trained(name, model, trained)

    def check_gradients(self, name: str) -> None:
        model = self.tiny(name)
        self.assert_trained(name, model, {key for key, _ in model.named_parameters()})

    def assert_trained(self, name: str, model: nn.Module, expected: set[str]) -> None:
        features = self.run(model.train(), self.images(name, (32, 32)), **self.further(name, model))
        sum(feature.square().sum() for feature in features).backward()
        assert expected == {key for key, p in model.named_parameters() if p.grad is not None}

    def check_export(self, name: str) -> None:
        model, images = self.tiny(name), self.images(name, (32, 32))
        further = self.further(name, model)
        exported = torch.export.export(model, (images,), further).module()
        torch.testing.assert_close(exported(images, **further), model(images, **further))
