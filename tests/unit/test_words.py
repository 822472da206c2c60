"""What people read has the field's words: every message, comment and docstring of the code, and the docs."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest
from words import INSTEAD, PRIVATE

ROOT = Path(__file__).resolve().parents[2]
MODULES = [path for package in ("stepladder", "localcloud") for path in sorted((ROOT / package).rglob("*.py"))]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES += [page for page in sorted((ROOT / "docs").rglob("*.md")) if page.parent.name != "decisions"]
PAGES += sorted((ROOT / "template").rglob("README.md"))
PAGES.remove(ROOT / "docs" / "reference" / "errors.md")  # made of the messages
COMMENTED = [*MODULES, *sorted((ROOT / "function").rglob("*.py")), *sorted((ROOT / "docs").glob("*.py"))]
BY_HAND = ("deploy", "images", "names", "promotion", "smoke-cases", "terraform")
PROSE = [page for page in PAGES if page.name != "state-machine.md" and "reference" not in page.parts]
PROSE += [ROOT / "docs" / "reference" / f"{name}.md" for name in BY_HAND]
"""Pages that people wrote: the others are made of the code."""

LONGEST = 28
"""Words of a sentence that is still read in one go."""

OF_PLACES = re.compile(
    r"\b(verdicts?|home's|at home|(?:an)?other places?|(?:several|each|own|that) places?|anew|gives? up waiting)\b",
    re.IGNORECASE,
)
"""What a page said of locations, the primary and its decision."""
CONSOLE = {"ask", "done", "error", "heading", "hint", "line", "note", "progress", "say", "skip", "step", "warn"}
"""Methods whose texts are printed."""


def _spoken(tree):
    """Yield line and text of all that is printed: the arguments of errors and of the console, and every hint."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        values = [keyword.value for keyword in node.keywords if keyword.arg in {"hint", "problems"}]
        if name.endswith("Error") or name in CONSOLE:
            values += node.args
        for value in values:
            for part in ast.walk(value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.lineno, part.value


def test_no_message_has_a_private_word():
    spoken = ((path, *said) for path in MODULES for said in _spoken(ast.parse(path.read_text("utf-8"))))
    assert [f"{path}:{line}: {text}" for path, line, text in spoken if PRIVATE.search(text)] == [], INSTEAD


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_has_a_private_word(page):
    text = re.sub(r"```.*?```|`[^`\n]*`|\]\([^)]*\)", "", page.read_text("utf-8"), flags=re.DOTALL)
    found = [line.strip() for line in text.splitlines() if PRIVATE.search(line)]
    assert found == [], f"instead: {INSTEAD}"


def _comments(source):
    """Yield line and text of every comment and docstring; what stands in backticks is code."""
    for node in ast.walk(ast.parse(source)):
        for each in node.body if isinstance(getattr(node, "body", None), list) else []:
            value = each.value if isinstance(each, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield from enumerate(re.sub(r"`[^`]*`", "", value.value).splitlines(), value.lineno)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], re.sub(r"`[^`]*`", "", token.string)


def test_no_comment_has_a_private_word():
    sources = ((path, path.read_text("utf-8")) for path in COMMENTED)
    suspects = ((path, source) for path, source in sources if PRIVATE.search(re.sub(r"`[^`\n]*`", "", source)))
    comments = ((path, *comment) for path, source in suspects for comment in _comments(source))
    assert [f"{path}:{line}: {text.strip()}" for path, line, text in comments if PRIVATE.search(text)] == [], INSTEAD


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_says_location_primary_and_decision(page):
    lines = _read(page).splitlines()
    assert [line for line in lines if OF_PLACES.search(line)] == []


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_sentence_of_a_page_is_short(page):
    """Tables are left out: a row is no sentence."""
    paragraphs = re.split(r"\n\s*\n|\n(?=\s*[*|#]|\s*\d+\.)", _read(page))
    prose = [" ".join(text.split()) for text in paragraphs if not text.strip().startswith(("|", "#", "<", "{"))]
    sentences = [sentence for text in prose for sentence in re.split(r"(?<=[.:;?!])\s", text)]
    assert [sentence for sentence in sentences if len(sentence.split()) > LONGEST] == []


def _read(page):
    """Return a page's text without blocks of code; a link is its text, and code in a line counts as one word."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "X", text))
