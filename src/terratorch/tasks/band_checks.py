"""Checks that data and model speak of the same bands; torch sees channels, without names."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from terratorch.bands import expand_bands
from terratorch.errors import ConfigurationError
from terratorch.tasks.settings import PATH

logger = logging.getLogger(__name__)

# Those of the parts that take images: the backbone, or a whole model.
_PARTS = ("backbone", "model")
_WEIGHTS = "what the weights of the backbone were trained on"


def check_same_bands(
    datamodule: Any, model_args: Mapping[str, Any], stage: str, model: Any = None
) -> None:
    """Raise unless data and model name the same bands in the same order.

    A model that names none, but starts from weights, has the bands of these: another order is an
    error, other bands are only spoken of, since they may be near enough.

    Args:
        datamodule: The data module of the Trainer; one without `input_spec`, or to predict without
            `predict_input_spec`, is not asked.
        model_args: Arguments of the model factory.
        stage: What is about to run: images to predict may be read otherwise.
        model: The model.

    Raises:
        ConfigurationError: If both name their bands, and differ.
    """
    prefix = "predict_" if stage == "predict" else ""
    spec = getattr(datamodule, f"{prefix}input_spec", None)
    found = _argument(model_args, "bands") or _bands_of_weights(model, model_args)
    if spec is None or found is None or isinstance(found[1], int):
        return
    key, value = found
    section = f"data.init_args.{prefix}"
    if spec.is_single and not isinstance(value, Mapping):
        _check_same(spec.image, key, value, section)
    elif not spec.is_single and isinstance(value, Mapping):
        for name in value.keys() & spec.images.keys():
            _check_same(spec.images[name], f"{key}.{name}", value[name], section, f".{name}")


def _check_same(spec: Any, key: str, value: Any, section: str, modality: str = "") -> None:
    """Compare the bands of one image with those that the model names."""
    wanted, given = expand_bands(value, thing=key), spec.selection.names
    if not _all_named(wanted) or not _all_named(given) or wanted == given:
        return
    option = "output_bands" if spec.output_bands is not None else "dataset_bands"
    thing = f"{section}{option}{modality}"
    seen = f"the images have the bands {_listed(given)}, but {key} is {_listed(wanted)}"
    if key == _WEIGHTS and set(wanted) != set(given):
        logger.warning(
            "%s: %s. Name the bands as %s.model_args.backbone_bands, so that the weights are "
            "copied by name.",
            *(thing, seen, PATH),
        )
        return
    raise ConfigurationError(
        thing,
        seen,
        "Give both the same bands in the same order: data.init_args.output_bands chooses from "
        "dataset_bands, and orders; model_args.backbone_bands is what the model takes.",
    )


def _bands_of_weights(model: Any, model_args: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Return the bands that a backbone takes by default, where it starts from trained weights."""
    trained = _argument(model_args, "pretrained") or _argument(model_args, "ckpt_path")
    bands = getattr(getattr(model, "encoder", None), "model_bands", None)
    return None if not trained or not trained[1] or bands is None else (_WEIGHTS, bands)


def check_band_count(image: Any, model_args: Mapping[str, Any]) -> None:
    """Raise unless images `(B, C, ...)` have as many bands as the arguments of the model say.

    Raises:
        ConfigurationError: If they have another number.
    """
    found = _argument(model_args, "bands") or _argument(model_args, "in_chans")
    if found is None or not isinstance(image, Tensor) or isinstance(found[1], Mapping):
        return
    key, value = found
    expected = value if isinstance(value, int) else len(expand_bands(value, thing=key))
    # A backbone of people's own may put time into its channels: only plain images are compared.
    if image.ndim == 4 and image.shape[1] != expected:
        raise ConfigurationError(
            key,
            f"{expected} band{'' if expected == 1 else 's'}, but the images have {image.shape[1]}",
            f"Say {image.shape[1]} there, or choose bands of the files with "
            "data.init_args.output_bands.",
        )


def _argument(model_args: Mapping[str, Any], name: str) -> tuple[str, Any] | None:
    """Return an argument of the part that takes images, in either form, and its path."""
    for part in _PARTS:
        nested = model_args.get(f"{part}_kwargs") or {}
        forms = {
            f"{part}_{name}": model_args.get(f"{part}_{name}"),
            f"{part}_kwargs.{name}": nested.get(name),
        }
        for key, value in forms.items():
            if value is not None:
                return f"{PATH}.model_args.{key}", value
    return None


def _all_named(bands: Iterable[object] | None) -> bool:
    return bands is not None and all(isinstance(band, str) for band in bands)


def _listed(bands: Iterable[object]) -> str:
    return ", ".join(map(str, bands))
