"""One scene in several files: its bands, its dates or its modalities, as one virtual raster.

Bands are found by their names, in the names of the files or the descriptions of their bands. Files
of a modality are in a folder with its name, or have it in their name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from terratorch.contracts.band_names import band_in, split_band
from terratorch.contracts.input_spec import SINGLE, ImageSpec, InputSpec
from terratorch.datasets.files import find_files, shortened
from terratorch.datasets.scenes.scene_files import ModalityFiles, bears
from terratorch.errors import ConfigurationError, DataError
from terratorch.geo.joined_raster import FileBand, JoinedBand, file_bands, write_joined


def join_scene(scene: Path | ModalityFiles, spec: InputSpec, target: Path) -> Path:
    """Write a virtual raster of the bands of a scene, in the order that a model's input needs.

    With `expand_temporal_dimension` a scene has either a file for each date, or a file for each
    band and date; dates follow the names of files.

    Args:
        scene: A folder of files, or the file of each modality.
        spec: What the model is given.
        target: The folder that the virtual raster is written to.

    Returns:
        The virtual raster, called like the scene.

    Raises:
        ConfigurationError: If the bands have no names, or the model has other modalities.
        DataError: If bands are missing, or files do not cover the same area.
    """
    inputs = spec.images
    name = scene.name if isinstance(scene, ModalityFiles) else scene.resolve().name
    thing = Path(name) if isinstance(scene, ModalityFiles) else scene
    files = (
        _files_by_modality(scene, spec)
        if isinstance(scene, ModalityFiles)
        else _files_in_folder(scene, inputs)
    )
    bands: list[JoinedBand] = []
    missing: list[DataError] = []
    for modality, image in inputs.items():
        needs = _ImageBands.of(image, thing, modality, files[modality])
        try:
            layers = _layers(needs)
        except DataError as error:
            if needs.files.assigned or not spec.may_lack_modalities:
                raise
            missing.append(error)
            continue
        tag = None if modality == SINGLE else modality
        bands += [JoinedBand(layer, tag) for layer in layers]
    if not bands:
        raise missing[0]
    path = target / f"{name}.vrt"
    write_joined(path, thing, bands)
    return path


# Parts of file names that do not belong to a date: the pixel size, and separators of words.
_RESOLUTION = re.compile(r"(?<![A-Z0-9])R?\d{1,4}m(?![A-Z0-9])", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\s_./-]+")


@dataclass(frozen=True)
class _Files:
    """Files of an input.

    Attributes:
        paths: The files.
        assigned: Whether they are known to be its own, so that their bands need no names.
        in_folder: Whether they are in the folder of the scene, so that its sub-folders are dates.
    """

    paths: Sequence[Path]
    assigned: bool = False
    in_folder: bool = True


@dataclass(frozen=True)
class _ImageBands:
    """What an input needs of files.

    Attributes:
        thing: The scene, for messages.
        label: What the input is called in these.
        files: Where to look.
        names: The bands of a file; None if they are not known.
        needed: Those that the model takes.
        dates: Whether there are several.
    """

    thing: Path
    label: str
    files: _Files
    names: tuple[str | int, ...] | None
    needed: frozenset[str]
    dates: bool

    @classmethod
    def of(cls, spec: ImageSpec, thing: Path, modality: str, files: _Files) -> _ImageBands:
        selection = spec.selection
        taken = selection.names or selection.file_bands or ()
        needed = frozenset(str(name) for name in taken)
        label = "" if modality == SINGLE else f" of {modality}"
        dates = spec.has_time
        return cls(thing, label, files, selection.file_bands, needed, dates)

    def named(self) -> list[str]:
        """Return the names of the bands.

        Raises:
            ConfigurationError: If they have none.
        """
        if self.names is None or not all(isinstance(band, str) for band in self.names):
            raise ConfigurationError(
                "dataset_bands",
                f"the files of the scene {self.thing}{self.label} are distinguished by the names "
                "of their bands, which are not known",
                "List them in data.init_args.dataset_bands, in the order of the training, and "
                "predict with that configuration: -c CONFIG --ckpt_path FILE. A checkpoint of a "
                "training with them keeps them.",
            )
        return [str(band) for band in self.names]


def _files_by_modality(scene: ModalityFiles, spec: InputSpec) -> dict[str, _Files]:
    """Return the files of each input, as they were given."""
    known = [name for name in spec.images if name != SINGLE]
    if not known:
        raise ConfigurationError(
            "predict_data",
            f"files of the modalities {', '.join(scene.files)}, but the model takes one image",
            "Give files without NAME=.",
        )
    may_lack = spec.may_lack_modalities
    wrong = [name for name in known if name not in scene.files and not may_lack]
    wrong += [name for name in scene.files if name not in known]
    if wrong:
        raise ConfigurationError(
            "predict_data",
            f"files of the modalities {', '.join(scene.files)}, but the model takes "
            f"{', '.join(known)}",
            "Give files of each of these: --predict_data "
            + " ".join(f"{name}=PATH" for name in known),
        )
    return {
        name: _Files([scene.files[name]], assigned=True, in_folder=False)
        if name in scene.files
        else _Files([], in_folder=False)
        for name in known
    }


def _files_in_folder(folder: Path, inputs: Mapping[str, ImageSpec]) -> dict[str, _Files]:
    """Return the files of each input in a folder: those with its name, else the remaining ones."""
    names = [name for name in inputs if name != SINGLE]
    entries = find_files(folder, "**/*", "predict_data")
    if not names:
        return {SINGLE: _Files([file.path for file in entries])}
    owners = {file.path: _owner(file.relative, names) for file in entries}
    left = [path for path, owner in owners.items() if owner is None]
    assigned = {name: [path for path, owner in owners.items() if owner == name] for name in names}
    return {
        name: _Files(paths, assigned=True) if paths else _Files(left)
        for name, paths in assigned.items()
    }


def _owner(relative: str, names: Sequence[str]) -> str | None:
    """Return the modality whose name a path contains as a word, the longest of several.

    The name of the file is checked first, then its folders, from the nearest one.
    """
    folders, name = relative.split("/")[:-1], Path(relative).stem
    for part in (name, *reversed(folders)):
        bearing = [name for name in names if bears(name).search(part)]
        if bearing:
            return max(bearing, key=len)
    return None


def _layers(bands: _ImageBands) -> list[FileBand | None]:
    """Return the layers of an input; None for bands that the model does not need."""
    if bands.dates:
        return _dates(bands)
    whole = _whole(bands) if bands.files.assigned else None
    return _bands(bands) if whole is None else whole


def _whole(bands: _ImageBands) -> list[FileBand | None] | None:
    """Return the layers of the one file that has all bands, in their order; None without one."""
    if len(bands.files.paths) != 1:
        return None
    layers = list(file_bands(bands.files.paths[0]))
    whole = bands.names is None or len(layers) == len(bands.names)
    return list(layers) if whole else None


def _bands(bands: _ImageBands) -> list[FileBand | None]:
    """Return the layers of one date."""
    names = bands.named()
    by_band = _by_band(bands)
    return [_finest(bands, name, by_band[name]) if name in by_band else None for name in names]


def _dates(bands: _ImageBands) -> list[FileBand | None]:
    """Return the layers of all dates, one after the other."""
    names, files = bands.named(), bands.files.paths
    if not any(band_in(path.stem, bands.needed) in bands.needed for path in files):
        dates = sorted(files, key=lambda path: _in_order(str(path)))
        return [layer for path in dates for layer in _date(bands, path, names)]
    by_band = {band: _by_date(bands, band, layers) for band, layers in _by_band(bands).items()}
    dates_of_all = sorted({date for layers in by_band.values() for date in layers}, key=_in_order)
    missing = [
        f"{band} has none of {shortened([date for date in dates_of_all if date not in layers], 2)}"
        for band, layers in by_band.items()
        if len(layers) < len(dates_of_all)
    ]
    if missing:
        raise DataError(
            str(bands.thing),
            f"its bands{bands.label} do not have the same dates: {'; '.join(missing)}",
            "Put a file for each band and date there; those of one date are called alike, but for "
            "the name of the band.",
        )
    return [
        by_band[name][date] if name in by_band else None for date in dates_of_all for name in names
    ]


def _date(bands: _ImageBands, path: Path, names: Sequence[str]) -> list[FileBand]:
    """Return the layers of a file that has all bands of a date: as described, else in its order."""
    layers = list(file_bands(path, extra_names=bands.needed))
    alone = len(bands.files.paths) == 1  # then it may hold all dates
    if len(layers) != len(names) and not (alone and len(layers) % len(names) == 0):
        raise DataError(
            str(path),
            f"{len(layers)} bands, but dataset_bands{bands.label} lists {len(names)} for each date",
            "Give a file with all bands for each date, or one for each band and date.",
        )
    described = {layer.band: layer for layer in layers}
    in_any_order = len(described) == len(layers) and all(name in described for name in names)
    return [described[name] for name in names] if in_any_order else layers


def _by_date(bands: _ImageBands, band: str, layers: Sequence[FileBand]) -> dict[str, FileBand]:
    """Return the layers of a band by what their files are called, but for band and resolution."""
    dates: dict[str, list[FileBand]] = {}
    for layer in layers:
        path = layer.path
        inside = path.parts[:-1][len(bands.thing.parts) :] if bands.files.in_folder else ()
        words = "/".join((*inside, split_band(path.stem, bands.needed)[0]))
        date = _SEPARATORS.sub("_", _RESOLUTION.sub("", words)).strip("_")
        dates.setdefault(date, []).append(layer)
    return {date: _finest(bands, band, alike) for date, alike in dates.items()}


def _in_order(text: str) -> list[str | int]:
    """Return a key that sorts numbers by value, and other text alphabetically."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def _by_band(bands: _ImageBands) -> dict[str, list[FileBand]]:
    """Return the layers of each band that is needed."""
    needed, files = bands.needed, bands.files.paths
    by_band: dict[str, list[FileBand]] = {}
    for path in files:
        band = band_in(path.stem, needed)
        if band in needed:
            by_band.setdefault(band, []).extend(file_bands(path, band))
    missing = needed - by_band.keys()
    unnamed = [path for path in files if band_in(path.stem, needed) is None] if missing else []
    for layer in (layer for path in unnamed for layer in _described(path, needed)):
        if layer.band is not None and layer.band in missing:
            by_band.setdefault(layer.band, []).append(layer)
    _check_complete(bands, sorted(needed - by_band.keys()))
    return by_band


def _check_complete(bands: _ImageBands, missing: Sequence[str]) -> None:
    files = [path.name for path in bands.files.paths]
    if not files:
        raise DataError(
            str(bands.thing),
            f"no file{bands.label}",
            "The name of the file, or of a folder that it is in, must contain the name of the "
            "modality.",
        )
    if missing:
        raise DataError(
            str(bands.thing),
            f"no file for the band{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
            f"{bands.label}",
            f"There are: {shortened(files)}. A file's name has to hold the name of its band, such "
            "as scene_RED.tif or T33UUP_B04.jp2"
            + (", or that of the modality." if bands.label else "."),
        )


def _finest(bands: _ImageBands, band: str, layers: Sequence[FileBand]) -> FileBand:
    """Return the layer of a band, the finest of several."""
    finest = min(layers, key=lambda layer: layer.pixel)
    alike = [layer for layer in layers if layer.pixel == finest.pixel]
    if len(alike) > 1:
        raise DataError(
            str(bands.thing),
            f"{len(alike)} files for the band {band}{bands.label}: "
            f"{shortened([layer.path.name for layer in alike])}",
            "Give each scene its own folder; dates are for models of several time steps "
            "(expand_temporal_dimension).",
        )
    return finest


def _described(path: Path, needed: frozenset[str]) -> Iterator[FileBand]:
    """Yield the layers of a file, which may not be an image."""
    try:
        yield from list(file_bands(path, extra_names=needed))
    except DataError:  # another kind of file in the folder
        return
