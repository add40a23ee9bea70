"""`terratorch list`: the names of the parts, without importing them."""

from __future__ import annotations

import fnmatch
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from terratorch.cli.terminal.option_parser import OptionParser
from terratorch.cli.terminal.user_code import load_user_code
from terratorch.errors import ConfigurationError, did_you_mean
from terratorch.registry import MultiSourceRegistry, Registry

# Kinds of parts, and the names of their registries in `terratorch.registry`.
KINDS = {
    "backbones": "BACKBONE_REGISTRY",
    "decoders": "DECODER_REGISTRY",
    "necks": "NECK_REGISTRY",
    "heads": "HEAD_REGISTRY",
    "factories": "MODEL_FACTORY_REGISTRY",
    "tasks": "TASK_REGISTRY",
    "datamodules": "DATAMODULE_REGISTRY",
    "models": "FULL_MODEL_REGISTRY",
}
OUR_SOURCE = "terratorch"
_PACKAGES = {"smp": "segmentation_models_pytorch"}  # if it differs from the prefix


def registry_of(kind: str) -> Registry | MultiSourceRegistry:
    """Return the registry that holds a kind of part, by its plural."""
    registry: Registry | MultiSourceRegistry
    registry = getattr(importlib.import_module("terratorch.registry"), KINDS[kind])
    return registry


@dataclass(frozen=True)
class Listing:
    """The names that match a pattern.

    Attributes:
        names: The names, sorted; names from other packages have their prefix.
        not_searched: Prefixes of other packages that were not searched.
    """

    names: list[str]
    not_searched: list[str]


def find_names(kind: str, pattern: str | None = None, everywhere: bool = False) -> Listing:
    """Find the names of a kind of part that match a pattern.

    Other packages, whose import takes seconds, are searched only with `everywhere`, for a pattern
    that begins with their prefix, or if none of our names match.

    Args:
        kind: The plural of the kind: a key of `KINDS`.
        pattern: A glob pattern, or a part of the name; None for all.
        everywhere: Search every source.
    """
    registry = registry_of(kind)
    if isinstance(registry, Registry):
        return Listing(_matching(registry, pattern), [])
    others = [prefix for prefix in registry.keys() if _installed_beside_ours(prefix)]  # noqa: SIM118 - iterating gives names
    ours = _matching(registry[OUR_SOURCE], (pattern or "").removeprefix(f"{OUR_SOURCE}_") or None)
    searched = [prefix for prefix in others if pattern and pattern.startswith(prefix)]
    if everywhere or not (searched or pattern is None or ours):
        searched = others
    names = [f"{prefix}_{name}" for prefix in searched for name in registry[prefix]]
    return Listing(ours + _matching(names, pattern), [p for p in others if p not in searched])


def _installed_beside_ours(prefix: str) -> bool:
    if prefix == OUR_SOURCE:
        return False
    return importlib.util.find_spec(_PACKAGES.get(prefix, prefix)) is not None


def _matching(names: Iterable[str], pattern: str | None) -> list[str]:
    if pattern is None:
        return sorted(names)
    lower = pattern.lower()
    glob = lower if any(sign in lower for sign in "*?[") else f"*{lower}*"
    return sorted(name for name in names if fnmatch.fnmatchcase(name.lower(), glob))


def list_main(arguments: Sequence[str]) -> int:
    """Run `terratorch list`."""
    parser = OptionParser(
        prog="terratorch list", description="List the names of the parts of models and runs."
    )
    parser.add_argument("kind", nargs="?", help=", ".join(KINDS))
    parser.add_argument("pattern", nargs="?", help="a glob pattern, or a part of the name")
    parser.add_argument("--all", action="store_true", help="search timm and other packages as well")
    parser.add_argument("--custom_modules_path", help="folder or file with your modules")
    options = parser.parse_args(arguments)
    load_user_code(options.custom_modules_path)
    if options.kind is None:
        _show_kinds()
        return 0
    kind = options.kind if options.kind in KINDS else f"{options.kind}s"
    if kind not in KINDS:
        raise ConfigurationError(
            f"terratorch list {options.kind}",
            f"must be one of {', '.join(KINDS)}",
            did_you_mean(options.kind, KINDS),
        )
    listing = find_names(kind, options.pattern, options.all)
    _show(kind, options.pattern, listing)
    return 0 if listing.names else 2


def _show_kinds() -> None:
    """Write the kinds of parts, and how many of each we have."""
    width = max(map(len, KINDS))
    for kind in KINDS:
        count = len(find_names(kind).names)
        sys.stdout.write(f"{kind:<{width}}  {count:>3}\n")
    sys.stderr.write("List one kind: terratorch list KIND [PATTERN]\n")


def _show(kind: str, pattern: str | None, listing: Listing) -> None:
    if sys.stdout.isatty():
        from rich.columns import Columns
        from rich.console import Console

        Console(highlight=False).print(Columns(listing.names, padding=(0, 3), column_first=True))
    else:
        sys.stdout.write("".join(f"{name}\n" for name in listing.names))
    of = f" of {pattern!r}" if pattern else ""
    if not listing.names:
        sys.stderr.write(f"No {kind}{of}. All of them: terratorch list {kind}\n")
    for prefix in listing.not_searched:
        more = f"terratorch list {kind} '{prefix}_{_glob(pattern)}'"
        sys.stderr.write(f"{prefix} has more: {more}\n")


def _glob(pattern: str | None) -> str:
    return f"*{pattern.strip('*')}*" if pattern else "*"
