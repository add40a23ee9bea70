import pytest
import torch

from terratorch.losses.values import VALUE_LOSSES, ValueLoss

TARGET = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(0))
PREDICTION = TARGET + torch.linspace(-1, 2, 32).reshape(2, 4, 4)


@pytest.mark.parametrize("name", VALUE_LOSSES)
def test_targets_that_are_nan_do_not_matter(name):
    target, other = TARGET.clone(), PREDICTION.clone()
    target[0, 0], target[1, 1] = torch.nan, torch.nan
    other[0, 0], other[1, 1] = 50, torch.nan
    loss = ValueLoss(name)
    torch.testing.assert_close(loss(PREDICTION, target), loss(other, target))


@pytest.mark.parametrize("name", VALUE_LOSSES)
def test_a_wholly_ignored_batch_adds_nothing(name):
    prediction = PREDICTION.clone().requires_grad_()
    loss = ValueLoss(name)(prediction, torch.full_like(TARGET, torch.nan))
    loss.backward()
    assert loss.item() < 2e-3
    assert torch.equal(prediction.grad, torch.zeros_like(prediction))


def test_values_are_those_of_torch():
    difference = PREDICTION - TARGET
    torch.testing.assert_close(VALUE_LOSSES["mse"](PREDICTION, TARGET), difference.square().mean())
    torch.testing.assert_close(VALUE_LOSSES["mae"](PREDICTION, TARGET), difference.abs().mean())
    expected = torch.nn.functional.huber_loss(PREDICTION, TARGET)
    torch.testing.assert_close(VALUE_LOSSES["huber"](PREDICTION, TARGET), expected)
    expected = difference.square().mean() ** 0.25
    torch.testing.assert_close(VALUE_LOSSES["rmse"](PREDICTION, TARGET), expected)


def test_a_channel_axis_of_the_prediction_is_dropped():
    loss = ValueLoss("mse")
    torch.testing.assert_close(loss(PREDICTION.unsqueeze(1), TARGET), loss(PREDICTION, TARGET))
