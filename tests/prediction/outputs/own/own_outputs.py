"""Tasks with outputs beside maps: each is a model and an objective, as users write their own."""

from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torchmetrics import MetricCollection

from terratorch.contracts.outputs import Boxes, Content, PatchVectors, Vectors
from terratorch.models.model import ModelOutput
from terratorch.registry import TASK_REGISTRY
from terratorch.tasks.base_task import TerraTorchTask
from terratorch.tasks.objectives.own_loss import OwnLossObjective

PATCH = 4
BRIGHT, BRIGHTER = 0.5, 1.5  # of the first band; two classes of objects
NAMES = ["tank", "roof"]


class BlobDetector(nn.Module):
    """Finds bright shapes; a filter of one pixel keeps their sides where they are."""

    def __init__(self, masks=False):
        super().__init__()
        self.masks = masks
        self.filter = nn.Conv2d(2, 1, 1, bias=False)
        self.filter.weight.data = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)

    def forward(self, image):
        return ModelOutput([self._detect(band[0].numpy()) for band in self.filter(image)])

    def _detect(self, band):
        shapes, _ = ndimage.label(band > BRIGHT)
        found = ndimage.find_objects(shapes)
        boxes = [[x.start, y.start, x.stop, y.stop] for y, x in found]
        areas = [(shapes == index + 1).sum() for index in range(len(found))]
        tops = [band[window].max() for window in found]
        detection = {
            "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            "scores": torch.tensor([min(0.3 + area / 400, 0.99) for area in areas]),
            "labels": torch.tensor([int(top > BRIGHTER) for top in tops], dtype=torch.int64),
        }
        if self.masks:
            masks = [shapes == index + 1 for index in range(len(found))]
            stacked = np.stack(masks) if masks else np.zeros((0, *band.shape), bool)
            detection["masks"] = torch.from_numpy(stacked).unsqueeze(1).float()
        return detection


class BoxObjective(OwnLossObjective):
    output_type = Boxes
    available_outputs = (Content.BOXES,)

    def scores(self, output):
        return output.output

    def compare(self, output, batch):
        return output.output, None, None

    def decide(self, scores):
        return scores

    def metrics(self):
        return MetricCollection([])

    def outputs(self, scores):
        return {"prediction": Boxes.from_detections(scores)}


class PatchObjective(BoxObjective):
    output_type = PatchVectors
    available_outputs = (Content.VECTORS,)
    patch_size = PATCH

    def outputs(self, scores):
        return {"prediction": PatchVectors(scores, PATCH)}


class ImageObjective(BoxObjective):
    output_type = Vectors
    available_outputs = (Content.VECTORS,)

    def outputs(self, scores):
        return {"prediction": Vectors(scores)}


class Embedder(nn.Module):
    """Vectors of patches, or of whole images, that know what they are made of."""

    def __init__(self, whole=False):
        super().__init__()
        self.whole = whole
        torch.manual_seed(0)
        self.project = nn.Conv2d(2, 6, PATCH, stride=PATCH)

    def forward(self, image):
        vectors = self.project(image)
        return ModelOutput(vectors.mean((2, 3)) if self.whole else vectors)


class OwnTask(TerraTorchTask):
    def __init__(
        self,
        model_args: dict[str, Any] = {"built": "by configure_models"},  # noqa: B006
        class_names: list[str] | None = None,
        lr: float = 0.001,
    ):
        super().__init__()

    def configure_models(self):
        self.model = self.build()


@TASK_REGISTRY.register
class BlobTask(OwnTask):
    """Detect bright squares as boxes."""

    objective_class = BoxObjective

    def build(self):
        return BlobDetector()


@TASK_REGISTRY.register
class InstanceTask(OwnTask):
    """Detect bright squares as boxes with masks."""

    objective_class = BoxObjective

    def build(self):
        return BlobDetector(masks=True)


@TASK_REGISTRY.register
class PatchTask(OwnTask):
    """Compute a vector for each patch."""

    objective_class = PatchObjective

    def build(self):
        return Embedder()


@TASK_REGISTRY.register
class ImageTask(OwnTask):
    """Compute a vector for each image."""

    objective_class = ImageObjective

    def build(self):
        return Embedder(whole=True)
