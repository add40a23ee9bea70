"""Open a page in a real browser, ask it questions, and hear what it logs.

Tests that use it are skipped where no Chromium is installed, unless TERRATORCH_REQUIRE_BROWSER is
set: then they fail.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_LIGHT, _DARK = 1, 0  # as the engine numbers them
_SECONDS = 90

# A window cannot be as narrow as a telephone, a frame can.
_FRAME = Template("""<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe src="$source" style="width:${width}px;height:${height}px;border:0"></iframe>""")
_QUESTION = Template("""<script>
addEventListener("load", async () => {
  let answer;
  try { answer = { value: await (async () => { $script })() }; }
  catch (error) { answer = { error: String(error.stack) }; }
  console.log("ANSWER " + JSON.stringify(answer));
});
</script>""")
_LOGGED = re.compile(r'CONSOLE:\d+\] "(.*)", source: .* \(\d+\)$')


@dataclass(frozen=True)
class Opened:
    """What came of a page.

    Attributes:
        answer: What the script returned.
        console: What the page logged: errors, and requests that were refused.
    """

    answer: Any
    console: list[str]


def open_page(
    page: Path,
    script: str = "return null;",
    *,
    width: int = 1280,
    height: int = 800,
    dark: bool = False,
    fragment: str = "",
) -> Opened:
    """Open a page from disk.

    Args:
        page: An HTML file that is complete.
        script: The body of an asynchronous function, which runs in the page when it is loaded.
        width: Of the screen, in pixels.
        height: Of the screen.
        dark: Whether the system asks for dark colours.
        fragment: What follows `#` in the address.
    """
    chromium = next(filter(None, map(shutil.which, _NAMES)), None)
    if chromium is None:
        assert not os.environ.get("TERRATORCH_REQUIRE_BROWSER"), "no Chromium is installed"
        pytest.skip("no Chromium is installed")
    text = page.read_text(encoding="utf-8")
    assert text.count("</body>") == 1
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        question = _QUESTION.substitute(script=script)
        (folder / "page.html").write_text(text.replace("</body>", f"{question}</body>"))
        source = f"page.html#{fragment}" if fragment else "page.html"
        frame = folder / "frame.html"
        frame.write_text(_FRAME.substitute(source=source, width=width, height=height))
        scheme = _DARK if dark else _LIGHT
        command = [
            chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--enable-logging=stderr",
            f"--window-size={max(width, 500)},{height + 200}",
            f"--user-data-dir={folder / 'profile'}",
            f"--blink-settings=preferredColorScheme={scheme}", frame.as_uri(),
        ]  # fmt: skip
        return _listen(command)


def _listen(command: list[str]) -> Opened:
    """Run a browser until the page has answered, in real time: only then are frames drawn."""
    console = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8") as browser:
        assert browser.stderr is not None
        watchdog = threading.Timer(_SECONDS, browser.kill)
        watchdog.start()
        try:
            for line in browser.stderr:
                logged = _LOGGED.search(line.rstrip())
                if logged and logged[1].startswith("ANSWER "):
                    answer = json.loads(logged[1].removeprefix("ANSWER "))
                    assert "error" not in answer, answer["error"]
                    return Opened(answer.get("value"), console)
                if "CONSOLE:" in line:
                    console.append(line.strip())
        finally:
            watchdog.cancel()
            browser.kill()
    raise AssertionError(f"the page did not answer; it logged {console}")
