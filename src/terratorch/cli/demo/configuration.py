"""The YAML of the sample: written from a template, and kept once the user has changed it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

from terratorch.cli.demo.labels import CLASS_NAMES, IGNORE
from terratorch.cli.demo.scene import BANDS

_MARK = re.compile(r"\A# Written by `terratorch demo`, digest ([0-9a-f]{16})\.\n")
REFLECTANCE = 1e-4
"""From the pixel values of Sentinel-2 to reflectance."""


def render(
    root: Path,
    seed: int,
    statistics: tuple[Sequence[float], Sequence[float]],
    class_weights: Sequence[float],
) -> str:
    """Return the text of the YAML; its first line holds the digest of the rest.

    Args:
        root: The folder of the sample; paths in the YAML are absolute, so that it works anywhere.
        seed: For the initial weights and the order of the chips.
        statistics: Means and standard deviations of the bands, as pixel values.
        class_weights: The weight of each class in the loss.
    """
    template = files(__package__).joinpath("land_cover.yaml.template").read_text(encoding="utf-8")
    means, stds = (_list(f"{value * REFLECTANCE:.5f}" for value in row) for row in statistics)
    body = Template(template).substitute(
        root=root.as_posix().replace("'", "''"),  # in single quotes
        seed=seed,
        ignore=IGNORE,
        num_classes=len(CLASS_NAMES),
        scale=f"{REFLECTANCE:.4f}",
        bands=_list(BANDS.values()),
        class_weights=_list(class_weights),
        class_names=_list(CLASS_NAMES),
        means=means,
        stds=stds,
    )
    return f"# Written by `terratorch demo`, digest {_digest(body)}.\n{body}"


def write(path: Path, text: str, overwrite: bool) -> bool:
    """Write the YAML unless the user has changed it; return whether it was written."""
    if path.is_file() and not overwrite:
        written = path.read_text(encoding="utf-8")
        mark = _MARK.match(written)
        if mark is None or mark.group(1) != _digest(written[mark.end() :]):
            return False
    path.write_text(text, encoding="utf-8")
    return True


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _list(items: Iterable[object]) -> str:
    return f"[{', '.join(map(str, items))}]"
