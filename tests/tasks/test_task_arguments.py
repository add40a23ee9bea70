"""What contradicts itself, or is not used, is an error that names the YAML path."""

import pytest
import torch
from task_tester import PixelModel
from torch import nn

from terratorch.errors import ConfigurationError
from terratorch.models.model import AuxiliaryHead
from terratorch.tasks import ClassificationTask, PixelwiseRegressionTask, SemanticSegmentationTask
from terratorch.tasks.plain_values import to_plain


def build(**arguments):
    given = {"model": PixelModel(), "model_args": {"num_classes": 4}, **arguments}
    return SemanticSegmentationTask(**given)


MISTAKES = {
    r"model_args: neither model_args nor a model is set": {"model": None, "model_args": None},
    r"model_args\.num_classes: it is missing": {"model_args": None},
    r"model_args\.num_classes: 0\. Set it": {"model_args": {"num_classes": 0}},
    r"model_args\.num_classes: 1\. Set it.* at least 2, as the background": {
        "model_args": {"num_classes": 1}
    },
    r"model_factory: set together with a model": {"model_factory": "EncoderDecoderFactory"},
    r"model_args\.backbone: set together with a model": {
        "model_args": {"num_classes": 4, "backbone": "timm_resnet18"}
    },
    r"class_names: 2 names for 4 classes": {"class_names": ["a", "b"]},
    r"class_names: contains a name twice": {"class_names": ["a", "b", "b", "c"]},
    r"class_weights: 1 weights for 4 classes": {"class_weights": [1.0]},
    r"loss: unknown loss 'dise'": {"loss": "dise"},
    r"aux_heads: set together with a model": {
        "aux_heads": [AuxiliaryHead("aux", "FCNDecoder", {})]
    },
    r"aux_loss\.auxx: no auxiliary head .*'aux'": {
        "aux_heads": [{"name": "aux", "decoder": "FCNDecoder", "decoder_args": {}}],
        "aux_loss": {"auxx": 1.0},
    },
    r"aux_heads\[0\]: has decoder\. Give name, decoder and": {"aux_heads": [{"decoder": "x"}]},
    r"aux_heads\[0\]: is 'aux'\. Give name": {"aux_heads": ["aux"]},
    r"aux_heads\[0\]\.name: is 'keys', a name that the model itself uses": {
        "aux_heads": [{"name": "keys", "decoder": "FCNDecoder"}]
    },
    r"aux_heads: a head is called 'loss', and another loss": {
        "aux_heads": [{"name": "loss", "decoder": "FCNDecoder"}]
    },
    r"aux_heads: a head is called 'dice', and another loss": {
        "aux_heads": [{"name": "dice", "decoder": "FCNDecoder"}],
        "loss": {"ce": 1, "dice": 2},
    },
    r"tiled_inference_parameters\.h_crp: there is no such": {
        "tiled_inference_parameters": {"h_crp": 64}
    },
    r"model_args: 'backbone': is missing, and EncoderDecoderFactory\.build": {
        "model": None,
        "model_args": {"num_classes": 4},
    },
    r"scheduler_hparams: set, but scheduler is not": {"scheduler_hparams": {"gamma": 1}},
    r"test_dataloaders_names: contains a name twice": {"test_dataloaders_names": ["a", "a"]},
    r"output_on_inference: 'probs' is not a layer": {"output_on_inference": "probs"},
    r"output_on_inference: it is empty": {"output_on_inference": []},
    r"freeze_backbone: PixelModel has no freeze_encoder": {"freeze_backbone": True},
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_name_the_argument(message):
    with pytest.raises(ConfigurationError, match=r"^model\.init_args\." + message):
        build(**MISTAKES[message])


def test_mistakes_of_other_tasks():
    model = PixelModel()
    with pytest.raises(ConfigurationError, match="custom_loss_kwargs: set, but custom_loss"):
        ClassificationTask({"num_classes": 4}, model=model, custom_loss_kwargs={"weight": None})
    with pytest.raises(ConfigurationError, match="var_weights: 2 weights for one variable"):
        PixelwiseRegressionTask({}, model=model, var_weights=[1.0, 2.0])


def test_an_unknown_factory_is_named():
    with pytest.raises(KeyError, match="'EncoderDecoderFactory'"):
        SemanticSegmentationTask({"num_classes": 2}, "EncoderDecoderFactry")


def test_a_module_in_the_arguments_of_the_whole_model_factory():
    arguments = {"model": PixelModel(), "num_classes": 4}
    task = SemanticSegmentationTask(arguments, "FullModelFactory")
    assert task(torch.rand(1, 3, 8, 8)).output.shape == (1, 4, 8, 8)


def test_nothing_left_to_train_is_an_error():
    task = build()
    task.model.requires_grad_(False)
    with pytest.raises(ConfigurationError, match="all parameters are frozen"):
        task.configure_optimizers()


def test_names_of_classes_give_their_number():
    assert build(model_args=None, class_names=list("abcd")).objective.num_classes == 4


def test_a_loss_may_be_a_module_or_a_path():
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    task = ClassificationTask({"num_classes": 4}, model=PixelModel(), loss=loss)
    assert task.criterion is loss
    assert task.hparams["loss"] is None
    task = ClassificationTask(
        {"num_classes": 4},
        model=PixelModel(),
        loss="torch.nn.CrossEntropyLoss",
        custom_loss=True,
        custom_loss_kwargs={"label_smoothing": 0.2},
    )
    assert task.criterion.label_smoothing == 0.2


def test_arguments_that_a_loss_does_not_take_are_named():
    with pytest.raises(ConfigurationError, match=r"CrossEntropyLoss: got an unexpected .*'gamma'"):
        ClassificationTask(
            {"num_classes": 4},
            model=PixelModel(),
            loss="torch.nn.CrossEntropyLoss",
            custom_loss=True,
            custom_loss_kwargs={"gamma": 1},
        )


def test_weights_that_no_loss_uses_are_said(caplog):
    build(loss="dice", class_weights=[1.0] * 4)
    assert "class_weights: only the loss 'ce' uses them" in caplog.text
    caplog.clear()
    build(loss=["ce", "dice"], class_weights=[1.0] * 4)
    assert not caplog.text


def test_hyperparameters_are_plain(tmp_path):
    head = AuxiliaryHead("aux", "FCNDecoder", {"decoder_channels": 4})
    values = {"path": tmp_path, "heads": [head], "sizes": (1, 2), "weights": torch.ones(2)}
    assert to_plain(values, "x") == {
        "path": str(tmp_path),
        "heads": [
            {"name": "aux", "decoder": "FCNDecoder", "decoder_args": {"decoder_channels": 4}}
        ],
        "sizes": [1, 2],
        "weights": [1.0, 1.0],
    }
    assert build().hparams["model"] is None
    assert build().hparams["task"] == "segmentation"


@pytest.mark.parametrize(
    ("arguments", "expected", "content"),
    [
        ({}, {"prediction": (2, 8, 8)}, "classes"),
        ({"output_most_probable": False}, {"prediction": (2, 4, 8, 8)}, "logits"),
        ({"output_on_inference": "probabilities"}, {"prediction": (2, 4, 8, 8)}, "probabilities"),
        (
            {"output_on_inference": ["prediction", "probabilities", "logits"]},
            {"prediction": (2, 8, 8), "probabilities": (2, 4, 8, 8), "logits": (2, 4, 8, 8)},
            "classes",
        ),
        (
            {"output_on_inference": ["logits", "probabilities"]},
            {"prediction": (2, 4, 8, 8), "probabilities": (2, 4, 8, 8)},
            "logits",
        ),
        (
            {"tiled_inference_parameters": {"crop": 4, "stride": 4, "delta": 0}},
            {"prediction": (2, 8, 8)},
            "classes",
        ),
    ],
)
def test_predictions_have_the_layers_that_are_asked_for(arguments, expected, content):
    task = build(**arguments).eval()
    batch = {"image": torch.randn(2, 3, 8, 8), "filename": ["a.tif", "b.tif"]}
    prediction = task.predict_step(batch, 0)
    assert {
        name: tuple(output.values.shape) for name, output in prediction.outputs.items()
    } == expected
    assert prediction.main.content == content
    assert prediction.filenames == ["a.tif", "b.tif"]


def test_scores_and_masks_that_do_not_fit_are_named():
    task = build()
    batch = {"image": torch.randn(2, 3, 8, 8), "mask": torch.zeros(2, 9, 9, dtype=torch.long)}
    with pytest.raises(ValueError, match=r"mask: its shape is \(2, 9, 9\).*rescale"):
        task.validation_step(batch, 0)
    batch["mask"] = torch.zeros(2, 8, 8, dtype=torch.long)
    with pytest.raises(ConfigurationError, match=r"num_classes: 3, but the model gives"):
        build(model_args={"num_classes": 3}).validation_step(batch, 0)
    regression = PixelwiseRegressionTask({}, model=PixelModel(1))
    with pytest.raises(ValueError, match=r"mask: its shape is \(2, 1, 8\)"):
        regression.validation_step({**batch, "mask": torch.zeros(2, 1, 8)}, 0)
    with pytest.raises(ValueError, match="Give ids of classes, not a value for each"):
        task.validation_step({**batch, "mask": torch.zeros(2, 4, 8, 8, dtype=torch.long)}, 0)
    several = PixelwiseRegressionTask({"num_outputs": 4}, model=PixelModel(4))
    with pytest.raises(ValueError, match="num_outputs: 1, as there is one target"):
        several.validation_step({**batch, "mask": torch.zeros(2, 8, 8)}, 0)
    with pytest.raises(ValueError, match="batch: has no 'mask', but image"):
        task.validation_step({"image": batch["image"]}, 0)


def test_other_entries_of_a_batch_go_to_the_model():
    class WithDates(PixelModel):
        def forward(self, image, temporal_coords):
            return super().forward(image) + temporal_coords.sum()

    batch = {"image": torch.randn(1, 3, 8, 8), "filename": ["a"], "temporal_coords": torch.ones(1)}
    assert len(build(model=WithDates()).predict_step(batch, 0)) == 1
