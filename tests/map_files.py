"""Write predictions as `terratorch predict` does where it goes batch by batch."""

from pathlib import Path

from terratorch.contracts.prediction import Prediction
from terratorch.prediction.maps.encoding import Encoding, MapOptions, layer_encoding
from terratorch.prediction.outputs.folder import PredictionFolder


def write_maps(
    prediction: Prediction,
    directory: Path,
    prefix: str | None = None,
    options: MapOptions | None = None,
) -> list[Path]:
    """Write one batch into a folder, and return the files."""
    with PredictionFolder(directory, prefix, options) as folder:
        return folder.write(prediction)


def encoding_of(prediction: Prediction, layer: str, options: MapOptions | None = None) -> Encoding:
    """Return how a layer is stored."""
    raster, names = prediction.outputs[layer], prediction.class_names
    return layer_encoding(raster, layer, names, options)
