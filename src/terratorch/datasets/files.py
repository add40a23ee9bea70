"""Find files by a pattern, and keep those that a split file names.

A folder is listed once, however many files it has.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from terratorch.errors import ConfigurationError, DataError, MissingFileError

# Side files of images, which `*` does not match.
_SIDE_FILES = (
    *(".aux.xml", ".ovr", ".msk", ".tfw", ".prj", ".db"),
    *(".txt", ".csv", ".json", ".yaml", ".yml", ".md", ".xml", ".html", ".pdf", ".log", ".py"),
    *(".geojson", ".gpkg", ".shp", ".shx", ".dbf", ".cpg", ".parquet", ".zip", ".gz", ".tar"),
)

_EXTENSION = re.compile(r"\.(tiff?|png|jpe?g|jp2|npy|img|vrt|txt)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that a pattern matched.

    Args:
        path: The file.
        relative: Its path below the folder that was searched, with forward slashes.
        key: What the wildcards of the pattern stand for in it: the name of the chip.
    """

    path: Path
    relative: str
    key: str


def find_files(folder: Path, pattern: str | None, thing: str) -> list[FoundFile]:
    """Find the files in a folder whose names match a pattern, sorted by path.

    Args:
        folder: Where to look. Folders below it only if the pattern has slashes.
        pattern: A glob pattern, such as `*_merged.tif`; None is `*`.
        thing: The option that gives the folder, for error messages.

    Raises:
        MissingFileError: If there is no such folder.
        DataError: If it is empty, or nothing in it matches.
    """
    pattern = pattern or "*"
    check_folder(folder, thing)
    matcher = _matcher(pattern)
    listed = list(_walk(folder, depth=_depth(pattern)))
    files = []
    for relative in listed:
        match = matcher.fullmatch(relative)
        if match and not (pattern.endswith("*") and _is_side_file(relative)):
            files.append(FoundFile(folder / relative, relative, _key(match.groups(), pattern)))
    if not files:
        raise _nothing_found(folder, pattern, thing, listed)
    return sorted(files, key=lambda file: file.relative)


def check_folder(folder: Path, thing: str) -> None:
    """Check that a folder is there.

    Raises:
        MissingFileError: If it is not, or is a file.
    """
    if folder.is_dir():
        return
    if folder.exists():
        raise MissingFileError(f"{thing} {folder}", "this is a file", "Give the folder it is in.")
    nearest = next((parent for parent in folder.parents if parent.is_dir()), Path("/"))
    raise MissingFileError(
        f"{thing} {folder}",
        "there is no such folder",
        f"The path ends at {nearest.absolute()}. Check the spelling, and where the path starts.",
    )


def _walk(folder: Path, depth: int | None) -> Iterator[str]:
    """List the files below a folder, by relative path; `depth` None is all the way down."""
    waiting = [("", 0)]
    while waiting:
        prefix, level = waiting.pop()
        with os.scandir(folder / prefix if prefix else folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if _leads_back(entry):
                    continue
                if not entry.is_dir():
                    yield prefix + entry.name
                elif depth is None or level < depth:
                    waiting.append((f"{prefix}{entry.name}/", level + 1))


def _leads_back(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a link to a folder above it, which would be an endless loop."""
    if not entry.is_symlink():
        return False
    return Path(entry.path).parent.resolve().is_relative_to(os.path.realpath(entry.path))


def _depth(pattern: str) -> int | None:
    return None if "**" in pattern else pattern.count("/")


def _matcher(pattern: str) -> re.Pattern[str]:
    """Translate a glob pattern to a regular expression with a group for each wildcard."""
    parts = {"**/": r"((?:[^/]+/)*)", "**": r"(.*)", "*": r"([^/]*)", "?": r"([^/])"}
    tokens = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern.removeprefix("./"))
    regex = ""
    for token in tokens:
        if token.startswith("[") and token.endswith("]") and len(token) > 2:
            regex += f"([{token[1:-1].replace('!', '^', 1) if token[1] == '!' else token[1:-1]}])"
        else:
            regex += parts.get(token, re.escape(token))
    try:
        return re.compile(regex)
    except re.error as error:
        raise ConfigurationError(
            f"pattern '{pattern}'",
            f"cannot be read: {error}",
            "Give a glob, such as '*_[0-9].tif'.",
        ) from error


def wildcard_text(pattern: str, path: str) -> str | None:
    """Return the text that the wildcards of a pattern match in a path; None if ambiguous."""
    match = _matcher(pattern).fullmatch(path)
    return None if match is None else _key(match.groups(), pattern) or None


def _key(groups: Sequence[str], pattern: str) -> str:
    # The extension belongs to the name of the chip only where the pattern does not give it.
    *rest, last = groups if groups else ("",)
    if pattern.endswith("*"):
        last = _EXTENSION.sub("", last)
    return "|".join(group for group in (*rest, last) if group)


def _is_side_file(name: str) -> bool:
    return name.lower().endswith(_SIDE_FILES)


def _nothing_found(folder: Path, pattern: str, thing: str, listed: list[str]) -> DataError:
    if not listed:
        deeper = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
        seen = f"only folders: {shortened(deeper)}" if deeper else "the folder is empty"
        cure = "Give one of these, or a pattern with slashes such as '*/*.tif'." if deeper else ""
        return DataError(f"{thing} {folder}", seen, cure or "Put the images there.")
    return DataError(
        f"{thing} {folder}",
        f"none of its {len(listed)} files matches the pattern '{pattern}'",
        f"There are: {shortened(sorted(listed))}. Adapt the pattern, such as '*.tif'.",
    )


def shortened(names: Sequence[str], count: int = 5) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - count
    return ", ".join(names[:count]) + (f" and {more} more" if more > 0 else "")


def read_split(path: Path, thing: str) -> list[str]:
    """Read the entries of a split file: one per line, without empty lines.

    Raises:
        MissingFileError: If there is no such file.
        DataError: If it has no entries or is not text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MissingFileError(
            f"{thing} {path}", "there is no such file", "Check the path."
        ) from error
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise DataError(
            f"{thing} {path}", "this is not a text file", "A split file has one name per line."
        ) from error
    entries = [line.strip() for line in text.splitlines() if line.strip()]
    if not entries:
        raise DataError(f"{thing} {path}", "the file is empty", "It needs one name per line.")
    return list(dict.fromkeys(entries))


@dataclass(frozen=True)
class SplitFile:
    """The entries of a split file, and how they are compared with the names of files.

    An entry means the file with exactly this name (or chip name, or relative path). Without such a
    file, and if substrings are allowed, it means the files whose names contain it as whole words
    (`Bolivia_23` is in `Bolivia_23_S2Hand.tif`, not in `Bolivia_234_S2Hand.tif`); without these,
    the files whose names contain it anywhere.

    Args:
        path: The split file, for error messages.
        entries: Its lines.
        ignore_extensions: Whether to ignore the extensions of entries and files.
        allow_substring: Whether part of a name is enough.
        thing: The option that gives the file, for error messages.
    """

    path: Path
    entries: Sequence[str]
    ignore_extensions: bool = True
    allow_substring: bool = True
    thing: str = "split"

    @classmethod
    def read(
        cls, path: Path, ignore_extensions: bool, allow_substring: bool, thing: str = "split"
    ) -> SplitFile:
        """Read a split file."""
        path = Path(path)
        return cls(path, read_split(path, thing), ignore_extensions, allow_substring, thing)

    def select(self, files: Sequence[FoundFile]) -> list[FoundFile]:
        """Keep the files that an entry means.

        Raises:
            DataError: If an entry means no file.
        """
        keys = self.keys(files)
        return [file for file in files if file.key in keys]

    def keys(self, files: Sequence[FoundFile], labels: Sequence[FoundFile] = ()) -> set[str]:
        """Return the chips that entries mean, by the names of images or else of labels.

        Raises:
            DataError: If an entry means no file.
        """
        by_image, by_label = self._matches(files), self._matches(labels)
        unused = [
            entry
            for entry, of_image, of_label in zip(self.entries, by_image, by_label, strict=True)
            if not of_image and not of_label
        ]
        if unused:
            raise self._unused(unused, files)
        keys = {files[place].key for places in by_image for place in places}
        return keys | {
            labels[place].key
            for of_image, of_label in zip(by_image, by_label, strict=True)
            for place in of_label
            if not of_image
        }

    def _matches(self, files: Sequence[FoundFile]) -> list[set[int]]:
        exact = self._names(files)
        matches = [set(exact.get(self._bare(entry), ())) for entry in self.entries]
        if self.allow_substring and not all(matches):
            index = _SubstringIndex(files)
            matches = [
                match or index.find(self._bare(entry))
                for entry, match in zip(self.entries, matches, strict=True)
            ]
        return matches

    def _names(self, files: Sequence[FoundFile]) -> dict[str, list[int]]:
        names: dict[str, list[int]] = {}
        for place, file in enumerate(files):
            names_of_file = {file.relative, file.path.name}
            if self.ignore_extensions:
                names_of_file = {self._bare(name) for name in names_of_file} | {file.key}
            for name in names_of_file:
                names.setdefault(name, []).append(place)
        return names

    def _bare(self, name: str) -> str:
        name = name.removeprefix("./")
        return _EXTENSION.sub("", name) if self.ignore_extensions else name

    def _unused(self, unused: list[str], images: Sequence[FoundFile]) -> DataError:
        examples = shortened([file.relative for file in images], 2)
        cure = f"Files are called: {examples}."
        if not self.allow_substring:
            cure += " allow_substring_split_file would allow parts of these names."
        return DataError(
            f"{self.thing} {self.path}",
            f"{len(unused)} of {len(self.entries)} entries match no file: {shortened(unused)}",
            cure,
        )


class _SubstringIndex:
    """Finds the files whose names hold a text; one search over all names joined."""

    def __init__(self, files: Sequence[FoundFile]) -> None:
        self._text = "".join(f"{file.relative}\n" for file in files)
        lengths = (len(file.relative) + 1 for file in files)
        self._starts = [0, *accumulate(lengths)]

    def find(self, part: str) -> set[int]:
        words, anywhere = set(), set()
        position = self._text.find(part)
        while position >= 0:
            file = bisect_right(self._starts, position) - 1
            anywhere.add(file)
            if self._is_whole(part, position):
                words.add(file)
            position = self._text.find(part, position + 1)
        return words or anywhere

    def _is_whole(self, part: str, position: int) -> bool:
        before = self._text[position - 1] if position else "\n"
        after = self._text[position + len(part)]
        return not (
            (before.isalnum() and part[0].isalnum()) or (after.isalnum() and part[-1].isalnum())
        )
