import pytest

from terratorch.errors import ConfigurationError
from terratorch.metrics import check_monitor, direction

EXPECTED = {
    "val/loss": "min",
    "val/ce": "min",
    "val/dice_epoch": "min",
    "test/one/RMSE": "min",
    "val/MAE_0 ": "min",
    "val/R2_Score": "max",
    "val/mIoU": "max",
    "val/mIoU_Micro": "max",
    "val/Boundary_mIoU": "max",
    "val/IoU_loss": "max",
    "val/Class_Accuracy_water": "max",
    "val/Class_F1_3": "max",
    "val/Pixel_Accuracy": "max",
    "val/Precision": "max",
    "val/of_my_own": None,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_direction_follows_from_the_public_name(name):
    assert direction(name) == EXPECTED[name]


def test_a_metric_watched_the_wrong_way_is_an_error():
    check_monitor("val/mIoU", "max")
    check_monitor("val/of_my_own", "min")
    check_monitor(None, "min")
    with pytest.raises(ConfigurationError) as error:
        check_monitor("val/mIoU", "min", "trainer.callbacks: ModelCheckpoint")
    assert str(error.value) == (
        "trainer.callbacks: ModelCheckpoint: val/mIoU is better when larger, but mode is 'min'. "
        "Set mode: max"
    )
