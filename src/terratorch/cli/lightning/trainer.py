"""The Trainer of the command line."""

from __future__ import annotations

from lightning.pytorch import LightningDataModule, Trainer

from terratorch.datamodules.statistics import Statistics, compute_statistics


class MyTrainer(Trainer):
    """Lightning's Trainer with a method for the statistics of training data."""

    def compute_statistics(self, datamodule: LightningDataModule) -> Statistics:
        """Compute the means and standard deviations of the training images."""
        return compute_statistics(datamodule)
