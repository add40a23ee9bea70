import pytest
import torch
from torch import nn

from terratorch.errors import ArgumentNameError, ConfigurationError
from terratorch.tasks.optimizer_factory import optimizer_factory, parameter_groups

MODEL = nn.ModuleDict({"encoder": nn.Linear(2, 2), "head": nn.Linear(2, 1)})


def build(optimizer="AdamW", **arguments):
    return optimizer_factory(optimizer, 0.1, MODEL.parameters(), **arguments)


def test_names_and_arguments_are_those_of_torch():
    built = build(
        optimizer_hparams={"weight_decay": 0.05},
        scheduler="StepLR",
        scheduler_hparams={"step_size": 2, "interval": "step"},
        monitor="val/loss",
    )
    assert built["optimizer"].param_groups[0]["weight_decay"] == 0.05
    assert built["lr_scheduler"]["scheduler"].step_size == 2
    assert built["lr_scheduler"]["interval"] == "step"
    assert "lr_scheduler" not in build()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "adamw"}, r"model\.init_args\.optimizer: torch\.optim has no.*'AdamW'"),
        ({"scheduler": "StepLr"}, r"scheduler: torch\.optim\.lr_scheduler has no.*'StepLR'"),
        ({"scheduler": "StepLR"}, r"scheduler_hparams: 'step_size': is missing, and StepLR needs"),
        (
            {"scheduler": "StepLR", "scheduler_hparams": {"step_size": 1, "interval": "epochs"}},
            r"scheduler_hparams\.interval: is 'epochs'\. Use epoch or step",
        ),
        ({"optimizer_hparams": {"lr": 1}}, r"optimizer_hparams\.lr: .*model\.init_args\.lr"),
    ],
)
def test_what_torch_does_not_have_is_named(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        build(**arguments)


def test_a_misspelt_argument_is_named():
    with pytest.raises(ArgumentNameError, match=r"hparams: 'weight_decai'.*'weight_decay'"):
        build(optimizer_hparams={"weight_decai": 1})
    with pytest.raises(ArgumentNameError, match=r"scheduler_hparams: 'gama'.*'gamma'"):
        build(scheduler="StepLR", scheduler_hparams={"step_size": 1, "gama": 1})


def test_a_plateau_in_the_wrong_direction_is_an_error():
    with pytest.raises(ConfigurationError, match=r"val/mIoU is better when larger.*mode: max"):
        build(scheduler="ReduceLROnPlateau", monitor="val/mIoU")


def test_overrides_make_groups():
    groups = parameter_groups(MODEL.named_parameters(), {"encoder": 1e-5})
    assert [len(group["params"]) for group in groups] == [2, 2]
    assert torch.optim.Adam(groups, lr=0.1).param_groups[0]["lr"] == 1e-5
    assert len(parameter_groups(MODEL.named_parameters(), None)) == 4


def test_an_override_must_fit_and_fit_alone():
    with pytest.raises(ConfigurationError, match=r"lr_overrides\.encodr: no param.*'encoder'\?"):
        parameter_groups(MODEL.named_parameters(), {"encodr": 1e-5})
    with pytest.raises(ConfigurationError, match=r"\['encoder', 'weight'\] all match"):
        parameter_groups(MODEL.named_parameters(), {"encoder": 1e-5, "weight": 1e-4})


def test_an_override_of_what_is_frozen_is_an_error():
    model = nn.ModuleDict({"encoder": nn.Linear(2, 2), "head": nn.Linear(2, 1)})
    model["encoder"].requires_grad_(False)
    with pytest.raises(ConfigurationError, match=r"lr_overrides\.encoder: all .* are frozen"):
        parameter_groups(model.named_parameters(), {"encoder": 1e-5})
