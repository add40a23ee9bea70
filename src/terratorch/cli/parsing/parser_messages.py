"""Turn the messages of jsonargparse into ours, with the path in the user's configuration."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from argparse import Action, ArgumentError
from collections.abc import Iterable

from jsonargparse import ArgumentParser, Namespace

from terratorch.errors import ArgumentNameError, ConfigurationError, closest, did_you_mean

_KEY = re.compile(r'Parser key "(?P<key>[\w.]+)":')
_CLASS = re.compile(r"Problem with given class_path '(?P<path>[^']+)'")
_UNKNOWN_KEY = re.compile(
    r"[Oo]ption '(?P<key>[^']+)' is not accepted|accept option '(?P<other>[^']+)'"
)
_REQUIRED = re.compile(r"the following arguments are required: (?P<keys>[\w., ]+)")
_TYPE = re.compile(r"Expected an? (?:<class ')?(?P<type>[^'>\n.]+)")
_GOT = re.compile(
    r"Expected an? (?:<class ')?(?P<type>[^'>\n]+?)(?:'>)?\. Got value: (?P<value>.*)"
)
_LITERAL = re.compile(r"Expected a typing\.Literal(?P<choices>\[[^\n]*\])")
_GIVEN = re.compile(r"Given value: (?P<value>[^\n]*)")
_NO_CLASS = re.compile(r"Expected a dot import path string: (?P<name>[^\n]+)")
_UNKNOWN_OPTIONS = re.compile(r"[Uu]nrecognized arguments: (?P<names>[^\n]+)")
_NOISE = re.compile(
    r"^ *(Does not validate against|Subtypes:|Given value type:|- Expected a <class 'None).*\n",
    re.M,
)
_UNION = "Does not validate against any of the Union subtypes"
_LONGEST_VALUE = 120
# Options that are removed from the arguments before they are parsed.
_TAKEN_BEFORE = ("--debug", "--help_all")


def parse(parser: ArgumentParser, arguments: list[str], list_options: str) -> Namespace:
    """Parse arguments, and raise the parser's errors as ours.

    Args:
        parser: A parser that does not exit on errors.
        arguments: The arguments.
        list_options: The command that lists the options, for the message.

    Raises:
        ConfigurationError: If the arguments, or a configuration that they name, cannot be used.
    """
    try:
        return parser.parse_args(arguments)
    except ArgumentError as error:
        unknown = _UNKNOWN_OPTIONS.search(str(error))
        if unknown is None:
            raise explained(str(error)) from error
        name = unknown["names"].split()[0].partition("=")[0]
        known = {*_TAKEN_BEFORE, *_options(parser._actions)}
        advice = _closest_option(name, known) or f"List the options with: {list_options}"
        raise ArgumentNameError(f"option '{name}'", "is not known", advice) from error


def _closest_option(name: str, known: Iterable[str]) -> str:
    """Return a question for the closest option; in the closest section if that is misspelt."""
    section, dot, key = name.partition(".")
    sections = {option.partition(".")[0] for option in known}
    if dot and section not in sections:
        return "".join(f"Did you mean '{near}.{key}'?" for near in closest(section, sections, 1))
    return did_you_mean(name, known)


def _options(actions: Iterable[Action]) -> set[str]:
    """Return the long options of a parser, and of those of its sub-commands."""
    names: set[str] = set()
    for action in actions:
        names |= {name for name in action.option_strings if name.startswith("--")}
        if isinstance(action.choices, dict):
            for command in action.choices.values():
                names |= _options(command._actions)
    return names


def constructor_error(error: BaseException) -> BaseException:
    """Return the error of a constructor, which the parser wraps once for each union of types."""
    while error.__cause__ is not None and str(error).startswith(_UNION):
        error = error.__cause__
    return error


def explained(text: str) -> ConfigurationError:
    """Turn a message of jsonargparse into one with the YAML path, the problem, and advice."""
    for explain in (_unknown_key, _required, _no_class, _wrong_type):
        error = explain(text)
        if error is not None:
            return error
    return ConfigurationError(_NOISE.sub("", text).strip())


def _path(text: str) -> tuple[str, str | None, int]:
    """Return the YAML path in the nested messages, the innermost class, and the end of the path."""
    parts: list[str] = []
    class_path, end = None, 0
    for match in re.finditer(f"{_KEY.pattern}|{_CLASS.pattern}", text):
        if match["key"]:
            parts.append(match["key"])
        else:
            class_path = match["path"]
            if parts[-1:] != ["init_args"]:  # jsonargparse may name a class twice
                parts.append("init_args")
        end = match.end()
    return ".".join(parts), class_path, end


def _unknown_key(text: str) -> ConfigurationError | None:
    match = _UNKNOWN_KEY.search(text)
    if match is None:
        return None
    path, class_path, _ = _path(text)
    name = match["key"] or match["other"]
    accepted = _parameters(class_path) if class_path else []
    advice = did_you_mean(name, accepted)
    if not advice and accepted:
        advice = f"It takes: {', '.join(accepted)}."
    problem = f"{class_path.rpartition('.')[2]} does not take it" if class_path else "is not known"
    return ConfigurationError(f"{path}.{name}" if path else name, problem, advice)


def _parameters(class_path: str) -> list[str]:
    module, _, name = class_path.rpartition(".")
    constructor = getattr(importlib.import_module(module), name)
    return list(inspect.signature(constructor).parameters)


def _required(text: str) -> ConfigurationError | None:
    match = _REQUIRED.search(text)
    if match is None:
        return None
    path, class_path, _ = _path(text)
    keys = [key.strip() for key in match["keys"].split(",")]
    if not path:  # "fit.model": the sub-command, and the missing section
        keys = [key.partition(".")[2] or key for key in keys]
        return ConfigurationError(", ".join(keys), "missing", "Add it to the configuration.")
    names = ", ".join(f"{path}.{key}" for key in keys)
    taker = class_path.rpartition(".")[2] if class_path else "it"
    return ConfigurationError(names, f"missing, and {taker} needs it", "Add it.")


def _no_class(text: str) -> ConfigurationError | None:
    match = _NO_CLASS.search(text)
    if match is None:
        return None
    path, _, _ = _path(text)
    return ConfigurationError(
        f"{path}.class_path" if path else "class_path",
        f"there is no class '{match['name']}'",
        "Give the full import path, such as package.module.Class.",
    )


def _wrong_type(text: str) -> ConfigurationError | None:
    path, _, start = _path(text)
    if not path:
        return None
    got = _GOT.search(text, start)
    rejected = _GIVEN.search(text, start)
    if got:
        types, value = [got["type"]], got["value"]
    elif rejected:
        types = [match["type"] for match in _TYPE.finditer(text, start, rejected.start())]
        value = rejected["value"]
    else:
        return None
    if not types:
        return None
    value = value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]} ..."
    choices = [
        str(choice)
        for literal in _LITERAL.finditer(text, start)
        for choice in ast.literal_eval(literal["choices"])
    ]
    if choices:
        names = list(dict.fromkeys(choices))
        problem = f"'{value}' is not one of {', '.join(names)}"
        return ConfigurationError(path, problem, did_you_mean(value, names))
    names = ["None" if kind == "NoneType" else kind for kind in dict.fromkeys(types)]
    return ConfigurationError(path, f"expected {' or '.join(names)}, got {value}")
