import importlib.machinery
import sys
import types
from importlib.util import find_spec

import pytest
import timm
import torch

from terratorch.contracts.features import FeatureKind
from terratorch.errors import MissingDependencyError
from terratorch.models.backbones.torchgeo_source import TorchgeoSource


def resnet18(weights=None, **kwargs):
    model = timm.create_model("test_resnet", **kwargs)
    model.started_from = weights
    return model


@pytest.fixture
def source(monkeypatch):
    """A source over a stand-in for torchgeo, which is optional."""
    package, models = types.ModuleType("torchgeo"), types.ModuleType("torchgeo.models")
    package.__spec__ = importlib.machinery.ModuleSpec("torchgeo", None)
    constructors = {"resnet18": resnet18, "dofa_base_patch16_224": None}
    models.resnet18 = resnet18
    models.list_models = lambda: list(constructors)
    models.get_model = lambda name, **kwargs: constructors[name](**kwargs)
    models.get_weight = lambda name: types.SimpleNamespace(name=name, meta={"in_chans": 13})
    monkeypatch.setitem(sys.modules, "torchgeo", package)
    monkeypatch.setitem(sys.modules, "torchgeo.models", models)
    return TorchgeoSource()


def test_only_models_that_give_maps_are_listed(source):
    assert list(source) == ["resnet18"]
    assert len(source) == 1
    assert "resnet18" in source
    assert "dofa_base_patch16_224" not in source
    assert source.definition("resnet18").name == "resnet18"


def test_features_are_as_declared(source):
    model = source.build("resnet18", in_chans=4, out_indices=[1, 4])
    features = model(torch.zeros(1, 4, 64, 64))
    assert [feature.shape[1] for feature in features] == model.out_channels
    assert {feature.kind for feature in model.features} == {FeatureKind.MAPS}
    assert [feature.stride for feature in model.features] == [4, 32]


def test_weights_give_the_number_of_bands(source):
    model = source.build("resnet18", weights="ResNet18_Weights.SENTINEL2_ALL_MOCO")
    assert model.started_from.name == "ResNet18_Weights.SENTINEL2_ALL_MOCO"
    assert len(model.eval()(torch.zeros(1, 13, 32, 32))) == 5


@pytest.mark.skipif(find_spec("torchgeo") is not None, reason="torchgeo is installed")
def test_without_torchgeo_the_extra_is_named():
    with pytest.raises(MissingDependencyError, match=r"terratorch\[torchgeo\]"):
        TorchgeoSource()
