"""Third parties' code: entry points, custom modules, and nothing unasked."""

import importlib.metadata
import os
import subprocess
import sys

import pytest

from terratorch.errors import MissingFileError
from terratorch.registry import load_custom_modules, load_plugins, plugins

MODULE = """
from terratorch.registry import TERRATORCH_DECODER_REGISTRY

@TERRATORCH_DECODER_REGISTRY.register
class {name}:
    def __init__(self, channels):
        self.channels = channels
"""


@pytest.fixture(autouse=True)
def _restore(monkeypatch):
    from terratorch.registry import TERRATORCH_DECODER_REGISTRY

    monkeypatch.setattr(plugins, "_loaded", set())
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(
        TERRATORCH_DECODER_REGISTRY,
        "_constructors",
        dict(TERRATORCH_DECODER_REGISTRY._constructors),
    )


def _built(name):
    from terratorch.registry import DECODER_REGISTRY

    return DECODER_REGISTRY.build(name, [3]).channels


def test_every_module_of_a_folder_is_imported(tmp_path):
    (tmp_path / "loose_module_a.py").write_text(MODULE.format(name="FromModule"))
    (tmp_path / "a_package_b").mkdir()
    (tmp_path / "a_package_b" / "__init__.py").write_text(MODULE.format(name="FromPackage"))
    load_custom_modules(tmp_path)
    assert _built("FromModule") == [3]
    assert _built("FromPackage") == [3]


def test_a_package_is_imported_as_such(tmp_path):
    package = tmp_path / "my_package_c"
    package.mkdir()
    (package / "__init__.py").write_text("from .parts import *")
    (package / "parts.py").write_text(MODULE.format(name="FromPart"))
    load_custom_modules(package)
    assert _built("FromPart") == [3]


def test_one_file_is_imported(tmp_path):
    file = tmp_path / "single_d.py"
    file.write_text(MODULE.format(name="FromFile"))
    load_custom_modules(file)
    load_custom_modules(file)
    assert _built("FromFile") == [3]


@pytest.mark.parametrize(("made", "seen"), [(False, "does not exist"), (True, "no Python module")])
def test_a_folder_without_modules_is_named(tmp_path, made, seen):
    folder = tmp_path / "modules"
    if made:
        folder.mkdir()
    with pytest.raises(MissingFileError, match=f"custom_modules_path '.*modules': .*{seen}"):
        load_custom_modules(folder)


def test_the_environment_variable_names_a_folder(tmp_path, monkeypatch):
    (tmp_path / "by_variable_e.py").write_text(MODULE.format(name="FromVariable"))
    monkeypatch.setenv(plugins.CUSTOM_MODULES_VARIABLE, str(tmp_path))
    load_plugins()
    assert _built("FromVariable") == [3]


def test_entry_points_are_loaded_once(tmp_path, monkeypatch):
    (tmp_path / "entry_f.py").write_text(MODULE.format(name="FromEntryPoint"))
    monkeypatch.syspath_prepend(tmp_path)
    entry = importlib.metadata.EntryPoint("ours", "entry_f", plugins.ENTRY_POINT_GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry])
    load_plugins()
    load_plugins()
    assert _built("FromEntryPoint") == [3]


def test_an_error_in_a_custom_module_surfaces_unchanged(tmp_path):
    (tmp_path / "broken_g.py").write_text("raise ArithmeticError('in the module of the user')")
    with pytest.raises(ArithmeticError, match="in the module of the user"):
        load_custom_modules(tmp_path)


def test_nothing_of_the_current_directory_is_imported(tmp_path):
    (tmp_path / "custom_modules").mkdir()
    for file in ("custom_modules/__init__.py", "terratorch_plugin.py"):
        (tmp_path / file).write_text("raise SystemExit('executed unasked')")
    code = "import terratorch.registry as r; print(len(r.TERRATORCH_DECODER_REGISTRY) >= 0)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=os.environ
    )
    assert done.stdout == "True\n", done.stderr


def test_an_error_in_an_entry_point_surfaces_unchanged(tmp_path, monkeypatch):
    (tmp_path / "entry_h.py").write_text("raise ArithmeticError('in the plug-in')")
    monkeypatch.syspath_prepend(tmp_path)
    entry = importlib.metadata.EntryPoint("theirs", "entry_h", plugins.ENTRY_POINT_GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry])
    with pytest.raises(ArithmeticError, match="in the plug-in"):
        load_plugins()
