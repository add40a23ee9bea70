"""What a prediction did: its maps, what it skipped, and what failed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from terratorch.errors import DataError, NotANumberError, TerraTorchError


@dataclass
class PredictionReport:
    """What a prediction did.

    Attributes:
        written: The maps, or the table of labels.
        skipped: Images whose maps were already complete.
        outside: Images that have nothing within the area and the masks.
        failures: Images without a map, because they could not be read or the model returned NaN.
        stale: Layers of these images that an earlier run with other options wrote.
        products: Files made from the maps.
        product_failures: Files that could not be made from the maps, and why.
        tiles: Tiles of the predicted scenes.
        pixels: Pixels of the predicted scenes.
        seconds: How long it took.
    """

    written: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    outside: list[Path] = field(default_factory=list)
    failures: dict[Path, DataError] = field(default_factory=dict)
    stale: list[Path] = field(default_factory=list)
    products: list[Path] = field(default_factory=list)
    product_failures: dict[Path, TerraTorchError] = field(default_factory=dict)
    tiles: int = 0
    pixels: int = 0
    seconds: float = 0.0

    def add(self, other: PredictionReport) -> None:
        """Add the report of another process that ran at the same time."""
        for row in fields(self):
            ours, theirs = getattr(self, row.name), getattr(other, row.name)
            if isinstance(ours, list):
                ours.extend(theirs)
            elif isinstance(ours, dict):
                ours.update(theirs)
        self.tiles, self.pixels = self.tiles + other.tiles, self.pixels + other.pixels
        self.seconds = max(self.seconds, other.seconds)

    @property
    def all_failed(self) -> bool:
        """Whether the model returned NaN for every image: its weights are bad."""
        # Maps that were skipped come from the same weights.
        return bool(self.without_numbers) and not (self.written or self.skipped)

    @property
    def all_skipped(self) -> bool:
        """Whether every map was already complete."""
        return bool(self.skipped) and not (self.written or self.outside or self.failures)

    @property
    def unreadable(self) -> dict[Path, DataError]:
        """Images that could not be read, and why."""
        return {path: e for path, e in self.failures.items() if not isinstance(e, NotANumberError)}

    @property
    def without_numbers(self) -> dict[Path, DataError]:
        """Images for which the model returned NaN or infinity, and possible causes."""
        return {path: e for path, e in self.failures.items() if isinstance(e, NotANumberError)}

    def summary(self) -> str:
        """Return the amount of work and the time it took."""
        rate = self.pixels / 1e6 / max(self.seconds, 1e-9)
        tiles = f"{self.tiles} tile{'' if self.tiles == 1 else 's'}"
        return f"{tiles}, {self.seconds:.1f} s, {rate:.2f} Mpx/s"
