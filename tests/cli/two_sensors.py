"""Code of a user's own: a backbone for two sensors, and a data module that makes up images."""

import torch
from lightning.pytorch import LightningDataModule
from torch import nn
from torch.utils.data import DataLoader

from terratorch.datasets import ImageSpec, InputSpec
from terratorch.registry import TERRATORCH_BACKBONE_REGISTRY


@TERRATORCH_BACKBONE_REGISTRY.register
class TwoSensors(nn.Module):
    """One convolution for each sensor; their sum is the only feature."""

    def __init__(self) -> None:
        super().__init__()
        self.optical, self.radar = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(2, 8, 3, padding=1)
        self.out_channels = [8]

    def forward(self, images):
        return [self.optical(images["S2"]) + self.radar(images["S1"])]


class TwoSensorsDataModule(LightningDataModule):
    """Images of both sensors, and labels."""

    def __init__(self) -> None:
        super().__init__()
        optical = ImageSpec.create(
            dataset_bands=["BLUE", "RED", "NIR_NARROW"], means=[1500] * 3, stds=[500] * 3
        )
        radar = ImageSpec.create(dataset_bands=["VV", "VH"], means=[-10, -17], stds=[5, 5])
        self.input_spec = InputSpec({"S2": optical, "S1": radar})

    def train_dataloader(self):
        image = {"S2": torch.rand(3, 32, 32) * 3000, "S1": torch.rand(2, 32, 32) * -20}
        return DataLoader([{"image": image, "mask": torch.randint(3, (32, 32))}] * 4, batch_size=2)

    val_dataloader = test_dataloader = train_dataloader

    def on_after_batch_transfer(self, batch, dataloader_idx):
        return {**batch, "image": self.input_spec.normalize(batch["image"])}
