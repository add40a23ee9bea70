"""`terratorch describe`: the arguments, the output and the weights of a name."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from terratorch.cli.commands.catalog import KINDS, OUR_SOURCE, registry_of
from terratorch.cli.terminal.option_parser import OptionParser
from terratorch.cli.terminal.user_code import load_user_code
from terratorch.errors import UnknownNameError, did_you_mean
from terratorch.registry import Definition, MultiSourceRegistry, Registry


@dataclass(frozen=True)
class Argument:
    """The shown text for an argument of a constructor."""

    name: str
    type: str
    default: str
    description: str


@dataclass(frozen=True)
class Description:
    """The shown text for a name: a heading, and sections of rows."""

    name: str
    kind: str
    text: str
    facts: list[tuple[str, str]]
    arguments: list[Argument]


def main(arguments: Sequence[str]) -> int:
    """Run `terratorch describe`."""
    parser = OptionParser(
        prog="terratorch describe",
        description="Describe a name: its module, arguments, output and weights.",
    )
    parser.add_argument("name", help="of a backbone, decoder, neck, head, factory, task, ...")
    parser.add_argument("--custom_modules_path", help="folder or file with your modules")
    options = parser.parse_args(arguments)
    load_user_code(options.custom_modules_path)
    for description in describe(options.name):
        _show(description)
    return 0


def describe(name: str) -> list[Description]:
    """Describe the parts that are registered under a name, one of each kind.

    Args:
        name: The name, with or without the prefix of its source.

    Raises:
        UnknownNameError: If no registry knows it.
    """
    kinds = [kind for kind in KINDS if _is_ours(name, registry_of(kind))]
    kinds = kinds or [kind for kind in KINDS if name in registry_of(kind)]
    if not kinds:
        ours = {known for kind in KINDS for known in _our_source(registry_of(kind))}
        raise UnknownNameError(
            f"'{name}'",
            f"is in no registry ({', '.join(KINDS)})",
            did_you_mean(name, ours) or "List the names with: terratorch list KIND",
        )
    return [_described(name, kind) for kind in kinds]


def _our_source(registry: Registry | MultiSourceRegistry) -> Any:
    """Return the source that can be searched without an import."""
    return registry if isinstance(registry, Registry) else registry[OUR_SOURCE]


def _is_ours(name: str, registry: Registry | MultiSourceRegistry) -> bool:
    return name.removeprefix(f"{OUR_SOURCE}_") in _our_source(registry)


def _described(name: str, kind: str) -> Description:
    registry = registry_of(kind)
    definition = registry.definition(name)
    constructor = _constructor(name, registry)
    summary, documented = _docstring(definition)
    arguments = [] if constructor is None else list(_arguments(constructor, documented))
    facts = [("defined in", str(definition))]
    if kind == "backbones":
        facts += [*_output(name, constructor), *_weights(name)]
    return Description(name, registry.kind, summary, facts, arguments)


def _constructor(name: str, registry: Registry | MultiSourceRegistry) -> Any:
    """Return the constructor of one of our names; None for a name of another package."""
    if not _is_ours(name, registry):
        return None
    return _our_source(registry)[name.removeprefix(f"{OUR_SOURCE}_")]


def _docstring(definition: Definition) -> tuple[str, dict[str, str]]:
    """Return the text of a docstring without its sections, and the text for each argument."""
    import docstring_parser

    parsed = docstring_parser.parse(
        definition.docstring or "", docstring_parser.DocstringStyle.GOOGLE
    )
    text = "\n\n".join(filter(None, [parsed.short_description, parsed.long_description]))
    documented = {item.arg_name: item.description or "" for item in parsed.params}
    return text, {name: " ".join(text.split()) for name, text in documented.items()}


_STARS: dict[Any, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}


def _arguments(constructor: Any, documented: dict[str, str]) -> Iterator[Argument]:
    for parameter in inspect.signature(constructor).parameters.values():
        annotation = parameter.annotation
        empty = annotation is inspect.Parameter.empty
        shown = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        star = _STARS.get(parameter.kind, "")
        required = parameter.default is inspect.Parameter.empty
        default = "" if star else "required" if required else repr(parameter.default)
        description = documented.get(parameter.name, "")
        name = f"{star}{parameter.name}"
        yield Argument(name, "" if empty else shown, default, description)


def _output(name: str, constructor: Any) -> list[tuple[str, str]]:
    """Return facts about the features of a backbone, which is built without memory for weights."""
    if constructor is not None and _needs_arguments(constructor):
        return []
    import torch

    from terratorch.contracts.features import FeatureKind, channels_of, features_of
    from terratorch.registry import BACKBONE_REGISTRY

    with torch.device("meta"):
        backbone = BACKBONE_REGISTRY.build(name)
    features = features_of(backbone)
    kinds = {feature.kind for feature in features}
    declared = FeatureKind.UNKNOWN not in kinds
    layout = (
        ", ".join(sorted(kinds)).replace("_", " ") if declared else "layout not declared (features)"
    )
    facts = [("features", f"{len(features)}, {layout}")]
    facts.append(("channels", _sequence(channels_of(features))))
    strides = [feature.stride for feature in features if feature.stride is not None]
    if strides:
        facts.append(("strides", _sequence(strides)))
    parameters = sum(parameter.numel() for parameter in backbone.parameters())
    facts.append(("parameters", _count(parameters)))
    return facts


def _count(number: int) -> str:
    return f"{number / 1e6:.1f} million" if number >= 1e6 else f"{number:,}"


def _sequence(values: Sequence[int]) -> str:
    if len(values) > 1 and len(set(values)) == 1:
        return f"{values[0]} each"
    return ", ".join(map(str, values))


def _needs_arguments(constructor: Any) -> bool:
    return any(
        parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        for parameter in inspect.signature(constructor).parameters.values()
    )


def _weights(name: str) -> list[tuple[str, str]]:
    from terratorch.models.family import card_of

    card = card_of(name)
    if card is None or card.weights is None:
        return []
    row = card.weights
    return [
        ("weights", f"{row.repo}: {row.file}"),
        ("bands", ", ".join(row.bands)),
        ("means", ", ".join(f"{value:g}" for value in row.mean)),
        ("stds", ", ".join(f"{value:g}" for value in row.std)),
        ("licence", row.licence),
        ("paper", row.paper),
    ]


def _show(description: Description) -> None:
    if sys.stdout.isatty():
        _show_tables(description)
        return
    lines = [f"{description.name} ({description.kind})", ""]
    lines += [description.text, ""] if description.text else []
    lines += [f"{label}: {value}" for label, value in description.facts]
    lines += ["", "arguments:"] if description.arguments else []
    for argument in description.arguments:
        kind = f": {argument.type}" if argument.type else ""
        default = f" = {argument.default}" if argument.default else ""
        lines.append(f"  {argument.name}{kind}{default}")
        lines += [f"      {argument.description}"] if argument.description else []
    sys.stdout.write("\n".join(lines) + "\n")


def _show_tables(description: Description) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"[bold]{escape(description.name)}[/bold] ({description.kind})\n")
    console.print(escape(description.text), "\n")
    facts = Table.grid(padding=(0, 2))
    for label, value in description.facts:
        facts.add_row(f"[dim]{label}[/dim]", escape(value))
    console.print(facts)
    if description.arguments:
        table = Table("argument", "type", "default", "description", box=None, padding=(0, 2, 0, 0))
        for argument in description.arguments:
            row = (argument.name, argument.type, argument.default, argument.description)
            table.add_row(*map(escape, row))
        console.print("", table)
