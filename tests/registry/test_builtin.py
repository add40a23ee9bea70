"""The rows of the built-in names against the decorators, both ways; families."""

import importlib
import pkgutil

import pytest

import terratorch.models
from terratorch import registry
from terratorch.registry import builtin

TABLES = {
    "TERRATORCH_NECK_REGISTRY": builtin.NECKS,
    "TERRATORCH_DECODER_REGISTRY": builtin.DECODERS,
    "MODEL_FACTORY_REGISTRY": builtin.FACTORIES,
    "HEAD_REGISTRY": builtin.HEADS,
    "TASK_REGISTRY": builtin.TASKS,
    "DATAMODULE_REGISTRY": builtin.DATAMODULES,
}
DECORATED = list(TABLES)[:3]
FAMILIES = {
    "TERRATORCH_BACKBONE_REGISTRY": builtin.BACKBONES,
    "TERRATORCH_FULL_MODEL_REGISTRY": builtin.FULL_MODELS,
}


@pytest.mark.parametrize("name", TABLES)
def test_every_row_leads_to_its_constructor(name):
    table = TABLES[name]
    assert table, f"{name} has no built-in name"
    for row in table:
        assert callable(getattr(registry, name)[row])


@pytest.mark.parametrize("name", DECORATED)
def test_every_decorated_name_of_our_own_has_a_row(name):
    for module in pkgutil.walk_packages(terratorch.models.__path__, "terratorch.models."):
        importlib.import_module(module.name)
    own = {
        key
        for key, constructor in getattr(registry, name)._constructors.items()
        if constructor.__module__.startswith("terratorch.")
    }
    assert own == set(TABLES[name])


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gives_names_and_constructors(name):
    models = getattr(registry, name)
    assert len(models.families) == len(FAMILIES[name])
    for family in models.families:
        assert set(family) <= set(models)
        assert all(callable(models[row]) for row in family)
