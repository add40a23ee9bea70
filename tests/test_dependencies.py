"""Dependencies: what is declared is used, and what is used is declared, with the reason."""

import ast
import itertools
import re
import tomllib
from pathlib import Path

import pytest

import terratorch

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FILES = sorted(Path(terratorch.__file__).parent.rglob("*.py"))
TREES = [ast.parse(file.read_text()) for file in FILES]
EXTRAS = {
    name: packages
    for name, packages in PROJECT["optional-dependencies"].items()
    if name not in ("test", "dev")
}
# Where a package is imported under another name.
MODULES = {"pillow": "PIL", "segmentation-models-pytorch": "segmentation_models_pytorch"}


def _name(requirement):
    return re.match(r"[\w-]+", requirement)[0]


def _text(node):
    return node.value if isinstance(node, ast.Constant) else ""


def _optional_imports():
    """Return the extras and the packages that the code imports by `import_optional`."""
    return {
        (_text(call.args[1]), _text(call.args[0]).partition(".")[0])
        for tree in TREES
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "import_optional"
    }


def _imported_packages():
    names = set()
    for tree in TREES:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
                names.add(_text(node.args[0]).partition(".")[0])
    return names


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_code_uses_every_package_of_an_extra(extra):
    used = {package for name, package in _optional_imports() if name == extra}
    assert {_name(requirement) for requirement in EXTRAS[extra]} <= used


def test_the_extras_that_messages_name_exist():
    assert {extra for extra, _ in _optional_imports()} <= set(EXTRAS)


def test_the_code_uses_every_dependency():
    names = map(_name, PROJECT["dependencies"])
    assert {MODULES.get(name, name) for name in names} <= _imported_packages()


def test_every_lower_bound_has_a_reason():
    """Each requirement stands below a comment, and none is without a bound."""
    text = (ROOT / "pyproject.toml").read_text()
    block = text[text.index("\ndependencies = [") : text.index("\n]\n", text.index("dependencies"))]
    lines = [line.strip() for line in block.splitlines()[2:]]
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith('"'):
            assert before.startswith("#"), line
            assert ">=" in line, line


def test_the_tested_versions_satisfy_the_bounds():
    from packaging.requirements import Requirement

    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    )
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    for text in itertools.chain(PROJECT["dependencies"], *EXTRAS.values()):
        requirement = Requirement(text)
        version = pins.get(requirement.name.lower().replace("_", "-"))
        # torchgeo is not part of the tested environment.
        assert requirement.specifier.contains(version) if version else text in EXTRAS["torchgeo"]
