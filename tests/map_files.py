"""Write predictions as `terratorch predict` does where it goes batch by batch."""

from pathlib import Path

from terratorch.contracts.prediction import Prediction
from terratorch.prediction.maps.encoding import MapOptions
from terratorch.prediction.maps.folder import PredictionFolder


def write_maps(
    prediction: Prediction,
    directory: Path,
    prefix: str | None = None,
    options: MapOptions | None = None,
) -> list[Path]:
    """Write one batch into a folder, and return the files."""
    with PredictionFolder(directory, prefix, options) as folder:
        return folder.write(prediction)
