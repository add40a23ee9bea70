"""Models that compute their own loss, and several heads on one encoder, need no other base."""

from typing import Any

import pytest
import torch
from task_tester import trainer
from torch import nn
from torch.utils.data import DataLoader
from torchmetrics import MetricCollection

from terratorch.contracts.outputs import Content
from terratorch.errors import InvalidModelError
from terratorch.metrics.values import regression_metrics
from terratorch.models.model import ReconstructionOutput
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.checkpoint import read_checkpoint
from terratorch.tasks.objectives.own_loss import OwnLossObjective
from terratorch.tasks.objectives.regression import RegressionObjective
from terratorch.tasks.objectives.segmentation import SegmentationObjective
from terratorch.tasks.objectives.several import SeveralObjectives
from terratorch.tasks.settings import TaskSettings

CLASSES = 3
TILES = {"crop": 4, "stride": 4, "delta": 0}


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Conv2d(3, 8, 1)
        self.cover = nn.Conv2d(8, CLASSES, 1)
        self.height = nn.Conv2d(8, 1, 1)

    def forward(self, image):
        features = self.encoder(image).relu()
        return {"cover": self.cover(features), "height": self.height(features)}


class HeightObjective(RegressionObjective):
    target_key = "height"


class TwoHeadTask(TerraTorchTask):
    def __init__(
        self,
        model: nn.Module | None = None,
        weights: dict[str, float] | None = None,
        lr: float = 0.001,
        tiled_inference_parameters: dict[str, Any] | None = None,
        tiled_inference_on_testing: bool = False,
    ):
        super().__init__()

    def build_objective(self):
        cover = {"model_args": {"num_classes": CLASSES}, "ignore_index": -1, "loss": ["ce", "dice"]}
        heads = {
            "cover": SegmentationObjective(TaskSettings.from_arguments(cover)),
            "height": HeightObjective(TaskSettings.from_arguments({"loss": "mae"})),
        }
        return SeveralObjectives(self.settings, heads, self.hparams["weights"])


def samples(count=4, size=8):
    generator = torch.Generator().manual_seed(0)
    for index in range(count):
        image = torch.randn(3, size, size, generator=generator)
        yield {
            "image": image,
            "mask": image.argmax(0),
            "height": image.sum(0),
            "filename": f"chip_{index}.tif",
        }


def loader(**sizes):
    return DataLoader(list(samples(**sizes)), batch_size=2)


def fitted(task, path=None, data=None):
    data = data or loader()
    run = trainer(max_epochs=3)
    run.fit(task, data, data)
    if path is not None:
        run.save_checkpoint(path)
    return run


def two_heads(**arguments):
    torch.manual_seed(0)
    return TwoHeadTask(model=TwoHeads(), **arguments)


def test_two_heads_have_their_own_targets_losses_weights_and_metrics():
    run = fitted(two_heads(weights={"cover": 0.0, "height": 2.0}))
    logged = run.callback_metrics
    assert {"train/cover", "train/height", "val/cover/mIoU", "val/height/MAE"} <= {
        name.removesuffix("_epoch") for name in logged
    }
    assert float(logged["val/loss"]) == pytest.approx(2 * float(logged["val/height_epoch"]))
    tested = run.test(run.lightning_module, loader(), verbose=False)[0]
    assert {"test/loss", "test/cover/mIoU", "test/height/RMSE"} <= set(tested)


def test_two_heads_both_learn():
    task = two_heads(lr=0.05)
    before = trainer().validate(task, loader(), verbose=False)[0]
    trainer(max_epochs=30).fit(task, loader(), loader())
    after = trainer().validate(task, loader(), verbose=False)[0]
    for name in ("val/cover_epoch", "val/height_epoch"):
        assert after[name] < before[name]


def test_a_batch_without_one_of_the_targets_trains_the_other_head_alone():
    task = two_heads()
    task.log = lambda *args, **kwargs: None
    batch = next(iter(loader()))
    batch["mask"].fill_(-1)
    task.training_step(batch, 0).backward()
    assert not task.model.cover.weight.grad.any()
    assert task.model.height.weight.grad.any()
    assert task.checks.ignored_batches == 0


@pytest.mark.parametrize("tiles", [None, TILES])
def test_two_heads_predict_a_layer_each(tiles):
    task = two_heads(tiled_inference_parameters=tiles)
    (first, _) = trainer().predict(task, loader())
    batch = next(iter(loader()))
    with torch.no_grad():
        scores = task.model(batch["image"])
    assert first.main.content is Content.CLASSES
    assert torch.equal(first.main.values, scores["cover"].argmax(1))
    assert torch.allclose(first.outputs["height"].values, scores["height"].squeeze(1), atol=1e-6)


def test_two_heads_are_tested_tile_by_tile():
    whole = trainer().test(two_heads(), loader(), verbose=False)[0]
    tiled = two_heads(tiled_inference_on_testing=True, tiled_inference_parameters=TILES)
    assert trainer().test(tiled, loader(), verbose=False)[0] == pytest.approx(whole, rel=1e-5)


def test_a_checkpoint_of_two_heads_predicts_again(tmp_path):
    task = two_heads(weights={"height": 0.5})
    fitted(task, tmp_path / "two.ckpt")
    info = read_checkpoint(tmp_path / "two.ckpt")
    assert info.hyper_parameters["weights"] == {"height": 0.5}
    trained = info.build_trained(TwoHeads())
    assert trained.objective.weights == {"height": 0.5}
    batch = next(iter(loader()))
    prediction = trained.objective.prediction(
        trained.objective.scores(trained.model(batch["image"])), batch["filename"]
    )
    expected = task.eval().predict_step(batch, 0)
    assert torch.equal(prediction.outputs["height"].values, expected.outputs["height"].values)


def test_a_model_without_named_heads_is_refused():
    task = TwoHeadTask(model=nn.Conv2d(3, 4, 1))
    with pytest.raises(InvalidModelError, match="Return a tensor for each head by name"):
        trainer().validate(task, loader(), verbose=False)


class Autoencoder(nn.Module):
    """A masked autoencoder, which computes its loss in each forward."""

    def __init__(self):
        super().__init__()
        self.net = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, image):
        mask = (torch.arange(image.shape[-1]) % 2).float().expand_as(image)
        reconstruction = self.net(image * (1 - mask))
        loss = ((reconstruction - image) ** 2 * mask).sum() / mask.sum()
        return ReconstructionOutput(loss, reconstruction, mask)


class ReconstructionObjective(OwnLossObjective):
    def scores(self, output):
        return output.pred

    def decide(self, scores):
        return scores

    def metrics(self):
        return regression_metrics()

    def compare(self, output, batch):
        pixels = output.pred.detach()
        return pixels, pixels, batch["image"]


class ReconstructionTask(TerraTorchTask):
    objective_class = ReconstructionObjective

    def __init__(self, model: nn.Module | None = None, lr: float = 0.001):
        super().__init__()


class Detector(nn.Module):
    """A detector as torchvision builds them: losses in training, detections in evaluation."""

    def __init__(self):
        super().__init__()
        self.net = nn.Conv2d(3, 1, 1)
        self.seen: list[torch.Tensor] = []

    def forward(self, image, targets=None):
        heat = self.net(image)
        if not self.training:
            return heat
        self.seen += targets
        return {"objectness": heat.square().mean(), "boxes": (heat.mean() - len(targets)).square()}


class DetectionObjective(ReconstructionObjective):
    def model_inputs(self, batch):
        return {"targets": batch["boxes"]}

    def scores(self, output):
        return output.output

    def metrics(self):
        return MetricCollection({})

    def compare(self, output, batch):
        return None, None, None


class DetectionTask(TerraTorchTask):
    objective_class = DetectionObjective


def test_a_model_that_computes_its_own_loss_is_fitted_tested_and_predicts():
    task = ReconstructionTask(model=Autoencoder(), lr=0.01)
    data = DataLoader(
        [{"image": sample["image"], "filename": sample["filename"]} for sample in samples()],
        batch_size=2,
    )
    before = trainer().validate(task, data, verbose=False)[0]
    run = fitted(task, data=data)
    tested = run.test(task, data, verbose=False)[0]
    assert tested["test/loss"] < before["val/loss"]
    assert "test/RMSE" in tested
    (first, _) = run.predict(task, data)
    assert first.main.values.shape == (2, 3, 8, 8)


def test_a_detector_gets_targets_in_training_and_gives_no_loss_in_evaluation():
    boxes = [torch.ones(1, 4), torch.zeros(3, 4)]
    batch = {"image": torch.ones(2, 3, 8, 8), "boxes": boxes, "filename": ["a.tif", "b.tif"]}
    data = DataLoader([batch], batch_size=None)
    task = DetectionTask(model=Detector())
    run = fitted(task, data=data)
    names = {name.removesuffix("_epoch") for name in run.callback_metrics}
    assert {"train/loss", "train/objectness", "train/boxes"} <= names
    assert "val/loss" not in names
    assert len(task.model.seen) == 2 * run.max_epochs
    assert run.test(task, data, verbose=False) == [{}]
    (prediction,) = run.predict(task, data)
    assert prediction.filenames == ["a.tif", "b.tif"]
