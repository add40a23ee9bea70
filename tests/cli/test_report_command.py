"""The report of a test, through the command line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_config import segmentation_config, write_config

from chip_files import write_tif
from terratorch.cli.callbacks.evaluation_report import EvaluationReport
from terratorch.cli.main import main
from terratorch.evaluation.evaluation import read_evaluation
from terratorch.evaluation.reported import REPORTED


def _test(config: dict, folder: Path, changes: dict | None = None, *options: str) -> None:
    path = write_config(folder / "config.yaml", config, changes)
    assert main(["test", "-c", path, *options]) == 0


@pytest.fixture(scope="module")
def tested(segmentation_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that was trained and tested. Do not write to it."""
    folder = tmp_path_factory.mktemp("tested")
    config = segmentation_config(segmentation_folder, folder)
    logger = {"class_path": "CSVLogger", "init_args": {"save_dir": str(folder)}}
    path = write_config(folder / "given.yaml", config, {"trainer.logger": logger})
    assert main(["fit", "-c", path]) == 0
    (checkpoint,) = folder.rglob("best.ckpt")
    assert main(["test", "-c", path, "--ckpt_path", str(checkpoint)]) == 0
    return folder


def _report_of(folder: Path) -> Path:
    (report,) = folder.rglob("report.html")
    return report


def test_a_test_writes_all_that_a_report_needs(tested):
    text = _report_of(tested).read_text()
    sections = re.findall(r'<section id="([\w-]+)">', text)
    assert sections == [
        "scores-0", "classes-0", "confusion-0", "chips-0", "spread-0", "curves", "cards",
        "configuration",
    ]  # fmt: skip
    assert "prithvi_eo_tiny + IdentityDecoder" in text
    assert "backbone: prithvi_eo_tiny" in text  # the configuration
    assert text.count("data:image/png") == 4 * 3  # four pictures of three chips
    assert "loss" in text
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)  # nothing from elsewhere


def test_its_figures_are_those_that_the_task_logged(tested):
    (file,) = tested.rglob("evaluation.json")
    evaluation = read_evaluation(file)
    (sample_set,) = evaluation.sets
    assert evaluation.kind == "segmentation"
    assert evaluation.class_names == ["forest", "crops", "water"]
    assert [Path(chip.filename).name for chip in sample_set.chips] == [
        f"chip_{index}_merged.tif" for index in range(4)
    ]
    results = REPORTED[evaluation.kind].results(evaluation, sample_set)
    for name, figure in results.overall.items():
        assert figure.value == pytest.approx(sample_set.logged[name], abs=1e-6)
    for row in results.classes:
        expected = sample_set.logged[f"IoU_{row.name}"]
        assert row.figures["IoU"].value == pytest.approx(expected, abs=1e-6)
    assert results.confusion.sum() == 4 * 32 * 32


def test_the_folder_of_a_run_gives_the_same_report_without_the_model(tested, tmp_path, capsys):
    output = tmp_path / "again.html"
    assert main(["report", str(tested), "--output", str(output)]) == 0
    assert capsys.readouterr().out == f"report: {output}\n"
    assert output.read_text() == _report_of(tested).read_text()


def test_a_report_is_made_without_torch(tested, tmp_path):
    code = (
        "import sys\nfrom terratorch.cli.main import main\n"
        f"code = main(['report', {str(tested)!r}, '--output', {str(tmp_path / 'a.html')!r}])\n"
        "assert code == 0 and 'torch' not in sys.modules and 'lightning' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_training_without_a_test_has_curves_and_says_so(tested, tmp_path):
    (log,) = (file for file in tested.rglob("metrics.csv") if "train/loss" in file.read_text())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.csv").write_text(log.read_text())
    assert main(["report", str(tmp_path)]) == 0
    text = (tmp_path / "report" / "report.html").read_text()
    assert "Training report" in text
    assert "has not been tested" in text
    assert "<figcaption>mIoU</figcaption>" in text


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("nowhere", "does not exist. Give the folder of a run"),
        ("a_file", "is a file"),
        ("empty", "holds neither evaluation.json nor training logs"),
    ],
)
def test_a_folder_with_nothing_to_report_is_said(folder, message, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a_file").touch()
    assert main(["report", str(tmp_path / folder)]) == 2
    assert message in capsys.readouterr().err


def test_a_report_does_not_take_the_place_of_something_else(tmp_path, capsys):
    (tmp_path / "best.ckpt").write_text("weights")
    assert main(["report", str(tmp_path), "--output", str(tmp_path / "best.ckpt")]) == 2
    assert "best.ckpt is not an HTML file. End its name with .html." in capsys.readouterr().err
    assert (tmp_path / "best.ckpt").read_text() == "weights"


def test_the_newest_of_several_tests_is_shown_and_said(tested, tmp_path):
    (file,) = tested.rglob("evaluation.json")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "evaluation.json").write_text(file.read_text())
    assert main(["report", str(tmp_path)]) == 0
    text = (tmp_path / "two" / "report.html").read_text()
    assert "holds 2 tests; this is the newest" in text


def test_a_report_is_left_out_where_it_is_not_wanted(config, tmp_path):
    _test(config, tmp_path, {"report": False})
    _test(config, tmp_path, None, "--report", "false")
    assert not list(tmp_path.rglob("report.html"))


def test_a_report_of_the_users_own_has_its_folder(config, tmp_path, capsys):
    own = {
        "class_path": "terratorch.cli.callbacks.evaluation_report.EvaluationReport",
        "init_args": {"folder": str(tmp_path / "mine")},
    }
    _test(config, tmp_path, {"trainer.callbacks": [own]})
    assert list(tmp_path.rglob("report.html")) == [tmp_path / "mine" / "report.html"]
    assert f"report: {tmp_path / 'mine' / 'report.html'}\n" in capsys.readouterr().out


def test_a_report_that_cannot_be_written_does_not_spoil_the_test(config, tmp_path, caplog):
    (tmp_path / "taken").touch()
    own = {
        "class_path": "terratorch.cli.callbacks.evaluation_report.EvaluationReport",
        "init_args": {"folder": str(tmp_path / "taken")},
    }
    _test(config, tmp_path, {"trainer.callbacks": [own]})
    assert "No report was written" in caplog.text
    assert "cannot be written" in caplog.text


def test_ignored_pixels_count_nowhere(config, tmp_path):
    chips = tmp_path / "chips"
    rng = np.random.default_rng(0)
    for index, labelled in enumerate((32, 8, 0)):
        mask = rng.integers(0, 3, (32, 32)).astype(np.uint8)
        mask[labelled:] = 255
        write_tif(chips / f"{index}.mask.tif", mask)
        write_tif(chips / f"{index}_merged.tif", rng.integers(0, 2000, (6, 32, 32), np.int16))
    changes = {
        "model.init_args.ignore_index": 255,
        "data.init_args.test_data_root": str(chips),
        "data.init_args.test_label_data_root": str(chips),
    }
    _test(config, tmp_path, changes)
    (file,) = tmp_path.rglob("evaluation.json")
    evaluation = read_evaluation(file)
    (sample_set,) = evaluation.sets
    counted = [sum(count for _, count in chip.cells) for chip in sample_set.chips]
    assert counted == [32 * 32, 8 * 32, 0]
    assert np.isnan(sample_set.chips[2].score)
    assert evaluation.notes == ["1 chip without a label."]
    figures = REPORTED[evaluation.kind].results(evaluation, sample_set).overall
    assert all(figure.logged is None for figure in figures.values())
    assert "25 % of it has a label" in [panel.caption for panel in sample_set.panels]


def test_classification_and_several_test_sets(classification_folder):
    import torch
    from lightning.pytorch import Trainer
    from torch import nn
    from torch.utils.data import DataLoader

    from terratorch.tasks import ClassificationTask

    class Model(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.mean((-1, -2))

    def loader(count: int) -> DataLoader:
        random = torch.Generator().manual_seed(0)
        images = torch.rand(count, 3, 8, 8, generator=random)
        labels = [index % 3 if index else -100 for index in range(count)]
        samples = [
            {"image": one, "label": label} for one, label in zip(images, labels, strict=True)
        ]
        return DataLoader(samples, batch_size=3)

    task = ClassificationTask(
        {"num_classes": 3}, model=Model(), test_dataloaders_names=["north", "south"]
    )
    folder = classification_folder.parent / "classification_report"
    report = EvaluationReport(folder=folder)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    Trainer(accelerator="cpu", callbacks=[report], **quiet).test(
        task, [loader(7), loader(4)], verbose=False
    )
    evaluation = read_evaluation(folder / "evaluation.json")
    assert [one.name for one in evaluation.sets] == ["north", "south"]
    assert [len(one.chips) for one in evaluation.sets] == [7, 4]
    assert evaluation.sets[0].chips[0].cells == ()  # its label is ignored
    for one in evaluation.sets:
        figures = REPORTED[evaluation.kind].results(evaluation, one).overall
        assert set(figures) <= set(one.logged)
        assert all(figure.logged is None for figure in figures.values())
    text = report.written.read_text()
    assert "Scores: north" in text
    assert "Confusion: south" in text


def test_a_regression_has_a_report(tmp_path):
    import torch
    from lightning.pytorch import Trainer
    from torch import nn
    from torch.utils.data import DataLoader

    from terratorch.tasks import PixelwiseRegressionTask

    random = torch.Generator().manual_seed(0)
    images = torch.rand(5, 3, 8, 8, generator=random)
    masks = images.sum(1) + 0.1 * torch.randn(5, 8, 8, generator=random)
    masks[0, :4] = torch.nan
    masks[1, 0] = -1
    samples = [{"image": a, "mask": b, "filename": "x"} for a, b in zip(images, masks, strict=True)]
    report = EvaluationReport(folder=tmp_path)
    task = PixelwiseRegressionTask({}, model=nn.Conv2d(3, 1, 1), ignore_index=-1)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(accelerator="cpu", callbacks=[report], **quiet)
    trainer.test(task, DataLoader(samples, batch_size=2), verbose=False)
    evaluation = read_evaluation(tmp_path / "evaluation.json")
    (sample_set,) = evaluation.sets
    assert [chip.sums[0] for chip in sample_set.chips] == [32, 56, 64, 64, 64]
    figures = REPORTED[evaluation.kind].results(evaluation, sample_set).overall
    assert set(figures) == {"RMSE", "MAE", "R2_Score", "MSE"} <= set(sample_set.logged)
    assert all(figure.logged is None for figure in figures.values())
    assert sample_set.scale.low < sample_set.scale.high
    assert evaluation.notes == ["4 chips tested more than once."]
    assert "too low" in report.written.read_text()


def test_a_model_that_diverged_and_a_test_of_one_batch_are_said(tmp_path):
    import torch
    from lightning.pytorch import Trainer
    from torch import nn
    from torch.utils.data import DataLoader

    from terratorch.tasks import PixelwiseRegressionTask

    images = torch.ones(4, 3, 8, 8)
    images[1] = 3e38  # twice of it is no number any more
    samples = [
        {"image": one, "mask": torch.rand(8, 8), "filename": str(index)}
        for index, one in enumerate(images)
    ]
    report = EvaluationReport(folder=tmp_path)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(accelerator="cpu", callbacks=[report], limit_test_batches=1, **quiet)
    model = nn.Conv2d(3, 1, 1)
    nn.init.constant_(model.weight, 2.0)
    task = PixelwiseRegressionTask({}, model=model)
    trainer.test(task, DataLoader(samples, batch_size=2), verbose=False)
    evaluation = read_evaluation(tmp_path / "evaluation.json")
    assert evaluation.notes == [
        "trainer.limit_test_batches is 1: only some of the chips were tested.",
        "1 chip with predictions that are not finite.",
    ]
    assert [chip.score for chip in evaluation.sets[0].chips][1] == np.inf
    assert [panel.rank for panel in evaluation.sets[0].panels] == ["worst", "best"]
    assert "No chip of this test set" not in report.written.read_text()


def test_a_classifier_that_diverged_is_said(tmp_path):
    import torch
    from lightning.pytorch import Trainer
    from torch import nn
    from torch.utils.data import DataLoader

    from terratorch.tasks import ClassificationTask

    images = torch.ones(4, 3, 2, 2)
    images[1, 2] = 3e38  # the score of class 2 is no number any more
    samples = [
        {"image": one, "label": 0, "filename": str(index)} for index, one in enumerate(images)
    ]
    report = EvaluationReport(folder=tmp_path)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(accelerator="cpu", callbacks=[report], **quiet)
    scores = nn.Conv2d(3, 3, 2)
    with torch.no_grad():
        scores.weight.copy_(2 * torch.eye(3)[:, :, None, None])
    model = nn.Sequential(scores, nn.Flatten())
    task = ClassificationTask({"num_classes": 3}, model=model, loss="focal")
    trainer.test(task, DataLoader(samples, batch_size=2), verbose=False)
    evaluation = read_evaluation(tmp_path / "evaluation.json")
    assert evaluation.notes == ["1 chip with predictions that are not finite."]
    assert evaluation.sets[0].chips[1].score == -np.inf
    assert evaluation.notes[0] in report.written.read_text()


def test_the_result_is_plain_json(tested):
    (file,) = tested.rglob("evaluation.json")
    content = json.loads(file.read_text())
    assert content["format_version"] == 1
    assert content["checkpoint"].endswith("best.ckpt")
