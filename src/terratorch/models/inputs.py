"""What models take in addition to images, and the function that provides it.

A backbone declares `inputs = (ModelInput("temporal_coords", optional=True), ...)`. Of a model that
declares nothing, the keyword arguments of `forward` are its inputs.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from terratorch.bands import WAVELENGTHS
from terratorch.contracts.facts import FACTS, read_batch
from terratorch.contracts.images import Images
from terratorch.contracts.input_spec import ImageSpec, InputSpec
from terratorch.errors import ConfigurationError, DataError
from terratorch.logs import log_once, warn_once

logger = logging.getLogger(__name__)

# The options of `terratorch predict` that set a fact.
_OPTIONS = {"temporal_coords": "date", "location_coords": "location"}

Keywords: TypeAlias = dict[str, Any]
"""Keyword arguments of a model, of any types."""

ANY = "**"
"""The name of the input of a model whose `forward` takes any keyword argument."""


@dataclass(frozen=True)
class ModelInput:
    """A further input of a model.

    Attributes:
        name: The key of the batch, which is the keyword of `forward`; see `FACTS` for those that
            data sets and scenes provide.
        optional: Whether the model runs without it.
        default: The value to use, with a logged message, if it is not known.
    """

    name: str
    optional: bool = False
    default: object = None


def inputs_of(model: nn.Module) -> tuple[ModelInput, ...]:
    """Return the further inputs of a model: declared, else the keyword arguments of `forward`."""
    declared = getattr(model, "inputs", None)
    if isinstance(declared, tuple) and all(isinstance(entry, ModelInput) for entry in declared):
        return declared
    kinds = inspect.Parameter
    parameters = list(inspect.signature(model.forward).parameters.values())
    keywords = [
        p for p in parameters[1:] if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
    ]
    named = tuple(ModelInput(p.name, optional=p.default is not kinds.empty) for p in keywords)
    takes_any = any(p.kind is kinds.VAR_KEYWORD for p in parameters)
    return (*named, ModelInput(ANY, optional=True)) if takes_any else named


def resolve_inputs(
    declared: Iterable[ModelInput], spec: InputSpec | None, facts: Mapping[str, object]
) -> Keywords:
    """Return the further inputs of a model for a batch, by keyword.

    Training, tiles of tensors and scenes, Python and Ray all go through here.

    Args:
        declared: What the model takes; see `inputs_of`.
        spec: How the images were read, for wavelengths. Its `facts` are those that the model was
            trained with: other optional inputs are not passed on.
        facts: What is known; facts that the model does not take are ignored.

    Raises:
        DataError: If an input is not known that the model needs, or was trained with.
    """
    inputs: Keywords = {}
    for entry in declared:
        if entry.name == ANY:
            inputs |= _further(facts, inputs)
            continue
        trained = None if spec is None or spec.facts is None else entry.name in spec.facts
        if entry.optional and trained is False:
            continue
        value = _known(entry, spec, facts)
        if value is not None:
            inputs[entry.name] = value
        elif entry.default is not None:
            inputs[entry.name] = entry.default
            _log_default(entry.name, f"{entry.default} is used")
        elif not entry.optional or trained:
            raise _missing(entry, trained, facts)
        elif entry.name in FACTS:
            _log_default(entry.name, "the model runs without")
    return inputs


def _further(facts: Mapping[str, object], inputs: Mapping[str, object]) -> dict[str, object]:
    """Return what a model gets that takes any keyword: all that is not in the table of facts."""
    unused = [name for name in ("temporal_coords", "location_coords") if name in facts]
    if unused and not inputs.keys() & set(unused):
        log_once(
            logger,
            logging.INFO,
            "The model's forward takes any keyword, and the batch has %s: they are only passed on "
            "to models that name them in forward, or in `inputs`.",
            " and ".join(unused),
        )
    return {key: value for key, value in facts.items() if key not in FACTS and key not in inputs}


def inputs_of_batch(
    model: nn.Module, spec: InputSpec | None, batch: Mapping[str, object]
) -> tuple[Images, Keywords]:
    """Return the images of a batch and the further inputs of a model, on one device.

    Args:
        model: The model.
        spec: How the images were read, if that is known.
        batch: The batch, by its public keys.

    Raises:
        DataError: If an input is not known that the model needs.
    """
    parts = read_batch(batch)
    images = parts.images
    declared = inputs_of(model)
    if "missing" not in {entry.name for entry in declared}:
        _refuse_missing(parts.facts)
    inputs = resolve_inputs(declared, spec, parts.facts)
    return images, on_device_of(images, inputs)


def _refuse_missing(facts: Mapping[str, object]) -> None:
    """Refuse a batch in which a sample lacks a modality, for a model that would not know of it."""
    missing = facts.get("missing")
    for name, flags in missing.items() if isinstance(missing, Mapping) else ():
        if flags.any():
            place = flags.tolist().index(True)
            files = _files(facts)
            raise DataError(
                f"{name} of {files[place] if files else f'sample {place} of a batch'}",
                "is missing, but the model does not take the fact `missing`",
                "Remove the sample, or name `missing` in the model's forward: a dictionary with "
                "a flag for each sample, by modality.",
            )


def on_device_of(images: Images, inputs: Mapping[str, object]) -> Keywords:
    """Return further inputs on the device of the images."""
    first = images if isinstance(images, Tensor) else next(iter(images.values()))
    return {name: _on(first.device, value) for name, value in inputs.items()}


def spec_for_prediction(
    declared: Sequence[ModelInput], spec: InputSpec, given: Iterable[str] = ()
) -> InputSpec:
    """Return how images to predict are read, with the facts that the model is to be given.

    These are what it was trained with. If that is not known, as of checkpoints of the first format,
    the model runs without optional inputs but those that the user gives.

    Args:
        declared: What the model takes.
        spec: How images are read, and the facts of the training.
        given: The facts that the user gives.

    Raises:
        ConfigurationError: If the model does not take them, or was trained without them.
    """
    optional = {entry.name: entry.optional for entry in declared}
    for name in given:
        option = _OPTIONS.get(name, name)
        if name not in optional:
            raise ConfigurationError(option, f"the model takes no {name}", "Omit it.")
        if optional[name] and spec.facts is not None and name not in spec.facts:
            raise ConfigurationError(option, f"the model was trained without {name}", "Omit it.")
    if spec.facts is not None:
        return spec
    unused = [name for name in optional if name in FACTS and optional[name] and name not in given]
    if unused:
        warn_once(
            logger,
            "It is not known whether the model was trained with %s: it predicts without. "
            "Train again, or set --date and --location, to predict with them.",
            " and ".join(unused),
        )
    return spec.with_facts(given)


def _on(device: torch.device, value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _on(device, entry) for key, entry in value.items()}
    return value.to(device) if isinstance(value, Tensor) else value


def _log_default(name: str, consequence: str) -> None:
    message = "%s of the images is not known: %s. %s (logged once)"
    warn_once(logger, message, name, consequence, FACTS[name].source, key=name)


def _missing(entry: ModelInput, trained: bool | None, facts: Mapping[str, object]) -> DataError:
    reason = "the model was trained with it" if trained else "the model needs it"
    source = FACTS[entry.name].source if entry.name in FACTS else ""
    files = _files(facts)
    return DataError(
        f"{entry.name} of {files[0]}" if files else entry.name,
        f"is not known, but {reason}",
        source or f"Give each sample {entry.name!r}, the name of the model's argument.",
    )


def _known(entry: ModelInput, spec: InputSpec | None, facts: Mapping[str, object]) -> object:
    """Return the value of an input; None if it is not known for any image of the batch."""
    value = facts.get(entry.name)
    if value is None and entry.name == "wavelengths" and spec is not None:
        return _wavelengths(spec)
    if entry.name not in FACTS or not isinstance(value, Tensor) or not value.is_floating_point():
        return value
    unknown = ~torch.isfinite(value).flatten(1).all(1) if value.ndim > 1 else ~torch.isfinite(value)
    if not unknown.any():
        return value
    if unknown.all():
        return None
    files = _files(facts)
    odd = unknown.tolist().index(True)
    raise DataError(
        f"{entry.name} of {files[odd] if files else f'sample {odd} of a batch'}",
        "is not known, but that of other images in the batch is",
        FACTS[entry.name].source,
    )


def _files(facts: Mapping[str, object]) -> list[str]:
    names = facts.get("filename")
    return [str(name) for name in names] if isinstance(names, list | tuple) else []


def _wavelengths(spec: InputSpec) -> object:
    if spec.is_single:
        return _wavelengths_of(spec.image)
    by_name = {name: _wavelengths_of(image) for name, image in spec.images.items()}
    return None if any(value is None for value in by_name.values()) else by_name


def _wavelengths_of(image: ImageSpec) -> Tensor | None:
    names = image.selection.names or ()
    if not names or any(name not in WAVELENGTHS for name in names):
        return None
    return torch.tensor([WAVELENGTHS[str(name)] for name in names])
