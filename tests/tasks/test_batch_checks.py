import logging

import pytest
import torch
from task_tester import PixelModel, loader, trainer

from terratorch.errors import DataError
from terratorch.tasks import SemanticSegmentationTask
from terratorch.tasks.batch_checks import BatchChecks, filenames_of
from terratorch.tasks.step_result import RawTarget

NAMES = ["a.tif", "b.tif"]


def batch(**changes):
    return {"image": torch.ones(2, 3, 4, 4), "filename": NAMES, **changes}


def target(value=0):
    labels = torch.zeros(2, 4, 4, dtype=torch.long)
    labels[1, 0, 0] = value
    return labels


def check(labels, ignore_index=None, **changes):
    checks = BatchChecks()
    valid = None if ignore_index is None else labels != ignore_index
    checks.check(batch(**changes), [RawTarget("mask", labels, valid, 3)])
    return checks


@pytest.mark.parametrize("value", [3, 255, -1])
def test_a_label_outside_the_classes_names_file_id_and_cures(value):
    with pytest.raises(DataError) as error:
        check(target(value))
    message = str(error.value)
    start = f"label of b.tif: ids {value} (1 pixel), but num_classes 3 means ids 0 to 2."
    assert message.startswith(start)
    for option in ("ignore_index", "no_label_replace", "reduce_zero_label", "num_classes"):
        assert option in message


BY_MODALITY = {"S2": NAMES, "S1": ["c.tif", "d.tif"]}


def test_of_several_modalities_the_first_names_the_files():
    with pytest.raises(DataError, match=r"^label of b\.tif: ids 3"):
        check(target(3), filename=BY_MODALITY)
    assert filenames_of({"filename": BY_MODALITY}) == NAMES
    assert filenames_of({"filename": {"optical": BY_MODALITY}}) == NAMES
    assert filenames_of({"filename": NAMES}) == NAMES
    assert filenames_of({"filename": {}}) is filenames_of({}) is None


def test_predictions_of_several_modalities_have_a_name_each():
    task = SemanticSegmentationTask({"num_classes": 4}, model=PixelModel())
    prediction = task.predict_step(batch(filename=BY_MODALITY), 0)
    assert prediction.filenames == NAMES


def test_the_ignored_label_may_lie_anywhere():
    assert check(target(255), 255).ignored_batches == 0
    assert check(target(2), 2).ignored_batches == 0


def test_labels_of_images_outside_the_classes_are_counted():
    with pytest.raises(DataError, match=r"label of a\.tif, b\.tif: ids 3, 9 \(2 labels\), but"):
        check(torch.tensor([3, 9]))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_nan_in_an_image_names_the_file(value):
    image = torch.ones(2, 3, 4, 4)
    image[1, 2, 0, 0] = value
    with pytest.raises(DataError, match=r"^b\.tif: the image holds NaN.*no_data_replace"):
        check(target(), image=image)
    with pytest.raises(DataError, match=r"^b\.tif: the image holds NaN"):
        check(target(), image={"s1": torch.ones(2, 1, 4, 4), "s2": image})
    with pytest.raises(DataError, match="samples 1 of a batch"):
        check(target(), image=image, filename=None)


def test_a_sum_that_overflows_is_no_nan():
    check(target(), image=torch.full((2, 3, 4, 4), 3e38))


def test_a_wholly_ignored_batch_is_counted_and_said_once(caplog):
    checks = BatchChecks()
    labels = torch.full((2, 4, 4), -1)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            checks.check(batch(), [RawTarget("mask", labels, labels != -1, 3)])
    assert checks.ignored_batches == 3
    assert len(caplog.records) == 1
    with caplog.at_level(logging.INFO):
        checks.finish()
        checks.finish()
    assert len(caplog.records) == 2
    assert "3 batches so far were wholly ignored" in caplog.text
    assert "a.tif, b.tif: every target of the batch is ignored" in caplog.text


@pytest.mark.parametrize("limit", [1.0, 2])
def test_an_epoch_without_a_target_that_counts_is_an_error_and_saves_nothing(tmp_path, limit):
    ignored = loader(torch.full((4, 8, 8), -1), "mask")
    task = SemanticSegmentationTask({"num_classes": 4}, model=PixelModel(), ignore_index=-1)
    run = trainer(enable_checkpointing=True, default_root_dir=tmp_path, limit_train_batches=limit)
    good = loader(torch.zeros(4, 8, 8, dtype=torch.long), "mask")
    with pytest.raises(DataError, match=r"^train epoch 0: no target counted.*2 batches.*-1"):
        run.fit(task, ignored, good)
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize("stage", ["val", "test"])
def test_a_validation_without_a_target_that_counts_is_an_error(stage, tmp_path):
    ignored = loader(torch.full((4, 8, 8), -1), "mask")
    good = loader(torch.zeros(4, 8, 8, dtype=torch.long), "mask")
    task = SemanticSegmentationTask({"num_classes": 4}, model=PixelModel(), ignore_index=-1)
    run = trainer(enable_checkpointing=True, default_root_dir=tmp_path)
    with pytest.raises(DataError, match=f"^{stage} epoch 0: no target counted"):
        run.fit(task, good, ignored) if stage == "val" else run.test(task, ignored)
    assert not list(tmp_path.rglob("*.ckpt"))


def test_an_epoch_with_some_targets_and_a_trial_run_pass():
    labels = torch.full((4, 8, 8), -1)
    task = SemanticSegmentationTask({"num_classes": 4}, model=PixelModel(), ignore_index=-1)
    trainer(fast_dev_run=True).fit(task, loader(labels, "mask"), loader(labels, "mask"))
    labels[3, 0, 0] = 1
    trainer(max_epochs=2).fit(task, loader(labels, "mask"), loader(labels, "mask"))


def test_a_loss_that_is_nan_is_told_at_the_next_step_or_the_end():
    checks = BatchChecks()
    checks.remember_loss(torch.tensor(torch.nan), batch())
    with pytest.raises(DataError, match=r"a\.tif, b\.tif: the loss of this batch is NaN.*lr"):
        checks.check(batch(), [RawTarget("mask", target(), None, 3)])
    with pytest.raises(DataError, match="the loss of this batch is NaN"):
        checks.finish()
    checks.finish()
