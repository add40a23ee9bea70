"""The skeleton of all pages: one HTML document that holds everything it shows.

A page asks for nothing from outside, and its content security policy makes the browser see to that.
Colours are tokens in `assets/page.css`, each with its light and its dark value.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

import terratorch
from terratorch.errors import ConfigurationError, DataError
from terratorch.geo.held_file import replacing

PAGE_SUFFIXES = (".html", ".htm")


def render_page(
    title: str,
    body: str,
    *,
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
    subtitle: str = "",
    footer: str = "",
) -> str:
    """Return a complete HTML document.

    Args:
        title: Its title, and its first heading; plain text.
        body: HTML of the page, whose variable parts went through `escape`.
        styles: Names of further style sheets in `assets/`, after `page.css`.
        scripts: Names of further scripts in `assets/`, which run when the document is parsed.
        subtitle: HTML below the heading.
        footer: HTML of the footer, before the version.
    """
    return Template(asset("page.html")).substitute(
        title=escape(title),
        subtitle=subtitle,
        body=body,
        footer=footer,
        version=escape(terratorch.__version__),
        styles="\n".join(asset(name) for name in ("page.css", *styles)),
        scripts="\n".join(asset(name) for name in ("page.js", *scripts)),
    )


def write_page(path: str | Path, text: str) -> Path:
    """Write a page and return where it is; the folder is made, and no half file is left.

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


def page_path(option: str, given: str) -> Path:
    """Return where a user wants a page, so that none takes the place of a map or a checkpoint.

    Args:
        option: What chose it, for the message.
        given: The file.

    Raises:
        ConfigurationError: If its name is not that of a page.
    """
    path = Path(given)
    if path.suffix.lower() not in PAGE_SUFFIXES:
        raise ConfigurationError(
            option, f"{path} is no page", f"Its name ends with {PAGE_SUFFIXES[0]}."
        )
    return path


def asset(name: str) -> str:
    """Return a file of `assets/`: a style sheet, a script or a template."""
    text = files("terratorch.evaluation.pages").joinpath("assets", name).read_text(encoding="utf-8")
    ends_early = name.endswith(".js") and "</script" in text
    assert not ends_early, f"{name} would end the script that it stands in"
    return text


def escape(text: object) -> str:
    """Return text as it stands in HTML, and between the quotes of an attribute."""
    return html.escape(str(text), quote=True)


def json_script(identifier: str, data: object) -> str:
    """Return data for scripts: an element whose text is JSON, found by its identifier."""
    # Of all that JSON may hold, only this could end the element.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{escape(identifier)}">{text}</script>'
