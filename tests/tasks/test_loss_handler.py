import pytest
import torch
from torch import nn

from terratorch.errors import ConfigurationError
from terratorch.losses.values import ValueLoss
from terratorch.models.model import ModelOutput
from terratorch.tasks.loss_handler import LossHandler

TARGET = torch.zeros(2, 4)
OUTPUT = ModelOutput(torch.ones(2, 4), {"aux": torch.full((2, 4), 2.0)})


def compute(output, weights):
    return LossHandler("train/").compute_loss(output, TARGET, ValueLoss("mse"), weights)


def test_auxiliary_heads_add_their_weighted_loss():
    losses = compute(OUTPUT, {"aux": 0.5})
    assert {name: float(value) for name, value in losses.items()} == {
        "loss": 3.0,
        "decoder": 1.0,
        "aux": 4.0,
    }
    assert float(compute(OUTPUT, None)["loss"]) == 5.0


def test_a_loss_of_several_parts_says_what_to_minimise():
    class Parts(nn.Module):
        def forward(self, prediction, target):
            return {"mse": prediction.mean()}

    with pytest.raises(ConfigurationError, match=r"its forward returned \['mse'\]"):
        LossHandler("train/").compute_loss(OUTPUT, TARGET, Parts())


def test_weights_must_be_those_of_the_heads():
    with pytest.raises(ConfigurationError, match=r"aux_loss\.auxx: .*there are \['aux'\].*'aux'\?"):
        compute(OUTPUT, {"auxx": 0.5})
    with pytest.raises(ConfigurationError, match="no weight for the auxiliary heads"):
        compute(OUTPUT, {})
    with pytest.raises(ConfigurationError, match="no auxiliary head has this name"):
        compute(ModelOutput(OUTPUT.output), {"aux": 0.5})


def test_the_loss_is_logged_once_an_epoch_and_its_parts_each_step():
    logged = {}
    handler = LossHandler("val/")
    handler.log_loss(
        lambda name, value, **how: logged.update({name: how}), compute(OUTPUT, None), 2
    )
    assert set(logged) == {"val/loss", "val/decoder", "val/aux"}
    assert not logged["val/loss"]["on_step"]
    assert logged["val/aux"]["on_step"]
