"""Map the layouts in which Prithvi weights are published or saved to that of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from terratorch.models.backbones.prithvi.encoder import PrithviViT
from terratorch.models.backbones.prithvi.mae import PrithviMAE
from terratorch.models.weights import (
    adapt_first_projection,
    load_state_dict_file,
    load_strictly,
)
from terratorch.ops.state_dict import StateDict, select_prefix

# Computed for the grid of the model; those of the file are ignored.
_POSITIONS = ("pos_embed",)
# Files of models without prompt tuning have no prompts.
_MAY_MISS = (*_POSITIONS, "vpt_prompt_embeddings")


def prithvi_keys(state: Mapping[str, Tensor]) -> StateDict:
    """Map the keys of any Prithvi file to `encoder.*` and `decoder.*`.

    Files are: masked autoencoders with these prefixes (2.0) or without any (1.0), encoders alone,
    those of earlier training code (`_timm_module.`), and checkpoints of fine-tuned models
    (`model.encoder.*`), of which only the encoder is taken.
    """
    plain = {key.replace("_timm_module.", ""): value for key, value in state.items()}
    tuned = select_prefix(plain, "model.encoder.")
    if tuned:
        plain = {f"encoder.{key}": value for key, value in tuned.items()}
    return {_with_part(key): value for key, value in plain.items() if "pos_embed" not in key}


def _with_part(key: str) -> str:
    if key.startswith(("encoder.", "decoder.")):
        return key
    in_decoder = "decoder" in key or "_dec" in key or key == "mask_token"
    return f"{'decoder' if in_decoder else 'encoder'}.{key}"


def load_prithvi(
    model: PrithviViT | PrithviMAE, file: Path, bands_of_file: Sequence[str | int]
) -> None:
    """Load a Prithvi file into an encoder or a masked autoencoder.

    Args:
        model: The model.
        file: The weight file or checkpoint.
        bands_of_file: The bands that it was trained on; those of the model match by name.

    Raises:
        WeightsError: If the file does not fit the model.
    """
    state = prithvi_keys(load_state_dict_file(file))
    encoder = model if isinstance(model, PrithviViT) else model.encoder
    prefix = "" if isinstance(model, PrithviViT) else "encoder."
    if isinstance(model, PrithviViT):
        state = select_prefix(state, "encoder.")
    state = _without_coordinates(state, model)
    state = adapt_first_projection(
        state,
        f"{prefix}patch_embed.proj.weight",
        encoder.patch_embed.proj.weight,
        bands_of_file,
        encoder.model_bands,
        str(file),
    )
    load_strictly(model, state, str(file), optional=_MAY_MISS)


def _without_coordinates(state: StateDict, model: nn.Module) -> StateDict:
    """Drop the scales of encodings of time and place that the model was built without."""
    expected = model.state_dict()
    return {
        key: value
        for key, value in state.items()
        if key in expected or not any(part in key for part in ("temporal_embed", "location_embed"))
    }
