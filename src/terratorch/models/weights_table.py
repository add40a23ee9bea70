"""The published weight files: one row each. Nothing heavy is imported, for quick listings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WeightRow:
    """One published weight file.

    Attributes:
        repo: Its repository on the Hugging Face Hub.
        file: Its name in there.
        bands: The bands that it was trained on, in order.
        mean: Their means, in the units of the training data.
        std: Their standard deviations.
        licence: SPDX identifier of its licence.
        paper: Where it is described.
        revision: The commit of the repository; None for the newest.
        sha256: The checksum of the file, where it is known.
    """

    repo: str
    file: str
    bands: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str
    paper: str
    revision: str | None = None
    sha256: str | None = None


# Harmonized Landsat Sentinel-2, surface reflectance x 10,000.
PRITHVI_BANDS = ("BLUE", "GREEN", "RED", "NIR_NARROW", "SWIR_1", "SWIR_2")


def _prithvi_v2(size: str, revision: str | None = None) -> WeightRow:
    return WeightRow(
        repo=f"ibm-nasa-geospatial/Prithvi-EO-2.0-{size}",
        file=f"Prithvi_EO_V2_{size.replace('-', '_')}.pt",
        bands=PRITHVI_BANDS,
        mean=(1087.0, 1342.0, 1433.0, 2734.0, 1958.0, 1363.0),
        std=(2248.0, 2179.0, 2178.0, 1850.0, 1242.0, 1049.0),
        licence="Apache-2.0",
        paper="arXiv:2412.02732",
        revision=revision,
    )


_PRITHVI = {
    "prithvi_eo_v1_100": WeightRow(
        repo="ibm-nasa-geospatial/Prithvi-EO-1.0-100M",
        file="Prithvi_EO_V1_100M.pt",
        bands=PRITHVI_BANDS,
        mean=(775.0, 1081.0, 1229.0, 2497.0, 2204.0, 1611.0),
        std=(1282.0, 1270.0, 1399.0, 1368.0, 1292.0, 1155.0),
        licence="Apache-2.0",
        paper="arXiv:2310.18660",
    ),
    "prithvi_eo_v2_tiny_tl": _prithvi_v2("tiny-TL"),
    "prithvi_eo_v2_100_tl": _prithvi_v2("100M-TL"),
    "prithvi_eo_v2_300": _prithvi_v2("300M", "b2f2520ab889f42a25c5361ba18761fcb4ea44ad"),
    "prithvi_eo_v2_300_tl": _prithvi_v2("300M-TL"),
    "prithvi_eo_v2_600": _prithvi_v2("600M", "87f15784813828dc37aa3197a143cd4689e4d080"),
    "prithvi_eo_v2_600_tl": _prithvi_v2("600M-TL"),
}

# By the name in the registry; a masked autoencoder reads the same file as its encoder.
WEIGHTS: dict[str, WeightRow] = {
    **_PRITHVI,
    **{f"{name}_mae": row for name, row in _PRITHVI.items()},
}


def weights_of(name: str) -> WeightRow | None:
    """Return the row of a registered name, with or without the prefix `terratorch_`."""
    return WEIGHTS.get(name.removeprefix("terratorch_"))
