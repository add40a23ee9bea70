"""Configuration files: what is wrong with them, before anything is imported."""

import pytest

from terratorch.cli.parsing.configuration import read_configuration, require_sections
from terratorch.errors import ArgumentNameError, ConfigurationError, MissingFileError


@pytest.fixture
def written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "a.yaml") -> str:
        (tmp_path / name).write_text(text)
        return name

    return write


def _message(error: type[Exception], *paths: str) -> str:
    with pytest.raises(error) as caught:
        read_configuration(paths)
    return str(caught.value)


def test_later_files_win_and_another_class_starts_anew(written):
    first = written("model: {class_path: A, init_args: {x: 1, y: 2}}\ntrainer: {max_epochs: 1}")
    second = written("model: {init_args: {y: 3}}", "b.yaml")
    third = written("model: {class_path: B, init_args: {z: 4}}", "c.yaml")
    both = read_configuration([first, second]).content
    assert both["model"] == {"class_path": "A", "init_args": {"x": 1, "y": 3}}
    all_three = read_configuration([first, second, third]).content
    assert all_three["model"] == {"class_path": "B", "init_args": {"z": 4}}
    assert all_three["trainer"] == {"max_epochs": 1}


def test_a_missing_file_is_named_with_the_closest(written):
    written("", "config.yaml")
    message = _message(MissingFileError, "confg.yaml")
    assert message == "configuration 'confg.yaml': does not exist. Did you mean 'config.yaml'?"


def test_broken_yaml_is_shown_with_its_place(written):
    message = _message(ConfigurationError, written("trainer:\n  max_epochs: 1\n   logger: false\n"))
    assert "configuration 'a.yaml', line 3, column" in message
    assert "\n     logger: false\n" in message


def test_tabs_and_open_brackets_are_shown_with_their_place(written):
    assert "line 2, column 1" in _message(ConfigurationError, written("trainer:\n\tx: 1\n"))
    assert "line 2" in _message(ConfigurationError, written("trainer: {x: 1\n"))


@pytest.mark.parametrize(
    ("text", "seen"), [("", "is empty"), ("- a\n", "is a list"), ("text", "is a str")]
)
def test_what_has_no_sections_is_refused(text, seen, written):
    assert seen in _message(ConfigurationError, written(text))


def test_a_misspelt_section_gets_the_closest(written):
    message = _message(ArgumentNameError, written("modle: {}\n"))
    assert (
        message == "'modle' in a.yaml: is not a section of a configuration. Did you mean 'model'?"
    )


@pytest.mark.parametrize("section", ["model", "data"])
def test_a_missing_section_comes_with_an_example(section, written):
    other = {"model": "data", "data": "model"}[section]
    configuration = read_configuration([written(f"{other}: {{class_path: X}}\n")])
    with pytest.raises(ConfigurationError, match=f"section '{section}' of a.yaml: is missing") as e:
        require_sections(configuration, [], ("model", "data"), "fit")
    assert f"{section}:\n  class_path: " in str(e.value)
    require_sections(configuration, [f"--{section}=X"], ("model", "data"), "fit")
    require_sections(configuration, [f"--{section}.class_path", "X"], ("model", "data"), "fit")
