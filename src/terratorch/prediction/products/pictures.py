"""The picture beside each finished map."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from terratorch.prediction.products.products import FinishedMap, MapProduct
from terratorch.prediction.products.quicklook import quicklook


class Picture(MapProduct):
    """A PNG of the main layer, with a legend of classes or a scale of values, and a scale bar."""

    name: ClassVar[str] = "picture"
    suffix = ".png"

    def make(self, finished: FinishedMap, path: Path) -> None:
        """Draw it."""
        quicklook(finished.path, path, title=Path(finished.image).stem)
