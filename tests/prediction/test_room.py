"""The room of prediction stands on its own: no command line, no Lightning."""

import ast
from pathlib import Path

import pytest

import terratorch.prediction

ROOT = Path(terratorch.prediction.__file__).parent


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda file: file.name)
def test_no_module_imports_lightning_or_the_command_line(file):
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert not name.startswith(("lightning", "terratorch.cli", "torchmetrics")), name


@pytest.mark.parametrize("name", terratorch.prediction.__all__)
def test_its_names_are_imported_when_they_are_used(name):
    assert getattr(terratorch.prediction, name).__name__ == name


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'Predicter'"):
        _ = terratorch.prediction.Predicter
