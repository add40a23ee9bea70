"""The frame of all pages: one HTML document that holds everything it shows.

A page makes no requests, and its content security policy makes the browser enforce that. Colours
are tokens in `assets/page.css`, each with a light and a dark value.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import terratorch
from terratorch.errors import ConfigurationError, DataError
from terratorch.evaluation.pages import formats
from terratorch.geo.partial_file import replacing

PAGE_SUFFIXES = (".html", ".htm")


def render_page(template: str, **context: object) -> str:
    """Return a complete HTML document.

    Args:
        template: A file of `templates/` that extends `page.html`.
        context: Its variables, among them `title`; text is escaped.
    """
    return _environment().get_template(template).render(context)


def write_page(path: str | Path, text: str) -> Path:
    """Write a page and return its path; the folder is created, and no partial file remains.

    Raises:
        DataError: If it cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(
            str(path), f"cannot be written ({error.strerror})", "Choose another folder."
        ) from error
    return path


def page_path(option: str, value: str) -> Path:
    """Return the path of a page, so that a page never replaces a map or a checkpoint.

    Args:
        option: The option that names the file, for the message.
        value: The file.

    Raises:
        ConfigurationError: If the name does not end as that of a page.
    """
    path = Path(value)
    if path.suffix.lower() not in PAGE_SUFFIXES:
        raise ConfigurationError(
            option, f"{path} is not an HTML file", f"End its name with {PAGE_SUFFIXES[0]}."
        )
    return path


def asset(name: str) -> Markup:
    """Return a file of `assets/`, a style sheet or a script, for use in a template."""
    path = files("terratorch.evaluation.pages").joinpath("assets", *name.split("/"))
    text = path.read_text(encoding="utf-8")
    assert "</script" not in text, f"{name} would end the script element that holds it"
    return Markup(text)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("terratorch.evaluation.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.globals.update(asset=asset, version=terratorch.__version__)
    environment.filters.update(formats.FILTERS)
    return environment
