"""The Trainer of the command line."""

from __future__ import annotations

from lightning.pytorch import LightningDataModule, Trainer

from terratorch.datamodules.statistics import Statistics, compute_statistics


class MyTrainer(Trainer):
    """Lightning's Trainer; it computes the statistics of training data as well."""

    def compute_statistics(self, datamodule: LightningDataModule) -> Statistics:
        """Compute the means and standard deviations of the training images."""
        return compute_statistics(datamodule)
