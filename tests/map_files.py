"""Write predictions as `terratorch predict` does where it goes batch by batch."""

from pathlib import Path

from terratorch.inference.maps.encoding import MapOptions
from terratorch.inference.maps.folder import PredictionFolder
from terratorch.inference.prediction import Prediction


def write_maps(
    prediction: Prediction,
    directory: Path,
    prefix: str | None = None,
    options: MapOptions | None = None,
) -> list[Path]:
    """Write one batch into a folder, and return the files."""
    with PredictionFolder(directory, prefix, options) as folder:
        return folder.write(prediction)
