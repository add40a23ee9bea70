"""The house: arrows point down only, and there is no cycle."""

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

import terratorch

ROOT = Path(terratorch.__file__).parent

# Rooms from the top down; a module may import rooms of its own level's right-hand side, and itself.
ALLOWED = {
    "cli": {
        "pages",
        "tasks",
        "inference",
        "datamodules",
        "models",
        "datasets",
        "losses",
        "metrics",
        "ops",
        "geo",
    },
    "tasks": {"inference", "models", "losses", "metrics", "ops"},
    "pages": {"inference", "metrics", "ops", "geo"},
    "datamodules": {"datasets", "ops", "geo"},
    "inference": {"models", "ops", "geo"},
    "models": {"ops"},
    "datasets": {"ops", "geo"},
    "losses": {"ops"},
    "metrics": {"ops"},
    "ops": set(),
    "geo": set(),
    "registry": set(),
}
# The rooms within some of them; what all of these use lies beside them.
WITHIN = {
    ("inference", "streaming"): {"maps", "tiles"},
    ("inference", "maps"): {"products"},
    ("inference", "products"): set(),
    ("inference", "tiles"): set(),
    ("datasets", "scenes"): {"inputs"},
    ("datasets", "inputs"): set(),
    ("datasets", "transforms"): set(),
}
BASE = {"terratorch", "errors", "bands", "colors", "optional", "registry", "utils"}
# Public paths of the existing toolkit that re-export, and the doors of the package.
DOORS = {"terratorch", "__main__", "cli_tools"}


def _module_name(file: Path) -> str:
    parts = ("terratorch", *file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = sorted(ROOT.rglob("*.py"))
OWN = {_module_name(file) for file in FILES}


def _imported(nodes: Iterable[ast.AST]) -> set[str]:
    """The modules of our own among the import statements of some nodes."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in OWN else node.module for name in names}
    return found & OWN


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "terratorch"


@pytest.mark.parametrize(("floor", "room"), WITHIN)
def test_arrows_point_down_within(floor, room):
    allowed = {room, *WITHIN[floor, room]}
    files = sorted((ROOT / floor / room).glob("*.py"))
    assert len(files) > 1
    for file in files:
        parts = [name.split(".") for name in _imported(ast.walk(ast.parse(file.read_text())))]
        used = {part[2] for part in parts if part[1:2] == [floor] and len(part) > 3}
        assert used <= allowed, f"{file.relative_to(ROOT)} uses {sorted(used - allowed)}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_arrows_point_down(file):
    room = _room(_module_name(file))
    if room in DOORS:
        return
    allowed = BASE | {room} | ALLOWED.get(room, set())
    imported = _imported(ast.walk(ast.parse(file.read_text())))
    upward = {name for name in imported if _room(name) not in allowed}
    assert not upward, f"{file.relative_to(ROOT)} imports {sorted(upward)}, which stand above it"


def test_every_room_has_its_place():
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms <= set(ALLOWED)


def test_there_is_no_cycle():
    graph = {_module_name(file): _imported(ast.parse(file.read_text()).body) for file in FILES}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"cycle: {' -> '.join([*path[path.index(module) :], module])}"
        if module not in done:
            for other in sorted(graph[module]):
                visit(other, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())
