import pytest
import torch

from terratorch.errors import ConfigurationError
from terratorch.losses import functional
from terratorch.losses.classes import (
    CLASS_LOSSES,
    ClassLoss,
    check_class_weights,
)
from terratorch.losses.combined import CombinedLoss, build_losses, load_loss

LOGITS = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0)) * 2
TARGET = torch.randint(0, 4, (2, 6, 5), generator=torch.Generator().manual_seed(1))


def smp_loss(name):
    smp = pytest.importorskip("segmentation_models_pytorch").losses
    kinds = {
        "dice": smp.DiceLoss("multiclass", ignore_index=255),
        "focal": smp.FocalLoss("multiclass", ignore_index=255, normalized=True),
        "jaccard": smp.JaccardLoss("multiclass", ignore_index=255),
        "lovasz": smp.LovaszLoss("multiclass", ignore_index=255),
        "ce": torch.nn.CrossEntropyLoss(ignore_index=255),
    }
    return kinds[name]


@pytest.mark.parametrize("name", CLASS_LOSSES)
def test_values_and_gradients_are_those_of_the_known_implementations(name):
    target = TARGET.clone()
    target[0, :2] = 255
    ours = LOGITS.clone().requires_grad_()
    theirs = LOGITS.clone().requires_grad_()
    loss = ClassLoss(name, 255, None)(ours, target)
    expected = smp_loss(name)(theirs, target)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("ignore_index", [255, -1, 0])
@pytest.mark.parametrize("name", CLASS_LOSSES)
def test_ignored_pixels_do_not_matter(name, ignore_index):
    loss = ClassLoss(name, ignore_index, None)
    target = TARGET.clone()
    target[:, 3:] = ignore_index
    other = LOGITS.clone()
    other[:, :, 3:] = 7.0
    torch.testing.assert_close(loss(LOGITS, target), loss(other, target))


@pytest.mark.parametrize("name", CLASS_LOSSES)
def test_a_wholly_ignored_batch_adds_zero_with_a_gradient(name):
    logits = LOGITS.clone().requires_grad_()
    loss = ClassLoss(name, -1, None)(logits, torch.full_like(TARGET, -1))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_no_ignore_index_means_that_all_counts():
    weight = torch.tensor([0.5, 1.0, 2.0, 0.25])
    expected = torch.nn.functional.cross_entropy(LOGITS, TARGET, weight=weight)
    torch.testing.assert_close(functional.cross_entropy(LOGITS, TARGET, None, weight), expected)


@pytest.mark.parametrize("name", CLASS_LOSSES)
def test_half_precision_gives_a_finite_loss(name):
    assert ClassLoss(name, -1, None)(LOGITS.half(), TARGET).isfinite()


def build(names):
    return build_losses(names, CLASS_LOSSES, lambda name: ClassLoss(name, None, [1.0] * 4))


def test_a_list_is_a_sum_and_a_dictionary_is_weighted():
    parts = build(["ce", "dice"])(LOGITS, TARGET)
    torch.testing.assert_close(parts["loss"], parts["ce"] + parts["dice"])
    weighted = build({"ce": 0.3, "dice": 2.0})(LOGITS, TARGET)
    torch.testing.assert_close(weighted["loss"], 0.3 * parts["ce"] + 2 * parts["dice"])


def test_the_names_in_a_state_dict_are_those_of_checkpoints():
    assert set(build({"ce": 1.0, "dice": 0.5}).state_dict()) == {"weight", "losses.ce.weight"}
    assert set(ClassLoss("ce", None, [1.0, 2.0]).state_dict()) == {"weight"}
    assert set(CombinedLoss({"ce": ClassLoss("ce")}).state_dict()) == set()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("dise", r"model\.init_args\.loss: unknown loss 'dise'.* Did you mean 'dice'\?"),
        ("crossentropy", "unknown loss 'crossentropy'. Did you mean 'ce'"),
        ("cross_entropy", "Did you mean 'ce'"),
        ("CrossEntropyLoss", "Did you mean 'ce'"),
        ("IoU", "Did you mean 'jaccard'"),
        ("mean_squared_error", "unknown loss 'mean_squared_error'. Losses: ce"),
        (["ce", "bogus"], "unknown loss 'bogus'. Losses: ce, dice, jaccard, focal, lovasz"),
        (["ce", "ce"], "a loss twice"),
        ([], "no loss"),
    ],
)
def test_what_is_no_loss_is_named(names, message):
    with pytest.raises(ConfigurationError, match=message):
        build(names)


def test_class_weights_must_fit_the_classes():
    with pytest.raises(ConfigurationError, match=r"class_weights: 2 weights for 4 classes"):
        check_class_weights([1.0, 2.0], 4)
    with pytest.raises(ConfigurationError, match="a negative weight"):
        check_class_weights([1.0, -2.0], 2)


def test_a_loss_of_the_users_own_comes_from_its_path():
    loss = load_loss("torch.nn.CrossEntropyLoss", {"label_smoothing": 0.1})
    assert loss.label_smoothing == 0.1
    with pytest.raises(ConfigurationError, match=r"there is no class 'torch\.nn\.NoLoss'"):
        load_loss("torch.nn.NoLoss", {})
