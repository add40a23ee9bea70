from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningDataModule
from task_tester import PixelModel, loader, trainer
from torch.utils.data import DataLoader

from terratorch.contracts.input_spec import InputSpec
from terratorch.errors import MissingFileError, UnknownNameError, WeightsError
from terratorch.models.config import without_weights
from terratorch.tasks import SemanticSegmentationTask
from terratorch.tasks.checkpoint import read_checkpoint

MODEL_ARGS = {
    "backbone": "prithvi_eo_tiny",
    "backbone_pretrained": False,
    "backbone_img_size": 32,
    "backbone_num_frames": 1,
    "backbone_bands": ["RED", "GREEN", "BLUE"],
    "backbone_embed_dim": 32,
    "backbone_depth": 1,
    "decoder": "FCNDecoder",
    "decoder_channels": 4,
    "necks": [{"name": "SelectIndices", "indices": [-1]}, {"name": "ReshapeTokensToImage"}],
    "num_classes": 4,
}


class Data(LightningDataModule):
    input_spec = InputSpec.create(dataset_bands=["RED"])

    def val_dataloader(self):
        return loader(torch.zeros(2, 8, 8, dtype=torch.long), "mask")


class Shifted(SemanticSegmentationTask):
    """A user's own task."""

    def forward(self, *args, **kwargs):
        return super().forward(*args, **kwargs)


def write(path, task=SemanticSegmentationTask, **arguments):
    task = task(**arguments)
    run = trainer()
    run.validate(task, datamodule=Data(), verbose=False)
    run.save_checkpoint(path)
    return task


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "one.ckpt"
    arguments = {"model_args": {"num_classes": 4}, "class_names": list("abcd")}
    task = write(path, model=PixelModel(), **arguments)
    return path, task


def test_a_checkpoint_tells_what_is_needed_to_predict(saved):
    path, _ = saved
    info = read_checkpoint(path)
    assert info.input.image.dataset_bands == ("RED",)
    assert info.class_names == list("abcd")
    assert info.hyper_parameters["model_args"] == {"num_classes": 4}
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint["hparams_name"] == "kwargs"
    assert checkpoint["terratorch"]["format_version"] == 2


def test_a_model_given_as_an_object_is_asked_for(saved):
    path, task = saved
    with pytest.raises(WeightsError, match=r"one\.ckpt: the model was passed as an object.*model="):
        read_checkpoint(path).build_task()
    again = read_checkpoint(path).build_task(model=PixelModel())
    assert torch.equal(again.model.head.weight, task.model.head.weight)
    assert again.input_spec == Data.input_spec
    lightning = SemanticSegmentationTask.load_from_checkpoint(path, model=PixelModel())
    assert torch.equal(lightning.model.head.weight, task.model.head.weight)


def test_a_model_by_name_is_built_from_the_checkpoint_alone(tmp_path):
    path = tmp_path / "one.ckpt"
    head = {"name": "aux", "decoder": "FCNDecoder", "decoder_args": {"decoder_channels": 4}}
    arguments = {"model_args": MODEL_ARGS, "aux_heads": [head], "freeze_backbone": True}
    task = SemanticSegmentationTask(**arguments)
    run = trainer()
    data = DataLoader([{"image": torch.ones(3, 32, 32), "mask": torch.ones(32, 32).long()}])
    run.validate(task, data, verbose=False)
    assert {"val/decoder_epoch", "val/aux_epoch"} < set(run.callback_metrics)
    run.save_checkpoint(path)
    again = read_checkpoint(path).build_task()
    assert not any(parameter.requires_grad for parameter in again.model.encoder.parameters())
    image = {"image": torch.randn(1, 3, 32, 32)}
    expected = task.eval().predict_step(image, 0).main.values
    assert torch.equal(again.predict_step(image, 0).main.values, expected)


def test_a_description_survives_a_second_save_without_data(saved, tmp_path):
    task = read_checkpoint(saved[0]).build_task(model=PixelModel())
    run = trainer()
    run.validate(task, Data().val_dataloader(), verbose=False)
    run.save_checkpoint(tmp_path / "two.ckpt")
    assert read_checkpoint(tmp_path / "two.ckpt").input == Data.input_spec


def test_weights_of_another_model_are_an_error(saved):
    with pytest.raises(WeightsError, match=r"model\.head\.weight: \(4, 8.* in the file, \(5, 8"):
        read_checkpoint(saved[0]).build_task(model=PixelModel(5))
    task = SemanticSegmentationTask({"num_classes": 4}, model=torch.nn.Conv2d(3, 4, 1))
    with pytest.raises(WeightsError, match=r"missing \(model\.weight.*unexpected \(model\.enc"):
        task.load_state_dict(torch.load(saved[0], weights_only=True)["state_dict"])


def change(path, **changes):
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["terratorch"].update(changes)
    torch.save(checkpoint, path)


def test_a_newer_format_is_an_error(saved):
    change(saved[0], format_version=3, terratorch_version="9.0")
    with pytest.raises(WeightsError, match=r"format 3 of terratorch 9\.0.*reads up to format 2"):
        read_checkpoint(saved[0])


@pytest.mark.parametrize("task", ["no_such_module.Task", "Unknown", "torch.nn.Linear"])
def test_a_task_that_is_not_there_is_an_error(saved, task):
    change(saved[0], task=task)
    with pytest.raises(WeightsError, match=task):
        read_checkpoint(saved[0]).build_task(model=PixelModel())


def test_a_part_that_is_not_there_may_be_one_of_the_users_own(saved):
    path, _ = saved
    checkpoint = torch.load(path, weights_only=True)
    arguments = {"backbone": "MyScales", "decoder": "FCNDecoder", "num_classes": 4}
    checkpoint["hyper_parameters"]["model_args"] = arguments
    checkpoint["hyper_parameters"]["model_factory"] = "EncoderDecoderFactory"
    torch.save(checkpoint, path)
    change(path, model_by_name=True)
    with pytest.raises(UnknownNameError, match=r"'MyScales'.*part of your own.*--custom_modules"):
        read_checkpoint(path).build_task()


def test_what_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.ckpt: there is no such file"):
        read_checkpoint(tmp_path / "none.ckpt")
    text = tmp_path / "text.ckpt"
    for content in ("no weights", "seed_everything: 0\ntrainer:\n  max_epochs: 1\n"):
        text.write_text(content)
        with pytest.raises(WeightsError, match=r"text\.ckpt: it is not a checkpoint\. Give a"):
            read_checkpoint(text)
    torch.save({"weight": torch.ones(1)}, tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match=r"weights\.pt: it is not a checkpoint of a training"):
        read_checkpoint(tmp_path / "weights.pt")
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    with pytest.raises(WeightsError, match=r"does not name its task.*-c config\.yaml"):
        read_checkpoint(tmp_path / "foreign.ckpt")


def test_building_from_a_checkpoint_fetches_no_weights():
    arguments = {
        "backbone": "x",
        "backbone_pretrained": True,
        "backbone_ckpt_path": "there.pt",
        "decoder_kwargs": {"pretrained": True, "channels": 4},
    }
    assert without_weights(arguments) == {
        "backbone": "x",
        "backbone_pretrained": False,
        "decoder_kwargs": {"pretrained": False, "channels": 4},
    }


FIRST_FORMAT = Path(__file__).parents[1] / "data" / "segmentation_v1.ckpt"


def test_a_checkpoint_of_the_first_format_predicts_as_it_did():
    info = read_checkpoint(FIRST_FORMAT)
    assert info.input.image.output_bands == ("RED", "GREEN", "BLUE")
    assert info.input.image.means == (1000, 1100, 900)
    assert info.class_names == ["water", "land", "ice"]
    assert info.chip_size == (32, 32)
    image = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)
    trained, task = info.build_trained(), info.build_task()
    with torch.no_grad():
        scores = trained.objective.scores(trained.model(image))
        assert torch.equal(scores, task(image).output)
    expected = [-0.855325, -0.793965, -0.836759, -0.772201, -0.813765, -0.763977]
    assert scores.flatten()[:6].tolist() == pytest.approx(expected, abs=1e-5)
    assert task.settings.loss.loss == ["ce", "dice"]
    assert task.settings.optimizer.optimizer == "SGD"


def test_model_and_objective_are_built_without_the_task(saved):
    path, task = saved
    with pytest.raises(WeightsError, match="the model was passed as an object"):
        read_checkpoint(path).build_trained()
    trained = read_checkpoint(path).build_trained(PixelModel())
    assert not trained.model.training
    assert torch.equal(trained.model.head.weight, task.model.head.weight)
    assert trained.objective.settings == task.settings
    with pytest.raises(WeightsError, match=r"head\.weight"):
        read_checkpoint(path).build_trained(PixelModel(5))


def test_hooks_of_a_users_own_task_are_known_from_its_checkpoint(saved, tmp_path):
    assert read_checkpoint(saved[0]).custom_hooks == frozenset()
    write(tmp_path / "own.ckpt", task=Shifted, model=PixelModel(), model_args={"num_classes": 4})
    assert read_checkpoint(tmp_path / "own.ckpt").custom_hooks == {"forward"}
