"""The YAML of the sample: written from a template, and kept when the user has changed it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from importlib.resources import files
from pathlib import Path
from string import Template

from terratorch.cli.demo.labels import CLASS_NAMES, IGNORE
from terratorch.cli.demo.scene import BANDS

_TEMPLATE = "land_cover.yaml.template"
_MARK = re.compile(r"\A# Written by `terratorch demo`, digest ([0-9a-f]{16})\.\n")
REFLECTANCE = 1e-4
"""From the pixel values of Sentinel-2 to reflectance."""


@dataclass(frozen=True)
class Recipe:
    """What the YAML needs to know of the prepared data.

    Attributes:
        root: The folder of the sample; paths in the YAML are absolute, so that it works anywhere.
        seed: For the initial weights and the order of the chips.
        means: Mean of each band over the training blocks, as pixel values.
        stds: Standard deviation of each band, likewise.
        class_weights: A weight for each class in the loss.
    """

    root: Path
    seed: int
    means: Sequence[float]
    stds: Sequence[float]
    class_weights: Sequence[float]


class Written(Enum):
    """What became of the YAML."""

    NEW = "written"
    KEPT = "kept, since you have changed it; --overwrite replaces it"


def render(recipe: Recipe) -> str:
    """Return the text of the YAML; its first line holds the digest of the rest."""
    template = files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8")
    body = Template(template).substitute(
        # Paths stand in single quotes.
        root=recipe.root.as_posix().replace("'", "''"),
        seed=recipe.seed,
        ignore=IGNORE,
        num_classes=len(CLASS_NAMES),
        scale=f"{REFLECTANCE:.4f}",
        bands=_yaml_list(BANDS.values()),
        class_weights=_yaml_list(recipe.class_weights),
        class_names=_yaml_list(CLASS_NAMES),
        means=_yaml_list(f"{mean * REFLECTANCE:.5f}" for mean in recipe.means),
        stds=_yaml_list(f"{std * REFLECTANCE:.5f}" for std in recipe.stds),
    )
    return f"# Written by `terratorch demo`, digest {_digest(body)}.\n{body}"


def write(path: Path, recipe: Recipe, overwrite: bool) -> Written:
    """Write the YAML, unless there is one that the user has changed and `overwrite` is not set."""
    if not overwrite and path.is_file() and _is_changed(path.read_text(encoding="utf-8")):
        return Written.KEPT
    path.write_text(render(recipe), encoding="utf-8")
    return Written.NEW


def _is_changed(text: str) -> bool:
    mark = _MARK.match(text)
    return mark is None or mark.group(1) != _digest(text[mark.end() :])


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _yaml_list(items: Iterable[object]) -> str:
    return f"[{', '.join(map(str, items))}]"
