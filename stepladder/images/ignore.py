"""`.dockerignore`, with Docker's own semantics.

Patterns are those of Go's filepath.Match plus `**`; a pattern that matches a folder matches all that is in it; `!`
takes a file back in; the last pattern that matches decides
(https://docs.docker.com/build/concepts/context/#dockerignore-files).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

ALWAYS = (
    "**/.git",
    "**/.hg",
    "**/.env",
    "**/.env.*",
    "**/.netrc",
    "**/.pypirc",
    "**/.aws",
    "**/.ssh",
    "**/*.pem",
    "**/*.key",
    "**/*.tfstate",
    "**/*.tfvars",
    "**/__pycache__",
    "**/*.pyc",
    "**/*.pyo",
    "**/.venv",
    "**/.mypy_cache",
    "**/.pytest_cache",
    "**/.ruff_cache",
    "**/.terraform",
    "**/.stepladder",
    "**/.DS_Store",
)
"""Secrets and junk that stay out without being asked, also below a folder that `!` takes in.

Only a `!` line that means them takes them back: `!app/ca.pem` or `!**/*.pem`, not `!app` or `!app/**`. Tests aren't
among them: a package may well need a folder of that name, and Docker would copy it.
"""


class Ignore:
    """Say which files of a context stay out of the image."""

    def __init__(self, lines: Iterable[str]) -> None:
        rules = [rule for rule in map(_rule, lines) if rule]
        self._rules = tuple((_pattern(text), out) for text, out in rules)
        self._meant = tuple(
            _pattern(text) for text, out in rules if not out and text.rpartition("/")[2] not in {"*", "**"}
        )
        self.has_exceptions = any(not out for _, out in rules)

    def excludes(self, path: str) -> bool:
        """Say whether a path (relative, with `/`) or a folder above it is left out."""
        parts = path.split("/")
        candidates = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        excluded = False
        for pattern, out in self._rules:
            if out != excluded and any(pattern.fullmatch(candidate) for candidate in candidates):
                excluded = out
        return excluded or any(_ALWAYS.fullmatch(c) and not self._means(c) for c in candidates)

    def _means(self, candidate: str) -> bool:
        return any(pattern.fullmatch(candidate) for pattern in self._meant)


def _rule(line: str) -> tuple[str, bool] | None:
    """Return a line's cleaned pattern and whether it leaves out; None for a comment or an empty line."""
    text = line.removeprefix("\ufeff").strip()
    if not text or text.startswith("#"):
        return None
    out = not text.startswith("!")
    text = _clean(text if out else text[1:].strip())
    return (text, out) if text else None


def _clean(text: str) -> str:
    """Do what Go's filepath.Clean does to a pattern, and take a leading slash as the context's root."""
    parts: list[str] = []
    for part in text.split("/"):
        if part in ("", "."):
            continue
        if part == ".." and parts:
            parts.pop()
        elif part != "..":
            parts.append(part)
    return "/".join(parts)


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    r"""Translate one pattern: `**` crosses folders, `*` and `?` don't, `[...]` is a class, `\\` escapes."""
    out, i = "", 0
    while i < len(text):
        char = text[i]
        if text.startswith("**", i):
            i += 2
            if text.startswith("/", i):
                i += 1
                out += "(?:.*/)?"
            else:
                out += ".*"
            continue
        if char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "[" and (end := text.find("]", i + 2)) > 0:
            body = text[i + 1 : end].replace("\\", "\\\\")
            out += f"[{body}]"
            i = end
        elif char == "\\" and i + 1 < len(text):
            i += 1
            out += re.escape(text[i])
        else:
            out += re.escape(char)
        i += 1
    return re.compile(out, re.DOTALL)


_ALWAYS = re.compile("|".join(_pattern(text).pattern for text in ALWAYS), re.DOTALL)
