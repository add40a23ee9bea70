"""Check that data and model agree on band names and order; torch sees channels without names."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from torch import Tensor

from terratorch.contracts.input_spec import ImageSpec, InputSpec
from terratorch.contracts.model_description import Bands, description_of
from terratorch.errors import ConfigurationError
from terratorch.tasks.settings import PATH

logger = logging.getLogger(__name__)


def check_bands(datamodule: object, model: object, stage: str) -> None:
    """Raise unless data and model name the same bands in the same order.

    The bands of a model that names none are those of the weights that it started from. Another
    order of these is an error, other bands are only a warning, since they may be close enough.

    Args:
        datamodule: The data module of the Trainer; not checked if it has no `input_spec`, or no
            `predict_input_spec` to predict.
        model: The model; not checked if it is not described.
        stage: The stage that is about to run; images to predict may have other bands.

    Raises:
        ConfigurationError: If both name their bands, and differ.
    """
    prefix = "predict_" if stage == "predict" else ""
    spec = getattr(datamodule, f"{prefix}input_spec", None)
    described = description_of(model)
    if not isinstance(spec, InputSpec) or described is None or described.bands is None:
        return
    section, argument, bands = f"data.init_args.{prefix}", described.bands_argument, described.bands
    if spec.is_single and not isinstance(bands, Mapping):
        _check_same(spec.image, argument, bands, section)
    elif not spec.is_single and isinstance(bands, Mapping):
        for name in bands.keys() & spec.images.keys():
            _check_same(spec.images[name], f"{argument}.{name}", bands[name], section, f".{name}")


def _check_same(
    spec: ImageSpec, argument: str | None, of_model: Bands, section: str, modality: str = ""
) -> None:
    """Compare the bands of one image with those of the model.

    Args:
        spec: The bands of the image.
        argument: The argument that names the bands of the model; None if its weights do.
        of_model: These bands.
        section: Where the data module is in the configuration.
        modality: The modality, for the message.
    """
    of_data = spec.selection.names
    if (
        not _all_named(of_model)
        or of_data is None
        or not _all_named(of_data)
        or of_model == of_data
    ):
        return
    option = "output_bands" if spec.output_bands is not None else "dataset_bands"
    subject = f"{section}{option}{modality}"
    source = f"{PATH}.model_args.{argument}" if argument else "the weights of the backbone have"
    seen = f"the images have the bands {_listed(of_data)}, but {source}"
    seen = f"{seen} {'is ' if argument else ''}{_listed(of_model)}"
    if argument is None and set(of_model) != set(of_data):
        logger.warning(
            "%s: %s. Name the bands as %s.model_args.backbone_bands, so that the weights are "
            "copied by name.",
            *(subject, seen, PATH),
        )
        return
    raise ConfigurationError(
        subject,
        seen,
        "Give both the same bands in the same order: data.init_args.output_bands chooses from "
        "dataset_bands, and orders; model_args.backbone_bands is what the model takes.",
    )


def check_channels(image: object, model: object) -> None:
    """Raise unless images `(B, C, ...)` have as many bands as the model takes.

    Raises:
        ConfigurationError: If they have another number.
    """
    described = description_of(model)
    expected = None if described is None else described.in_chans
    # A user's own backbone may put time into its channels: only plain images are compared.
    if expected is None or not isinstance(image, Tensor) or image.ndim != 4:
        return
    if image.shape[1] != expected:
        argument = (described and described.bands_argument) or "backbone_in_chans"
        raise ConfigurationError(
            f"{PATH}.model_args.{argument}",
            f"{expected} band{'' if expected == 1 else 's'}, but the images have {image.shape[1]}",
            f"Give {image.shape[1]} there, or choose bands of the files with "
            "data.init_args.output_bands.",
        )


def _all_named(bands: Iterable[object]) -> bool:
    return all(isinstance(band, str) for band in bands)


def _listed(bands: Iterable[object]) -> str:
    return ", ".join(map(str, bands))
