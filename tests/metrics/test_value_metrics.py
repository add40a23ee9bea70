import torch
from torchmetrics import functional as known

from terratorch.metrics.values import regression_metrics


def test_values_are_those_of_torchmetrics_without_nan():
    generator = torch.Generator().manual_seed(0)
    prediction, target = (torch.randn(40, generator=generator) * 10 + 300 for _ in range(2))
    kept = slice(10, None)
    expected = {
        "MAE": known.mean_absolute_error(prediction[kept], target[kept]),
        "MSE": known.mean_squared_error(prediction[kept], target[kept]),
        "RMSE": known.mean_squared_error(prediction[kept], target[kept], squared=False),
        "R2_Score": known.r2_score(prediction[kept].double(), target[kept].double()).float(),
    }
    target[:5], target[5:10] = torch.nan, torch.nan
    metrics = regression_metrics()
    metrics.update(prediction[:20], target[:20])
    metrics.update(prediction[20:], target[20:])
    values = metrics.compute()
    for name, value in expected.items():
        torch.testing.assert_close(values[name], value, msg=name)
