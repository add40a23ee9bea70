"""What a prediction writes: the format of its maps, and the files made from them."""

from __future__ import annotations

from collections.abc import Iterable

from terratorch.contracts.outputs import Content, OutputValue
from terratorch.errors import ConfigurationError
from terratorch.geo.vector_files import import_writers
from terratorch.prediction.maps.encoding import MapOptions
from terratorch.prediction.options import OPTIONS, PredictionOptions
from terratorch.prediction.outputs.types import CHECKED_OPTIONS, OUTPUT_TYPES
from terratorch.prediction.products.mosaic import Mosaic
from terratorch.prediction.products.products import FolderProduct, MapProduct, Products
from terratorch.prediction.products.quicklook import QuicklookProduct
from terratorch.prediction.products.stac import Provenance, StacItem
from terratorch.prediction.products.vectorize import PolygonFile


def map_options(options: PredictionOptions) -> MapOptions:
    """Return how maps are stored."""
    return MapOptions(options.out_dtype, options.scores_dtype, options.format)


def build_products(options: PredictionOptions, provenance: Provenance) -> Products:
    """Return what is made from each map, and from all.

    Args:
        options: The options.
        provenance: How the maps are made.

    Raises:
        MissingDependencyError: If polygons need a package that is not installed.
    """
    of_maps: list[MapProduct] = []
    of_folder: list[FolderProduct] = []
    if options.quicklook:
        of_maps.append(QuicklookProduct())
    if options.vectorize is not None:
        import_writers(options.vectorize)
        of_maps.append(
            PolygonFile(options.vectorize, options.vector_min_area, options.vector_simplify)
        )
    if options.stac:
        of_maps.append(StacItem(provenance))  # last, because it links to the others
    if options.mosaic:
        of_folder.append(Mosaic(options.output_file_prefix or ""))
    return Products(of_maps, of_folder, options.strict)


def check_outputs(
    options: PredictionOptions, output_type: type[OutputValue], outputs: Iterable[Content]
) -> None:
    """Refuse options that do not fit what a task predicts.

    Args:
        options: The options.
        output_type: The type of the outputs.
        outputs: What is written.

    Raises:
        ConfigurationError: If an option is for other outputs, or polygons lack classes.
    """
    row = OUTPUT_TYPES[output_type]
    for name in CHECKED_OPTIONS:
        value = getattr(options, name)
        if value != OPTIONS[name].default:
            row.check_option(name, value)
    names = list(outputs)
    map_options(options).check(names)
    if options.vectorize is not None and Content.CLASSES not in names:
        raise ConfigurationError(
            "vectorize",
            f"polygons need classes, but the outputs are {', '.join(names)}",
            "Add classes to --outputs."
            if any(name.is_scores for name in names)
            else "Remove it: a map of values has no classes.",
        )
