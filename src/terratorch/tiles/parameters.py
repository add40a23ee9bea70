"""The settings of tiled inference, and how they are read from a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from terratorch.errors import ArgumentNameError, ConfigurationError, did_you_mean

PATH = "tiled_inference_parameters"
PADDING_MODES = ("reflect", "replicate", "constant", "circular")
AUTO: Literal["auto"] = "auto"  # a batch size that is found out

# What one short key stands for.
BOTH_SIDES = {"crop": ("h_crop", "w_crop"), "stride": ("h_stride", "w_stride")}

# Defaults of the function and of a configuration; those of the class differ.
FUNCTION_DEFAULTS: dict[str, Any] = {
    "h_crop": 224,
    "w_crop": 224,
    "h_stride": 192,
    "w_stride": 192,
    "delta": 8,
}


@dataclass
class TiledInferenceParameters:
    """How a scene is cut into tiles and how their predictions are joined.

    Attributes:
        h_crop: Height of a tile in pixels.
        h_stride: Pixels from one row of tiles to the next.
        w_crop: Width of a tile in pixels.
        w_stride: Pixels from one column of tiles to the next.
        delta: Pixels of each prediction that are dropped along each side of a tile.
        average_patches: Average where tiles overlap; otherwise one tile wins.
        blend_overlaps: Weight the average by a cosine towards the sides of a tile.
        batch_size: Tiles in a forward pass; `auto` finds out how many are fastest and fit.
        verbose: Show a progress bar.
        padding: How the scene is continued beyond its border: `reflect` (also `true`), `replicate`,
            `constant` (zeros) or `circular`; with `false` border tiles stay inside the scene.
    """

    h_crop: int = 224
    h_stride: int = 200
    w_crop: int = 224
    w_stride: int = 200
    delta: int = 4
    average_patches: bool = True
    blend_overlaps: bool = True
    batch_size: int | Literal["auto"] = 16
    verbose: bool = False
    padding: str | bool = "reflect"

    @property
    def tiles_at_once(self) -> int:
        """The batch size, which is known by now."""
        assert isinstance(self.batch_size, int), "`auto` is resolved before tiles run"
        return self.batch_size

    @property
    def padding_mode(self) -> str | None:
        """The name of the padding mode, None for no padding."""
        if isinstance(self.padding, bool):
            return "reflect" if self.padding else None
        return self.padding

    def coarsened(self, patch_size: int) -> TiledInferenceParameters:
        """Return the same tiles in patches; overlaps and `delta` are rounded to whole patches.

        Args:
            patch_size: Pixels along a side of a patch.

        Raises:
            ConfigurationError: If a tile does not hold a whole number of patches.
        """
        if patch_size == 1:
            return self
        sizes: dict[str, Any] = {}
        for side in ("h", "w"):
            crop: int = getattr(self, f"{side}_crop")
            if crop % patch_size:
                raise ConfigurationError(
                    "crop",
                    f"{crop} is not a multiple of the patch size {patch_size}",
                    f"Use {max(crop // patch_size, 1) * patch_size}.",
                )
            sizes[f"{side}_crop"] = crop // patch_size
            sizes[f"{side}_stride"] = max(getattr(self, f"{side}_stride") // patch_size, 1)
        overlaps = [sizes[f"{side}_crop"] - sizes[f"{side}_stride"] for side in ("h", "w")]
        delta = min(-(-self.delta // patch_size), min(overlaps) // 2)
        return replace(self, **sizes, delta=delta)

    def check(self, path: str = PATH) -> None:
        """Check each value, and that tiles of this crop, stride and delta have no gaps.

        Args:
            path: What the values are called in messages.

        Raises:
            ConfigurationError: If a value cannot be used.
        """
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if name != "batch_size" or value != AUTO:
                _check_integer(_thing(path, name), value, least)
        for name in ("average_patches", "blend_overlaps", "verbose"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigurationError(
                    _thing(path, name), f"{getattr(self, name)!r} is not true or false"
                )
        if self.padding_mode is not None and self.padding_mode not in PADDING_MODES:
            raise ConfigurationError(
                _thing(path, "padding"),
                f"{self.padding!r} is not a padding mode",
                f"Use false or one of {', '.join(PADDING_MODES)}. "
                f"{did_you_mean(str(self.padding), PADDING_MODES)}".rstrip(),
            )
        for side in ("h", "w"):
            self._check_side(path, side)

    def _check_side(self, path: str, side: str) -> None:
        crop, stride = getattr(self, f"{side}_crop"), getattr(self, f"{side}_stride")
        if stride > crop:
            raise ConfigurationError(
                _thing(path, f"{side}_stride"),
                f"{stride} is more than {side}_crop ({crop}), so there are gaps between tiles",
                f"Use at most {crop}.",
            )
        if 2 * self.delta >= crop:
            raise ConfigurationError(
                _thing(path, "delta"),
                f"{self.delta} is dropped along each side of a tile, so nothing remains of "
                f"{side}_crop ({crop})",
                f"Use less than {(crop + 1) // 2}.",
            )


_LEAST = {"h_crop": 1, "w_crop": 1, "h_stride": 1, "w_stride": 1, "delta": 0, "batch_size": 1}


def _thing(path: str, name: str) -> str:
    """Return what a value is called: options of the command line have no path."""
    return f"{path}.{name}" if path else name


def _check_integer(thing: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        cure = "Give a number, or auto." if thing.endswith("batch_size") else ""
        raise ConfigurationError(thing, f"{value!r} is not a whole number", cure)
    if value < least:
        raise ConfigurationError(thing, f"{value} is too small", f"Use at least {least}.")


def parse_tiled_inference_parameters(
    values: Mapping[str, Any] | TiledInferenceParameters | None, path: str = PATH
) -> TiledInferenceParameters | None:
    """Turn the mapping of a configuration into checked parameters.

    Args:
        values: The mapping; keys that are missing have the defaults of `tiled_inference`. `crop`
            and `stride` set both sides, except one with a separate key.
        path: What the mapping is called in messages.

    Returns:
        The parameters; None for None.

    Raises:
        ArgumentNameError: If a key is not known.
        ConfigurationError: If a value cannot be used.
    """
    if values is None:
        return None
    if isinstance(values, TiledInferenceParameters):
        parameters = replace(values)
    elif isinstance(values, Mapping):
        parameters = TiledInferenceParameters(**FUNCTION_DEFAULTS | _both_sides(values, path))
    else:
        raise ConfigurationError(
            path, f"{values!r} is not a mapping", "Write keys such as 'crop: 224' below it."
        )
    parameters.check(path)
    return parameters


def with_options(
    base: TiledInferenceParameters, options: Mapping[str, Any]
) -> TiledInferenceParameters:
    """Return parameters with those of the command line in their place.

    A crop comes with a stride and a delta that fit it, where these are not given: an overlap of an
    eighth, of which a quarter is dropped. Those of another crop would have gaps, or take many
    times as long.

    Args:
        base: The parameters.
        options: What was given, by the names of a configuration.

    Raises:
        ConfigurationError: If a value cannot be used.
    """
    given = _both_sides(options, "")
    crops = {side: given[f"{side}_crop"] for side in ("h", "w") if f"{side}_crop" in given}
    for side, crop in crops.items():
        _check_integer(f"{side}_crop", crop, 1)
        given.setdefault(f"{side}_stride", fitting_stride(crop))
    if crops:
        given.setdefault("delta", fitting_delta(min(crops.values())))
    parameters = TiledInferenceParameters(**asdict(base) | given)
    parameters.check("")
    return parameters


def fitting_stride(crop: int) -> int:
    """Return the stride at which tiles overlap by an eighth."""
    return crop - crop // 8


def fitting_delta(crop: int) -> int:
    """Return how much is dropped of such tiles along each side."""
    return crop // 32


def _both_sides(values: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the values by the names of the fields, with `crop` and `stride` spelt out."""
    names = [field.name for field in fields(TiledInferenceParameters)]
    spelt: dict[str, Any] = {}
    for key, value in values.items():
        if key not in names and key not in BOTH_SIDES:
            raise ArgumentNameError(
                _thing(path, key),
                "there is no such parameter",
                did_you_mean(key, [*names, *BOTH_SIDES])
                or f"Known are {', '.join([*BOTH_SIDES, *names])}.",
            )
        if value is None:
            continue
        for name in BOTH_SIDES.get(key, (key,)):
            if key in BOTH_SIDES and values.get(name) is not None:
                continue  # a separate key sets this side
            spelt[name] = value
    return spelt
