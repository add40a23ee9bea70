import json
from typing import ClassVar

import matplotlib
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from task_tester import PixelModel, loader, trainer
from torch.utils.data import DataLoader, Dataset, Subset

from terratorch.errors import ConfigurationError
from terratorch.tasks import SemanticSegmentationTask
from terratorch.tasks.figures import figure_senders
from terratorch.tasks.records import write_metrics

matplotlib.use("agg")
TARGET = torch.zeros(4, 8, 8, dtype=torch.long)


def build(**arguments):
    return SemanticSegmentationTask({"num_classes": 4}, model=PixelModel(), **arguments)


class Drawn(Dataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return {"image": torch.ones(3, 8, 8), "mask": TARGET[index], "filename": f"{index}.tif"}

    def plot(self, sample):
        from matplotlib.figure import Figure

        assert sample["prediction"].shape == sample["mask"].shape == (8, 8)
        return Figure()


class FigureLogger(Logger):
    name = version = "own"

    def __init__(self):
        super().__init__()
        self.figures = []

    def log_metrics(self, metrics, step=None):
        pass

    def log_hyperparams(self, params):
        pass

    def log_figure(self, tag, figure, step):
        self.figures.append((tag, step))


@pytest.mark.parametrize(("every", "plotted"), [(1, 2), (2, 1), (True, 2), (False, 0)])
def test_samples_are_plotted_every_so_many_epochs(every, plotted):
    logger, data = FigureLogger(), DataLoader(Subset(Drawn(), [0, 1]), batch_size=2)
    run = trainer(logger=logger, max_epochs=2, log_every_n_steps=1)
    run.fit(build(plot_on_val=every), data, data)
    assert [tag for tag, _ in logger.figures] == ["val/sample_0", "val/sample_1"] * plotted


def test_a_plot_that_takes_class_names_gets_them():
    class Named(Drawn):
        names = None

        def plot(self, sample, suptitle=None, class_names=None):
            self.names = class_names
            return super().plot(sample)

    data, names = Named(), ["a", "b", "c", "d"]
    run = trainer(logger=FigureLogger(), log_every_n_steps=1)
    loaded = DataLoader(data, batch_size=3)
    run.fit(build(plot_on_val=True, class_names=names), loaded, loaded)
    assert data.names == names


def test_loggers_are_known_by_their_class(tmp_path):
    class MLFlowLogger:
        run_id = "run"

        class experiment:
            sent: ClassVar = []

            @classmethod
            def log_figure(cls, *arguments):
                cls.sent.append(arguments)

    loggers = [TensorBoardLogger(tmp_path), MLFlowLogger(), CSVLogger(tmp_path)]
    senders = figure_senders(loggers)
    assert len(senders) == 2
    senders[1]("val/sample_0", "figure", 7)
    assert MLFlowLogger.experiment.sent == [("run", "figure", "val/sample_0_7.png")]


@pytest.mark.parametrize("name", ["metrics.json", "metrics.csv", "folder"])
def test_metrics_of_a_test_are_written(tmp_path, name):
    task = build(path_to_record_metrics=str(tmp_path / name))
    results = trainer().test(task, loader(TARGET, "mask"), verbose=False)[0]
    if name == "metrics.json":
        assert json.loads((tmp_path / name).read_text()) == pytest.approx(results)
        return
    file = tmp_path / name if name == "metrics.csv" else tmp_path / name / "test_metrics.csv"
    rows = file.read_text().splitlines()
    assert rows[0] == "metric,value"
    assert len(rows) == len(results) + 1
    assert file == write_metrics({}, tmp_path / name)


@pytest.mark.parametrize("callback", [ModelCheckpoint, EarlyStopping])
def test_a_score_that_is_kept_at_its_worst_is_an_error(callback, tmp_path):
    watching = callback(monitor="val/mIoU", mode="min")
    run = trainer(callbacks=[watching], enable_checkpointing=True, default_root_dir=tmp_path)
    data = loader(TARGET, "mask")
    with pytest.raises(ConfigurationError, match=rf"{callback.__name__}: val/mIoU is better.*max"):
        run.fit(build(), data, data)


def test_test_sets_without_names_are_numbered_and_names_must_fit():
    data = loader(TARGET, "mask")
    results = trainer().test(build(), [data, data], verbose=False)
    assert "test/0/mIoU" in results[0]
    assert "test/1/loss" in results[1]
    with pytest.raises(
        ConfigurationError, match=r"test_dataloaders_names: 2 names for 1 test sets"
    ):
        trainer().test(build(test_dataloaders_names=["a", "b"]), data, verbose=False)
