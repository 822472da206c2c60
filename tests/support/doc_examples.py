"""The examples of the documentation: every fenced block, what checks it, or why nothing runs it.

A comment above a block says what is done with it:

    <!-- example: run -->                   the commands are typed in the session of tests/e2e/test_readme.py
    <!-- example: tests/local/test_x.py --> that test uses what the block holds
    <!-- example: under promotion -->       settings under that key
    <!-- example: output, needs AWS -->     reasons of `REASONS`: nothing runs it

Without one, settings are loaded, JSON is read (a smoke case by its own reader), and Python is compiled.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
REASONS = {
    "needs AWS": "an AWS account",
    "needs a forge": "a repository on GitHub or GitLab, and its command line",
    "needs the AWS CLI": "the AWS CLI, which the project does not install",
    "needs an engine": "a container engine",
    "needs the situation": "a lock, a promotion or a failure that is there; test_hints.py parses the line",
    "runs until Ctrl-C": "a command that does not end",
    "takes minutes": "what the suite does by other means",
    "output": "what is printed; ids, times and figures differ",
    "part of a file": "lines of a file that is tested elsewhere",
    "a drawing": "no commands",
}
"""Why nothing runs a block: the whole set, in words for a reader of the page's source."""
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]
PAGES += sorted(
    page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "decisions"
)  # these tell the past
PAGES += sorted((ROOT / "examples").glob("**/README.md"))
_BLOCK = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,})(?P<kind>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)(?P=fence) *$",
    re.DOTALL | re.MULTILINE,
)
_NOTE = re.compile(r"<!-- example: ([^>]+?) -->\s*\Z")


class Example(NamedTuple):
    """A block of a page: its language, its text without indentation, and what its comment says."""

    page: str
    line: int
    kind: str
    text: str
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return where it is, for a test's name."""
        return f"{self.page}:{self.line}"

    @property
    def tests(self) -> list[str]:
        """Return the tests that use what it holds."""
        return [note for note in self.notes if note.startswith("tests/")]

    @property
    def reasons(self) -> list[str]:
        """Return why nothing runs it."""
        return [note for note in self.notes if note in REASONS]

    @property
    def under(self) -> str:
        """Return the key that its settings stand under."""
        return next((note.removeprefix("under ") for note in self.notes if note.startswith("under ")), "")


def of_text(page: str, text: str) -> Iterator[Example]:
    """Yield the blocks of a page's text; diagrams are pictures, which tests/unit/test_docs_site.py compares."""
    for block in _BLOCK.finditer(text):
        if block["kind"] == "mermaid":
            continue
        note = _NOTE.search(text[: block.start()])
        notes = tuple(part.strip() for part in note[1].split(",")) if note else ()
        line = text.count("\n", 0, block.start()) + 1
        yield Example(page, line, block["kind"], textwrap.dedent(block["text"]), notes)


def every_example() -> list[Example]:
    """Return the blocks of all pages."""
    return [
        example for page in PAGES for example in of_text(page.relative_to(ROOT).as_posix(), page.read_text("utf-8"))
    ]
