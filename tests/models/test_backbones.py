"""Every registered backbone: inputs, features, precision, copies, export, card."""

import inspect
import subprocess
import sys

import pytest
import torch
from backbone_tester import BackboneTester, Sizes

from terratorch.contracts.features import features_of
from terratorch.models.backbones.prithvi.variants import ENCODERS
from terratorch.models.family import card_of
from terratorch.models.inputs import inputs_of
from terratorch.registry import BACKBONE_REGISTRY, TERRATORCH_BACKBONE_REGISTRY

PRITHVI = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
FAMILIES = {ENCODERS: Sizes(PRITHVI, bands=6, frames="num_frames")}
NAMES = [name for family in TERRATORCH_BACKBONE_REGISTRY.families for name in family]
# Of variants that differ in size only, one is run.
KINDS = {(TERRATORCH_BACKBONE_REGISTRY.family_of(n), card_of(n).facts): n for n in reversed(NAMES)}


class Tester(BackboneTester):
    def sizes(self, name):
        return FAMILIES[TERRATORCH_BACKBONE_REGISTRY.family_of(name)]


@pytest.mark.parametrize("name", NAMES)
class TestEveryBackbone(Tester):
    def test_features(self, name):
        self.check_features(name, (224, 224), (112, 168))

    def test_card(self, name):
        with torch.device("meta"):
            model = BACKBONE_REGISTRY.build(name)
        card = card_of(name)
        assert card.summary.endswith(".")
        assert card.features == features_of(model)
        assert card.facts == tuple(entry.name for entry in inputs_of(model))
        assert card.weights is None or card.weights.bands == model.model_bands


@pytest.mark.parametrize("name", KINDS.values())
class TestEveryKindOfBackbone(Tester):
    def test_inputs(self, name):
        self.check_inputs(name)

    def test_time_steps(self, name):
        self.check_features(name, (32, 32), (48, 64), frames=3, **self.sizes(name).tiny)

    def test_precision(self, name):
        self.check_precision(name)

    def test_copies(self, name):
        self.check_copies(name)

    def test_gradients(self, name):
        self.check_gradients(name)

    def test_stop_after(self, name):
        self.check_stop_after(name)

    def test_export(self, name):
        self.check_export(name)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_declares_every_keyword_of_forward(family):
    models = [BACKBONE_REGISTRY.build(name, **FAMILIES[family].tiny) for name in family]
    declared = {entry.name for model in models for entry in inputs_of(model)}
    keywords = {key for model in models for key in inspect.signature(model.forward).parameters}
    assert keywords == {"x", *declared}


def test_a_model_imports_no_package_that_it_does_not_use():
    code = (
        "import sys, torch\n"
        "from terratorch.models.encoder_decoder_factory import EncoderDecoderFactory\n"
        "with torch.device('meta'):\n"
        "    for decoder in ('FCNDecoder', 'UperNetDecoder'):\n"
        "        EncoderDecoderFactory().build_model(\n"
        "            'segmentation', 'prithvi_eo_tiny', decoder, num_classes=2)\n"
        "unused = {'timm', 'segmentation_models_pytorch', 'torchvision', 'lightning'}\n"
        "print(*unused & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
