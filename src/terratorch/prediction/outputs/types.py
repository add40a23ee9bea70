"""The table of output types: nothing else in the package branches on what a task predicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from terratorch.contracts.outputs import OutputValue, Raster, Table


@dataclass(frozen=True)
class OutputType:
    """How outputs of one type are handled.

    Attributes:
        stored_as: What the files are, as messages say it: "are written as ...".
        formats: Suffixes of the files by the names that `--format` takes; the first is the default.
        options: The options of storage and of products that have a use for it.
    """

    stored_as: str
    formats: Mapping[str, str]
    options: Collection[str]

    def unused(self, options: Collection[str]) -> list[str]:
        """Return which options of storage and of products have no use for this type."""
        return [name for name in options if name not in self.options]


OUTPUT_TYPES: dict[type[OutputValue], OutputType] = {
    Raster: OutputType(
        stored_as="maps",
        formats={"gtiff": ".tif", "cog": ".tif"},
        options={"out_dtype", "scores_dtype", "format", "vectorize", "stac", "mosaic"},
    ),
    Table: OutputType(
        stored_as="one table, and not as maps",
        formats={"csv": ".csv"},
        options=(),
    ),
}
