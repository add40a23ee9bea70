#!/usr/bin/env python
"""Count the stilted turns of the prose in code and docs, per 1,000 words.

Prose is docstrings, comments, and text of several words in Python files; lines outside code blocks
in Markdown. Usage: `python scripts/prose.py [PATH ...]`; without a path `src`, `docs`, `README.md`
and `CONTRIBUTING.md`. Prints each hit, then the number of hits and words, and the rate.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

DEFAULT_PATHS = ("src", "docs", "README.md", "CONTRIBUTING.md")

# What a native engineer would write otherwise, and what they would write.
TURNS: dict[str, str] = {
    r"(?<!there )\b(?:is|are|was|were|be) no (?!longer\b|more\b|less\b|later\b|need\b|op\b)\w+": (
        "is not a ..., must be ..."
    ),
    r"\b(?:is|are) (?-i:none)\b": "is not one of ..., there is no ...",
    r"\btell(?:s|ing)?\b|\btold\b": "show, report, log, distinguish",
    r"\bsay(?:s|ing)?\b|\bsaid\b": "report, state, specify, declare",
    r"\bleav(?:e|es|ing)\b|\bleft (?:out|over|alone|beside|as|to|there)\b"
    r"|\b(?:is|are|was|were|be|been) left\b": "skip, omit, remove, remain",
    r"\b(?:lies|lie|lying|lay)\b": "is at, is in",
    r"\b(?:stands?|stood)(?! ?-?alone\b| for\b)\b": "is, replaces",
    r"\bbears?\b|\bbore\b": "has, carries",
    r"\blets? go\b|\bgo(?:es|ing)? on\b|\bwent on\b": "free, release, continue, resume",
    r"\b(?:come|comes|came|coming) (?:to|out|of)\b": "amount to, result in, complete",
    r"\btak(?:e|es|ing) note\b|\bmak(?:e|es) (?:no )?use of\b": "use",
    r"\banew\b|\bbeside\b|\bbesides\b|\blearnt\b|\bgoes wrong\b": "again, next to, with, fails",
    r"\bwhat is there\b|\bwhat there is\b|\bof which there\b|\bof none\b": "an existing ...",
    r"\bwhere (?:it|they|that|this|there|none|nothing|no|not|one) "
    r"(?:is|are|was|can|does|do|has|have|would|were)\b": "if, when",
    r"\b(?:None|empty|nothing|True|False|0|1|an error|unknown) where\b": "if, when",
    r"\b(?:of|by) (?:ours|theirs)\b|\bof (?:its|their|one's) own\b": "our, its",
    r"\bwill do\b|\bare alike\b|\bspeaks? of\b|\bhears?\b|\bnobody\b|\bno one\b|\bwhoever\b": (
        "is enough, are equal, mention"
    ),
    r"\b(?:is|are) (?:wanted|asked for)\b|\bgoes together\b|\bgo together\b": "is requested, match",
    r"\bas (?:it|they) (?:is|are|stands?|comes?)\b(?! (?:not|used|given|called|read|written)\b)": (
        "unchanged"
    ),
    r"\bin (?:its|their|the) turn\b|\bby itself\b|\bof itself\b|\bso many\b|\bof all of\b": (
        "alone, that many"
    ),
    r"\bmends?\b|\bmended\b|\bcures?\b|\bwanting\b|\balready there\b": "fix, missing",
}
PATTERN = re.compile("|".join(f"(?:{turn})" for turn in TURNS), re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_CODE = re.compile(r"`[^`]*`|https?://\S+|\{[^}]*\}")
_FEWEST_WORDS = 3


def prose_of_python(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of each comment, and of each string of several words."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            pieces = [part.value for part in node.values if isinstance(part, ast.Constant)]
            yield node.lineno, " x ".join(map(str, pieces))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def prose_of_markdown(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line outside code blocks."""
    in_code = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code:
            yield number, line


def hits_in(path: Path) -> tuple[list[tuple[int, str]], int]:
    """Return the stilted turns of a file with their lines, and how many words it has."""
    text = path.read_text(encoding="utf-8")
    parts = prose_of_python(text) if path.suffix == ".py" else prose_of_markdown(text)
    hits, words = set(), 0
    inside = set()  # constants of an f-string are walked again by themselves
    for line, part in parts:
        plain = _CODE.sub(" code ", part)
        count = len(_WORD.findall(plain))
        if count < _FEWEST_WORDS or (line, plain) in inside:
            continue
        inside.add((line, plain))
        words += count
        hits |= {
            (line + plain[: match.start()].count("\n"), " ".join(match.group().split()))
            for match in PATTERN.finditer(" ".join(plain.split(" ")))
        }
    return sorted(hits), words


def files_in(paths: list[str]) -> Iterator[Path]:
    """Yield the Python and Markdown files of some files and folders."""
    for path in map(Path, paths):
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        yield from (file for file in files if file.suffix in (".py", ".md"))


def main(arguments: list[str]) -> int:
    """Print the hits and the rate."""
    hits_in_all, words_in_all = 0, 0
    for path in files_in(arguments or list(DEFAULT_PATHS)):
        hits, words = hits_in(path)
        for line, turn in hits:
            sys.stdout.write(f"{path}:{line}: {turn}\n")
        hits_in_all, words_in_all = hits_in_all + len(hits), words_in_all + words
    rate = 1000 * hits_in_all / max(words_in_all, 1)
    sys.stdout.write(f"{hits_in_all} in {words_in_all} words: {rate:.2f} per 1,000\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
