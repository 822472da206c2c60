"""`.dockerignore`, with Docker's own semantics, and the secrets and junk that stay out without being asked.

Patterns are those of moby/patternmatcher: Go's filepath.Match plus `**`; a pattern that matches a folder matches all
that is in it; `!` takes a file back in; the last pattern that matches decides; a malformed one is an error
(https://docs.docker.com/build/concepts/context/#dockerignore-files).
"""

from __future__ import annotations

import posixpath
import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from stepladder.core import text
from stepladder.core.errors import BadInputError
from stepladder.images.context import go_match, shown

SECRETS = (
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
)
JUNK = (
    "**/.git",
    "**/.hg",
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
    """Say which files of a context stay out of the image.

    `where` names the file that the lines are from. Raises `BadInputError` for a pattern that Docker refuses.
    """

    def __init__(self, lines: Iterable[str], where: str = ".dockerignore") -> None:
        rules = [rule for number, line in enumerate(lines, 1) if (rule := _rule(line, f"{where}:{number}"))]
        self._rules = tuple((_pattern(pattern), out, pattern) for pattern, out in rules)
        self._meant = tuple(
            _pattern(pattern) for pattern, out in rules if not out and pattern.rpartition("/")[2] not in {"*", "**"}
        )
        self.has_exceptions = any(not out for _, out in rules)

    def excludes(self, path: str) -> bool:
        """Say whether a path (relative, with `/`) or a folder above it is left out."""
        if self.rule(path):
            return True
        return any(re.fullmatch(_ALWAYS, c) and not self._means(c) for c in _candidates(path))

    def rule(self, path: str) -> str:
        """Return the line of `.dockerignore` that leaves a path out, empty when none does."""
        candidates, decided = _candidates(path), ""
        for pattern, out, line in self._rules:
            if out != bool(decided) and any(pattern.fullmatch(candidate) for candidate in candidates):
                decided = line if out else ""
        return decided

    def secret(self, path: str) -> str:
        """Return the built-in pattern that takes a path for a secret, empty when none does or a `!` line means it."""
        for candidate in _candidates(path):
            pattern_line = next((line for line in SECRETS if _pattern(line).fullmatch(candidate)), "")
            if pattern_line and not self._means(candidate):
                return pattern_line
        return ""

    def _means(self, candidate: str) -> bool:
        return any(pattern.fullmatch(candidate) for pattern in self._meant)


def of(folder: Path) -> Ignore:
    """Return the rules of a build context."""
    path = folder / ".dockerignore"
    where = f"{shown.name(folder)}/.dockerignore"
    return Ignore(text.lines(text.read(path, comments=True)) if path.is_file() else (), where)


def reason(folder: Path, path: str) -> str:
    """Say which rule keeps a path out of the context, and the line that takes it in; empty when none does."""
    clean = posixpath.normpath(path.lstrip("/") or ".")
    if not (folder / clean).exists():
        return ""
    ignore = of(folder)
    if rule := ignore.rule(clean):
        where = f"{shown.name(folder)}/.dockerignore"
        return f"`{rule}` in {where} leaves it out; add a line `!{clean}` below it to take it in"
    if rule := ignore.secret(clean):
        return (
            f"it is left out as a secret (built-in rule `{rule}`); add a line `!{clean}` to "
            f"{shown.name(folder)}/.dockerignore to take it in"
        )
    return f"it is empty, or left out as what never enters an image; see {shown.name(folder)}/.dockerignore"


def keeps_out(folder: Path, path: str) -> bool:
    """Say whether `.dockerignore` or a built-in rule keeps an existing file out of the context."""
    return of(folder).excludes(path)


def _candidates(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _rule(line: str, where: str) -> tuple[str, bool] | None:
    """Return a line's cleaned pattern and whether it leaves out; None for a comment or an empty line."""
    line = line.removeprefix("\ufeff")
    if line.startswith("#") or not line.strip():
        return None
    out = not line.strip().startswith("!")
    pattern = line.strip() if out else line.strip()[1:].strip()
    if not pattern:
        raise BadInputError(
            f"{where}: ! stands alone",
            kind="build-context",
            hint="fix `.dockerignore`: the file to take in stands behind the `!`",
        )
    pattern = _clean(pattern)
    try:
        _check(pattern)
    except (go_match.BadPatternError, re.error):
        raise BadInputError(
            f"{where}: {pattern} is no pattern",
            kind="build-context",
            hint="fix `.dockerignore`: `\\[` is a bracket in a name",
        ) from None
    return pattern, out


def _check(pattern: str) -> None:
    go_match.translated(pattern)
    _pattern(pattern)
    if "[:" in pattern:  # a class of letters by name: Docker's pattern and its check read it in two ways
        raise go_match.BadPatternError(pattern)


def _clean(pattern: str) -> str:
    """Do what Go's filepath.Clean does to a pattern, and take a leading slash as the context's root."""
    clean = posixpath.normpath(pattern)
    return clean.lstrip("/") if len(clean) > 1 else clean


@lru_cache(maxsize=512)
def _pattern(pattern: str) -> re.Pattern[str]:
    """Return one pattern as an expression."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of sets within sets, which no Python has
        return re.compile(_translated(pattern), re.DOTALL)


def _translated(pattern: str) -> str:
    r"""Translate one pattern as moby/patternmatcher does: `**` crosses folders, `*` and `?` don't, `\\` escapes."""
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*" and pattern.startswith("*", at):
            at += 1
            at += pattern.startswith("/", at)
            out += "(?:.*/)?" if at < len(pattern) else ".*"
        elif char == "*":
            out += "[^/]*"
        elif char == "?":
            out += "[^/]"
        elif char == "\\" and at < len(pattern):
            out += re.escape(pattern[at])
            at += 1
        elif char == "^" and not pattern.startswith("[^", at - 2):
            out += r"\^"
        else:
            out += f"\\{char}" if char in ".+()|{}$" else char  # what Docker escapes too; [...] is a class of both
    return out


_ALWAYS = f"(?s){'|'.join(_translated(line) for line in (*SECRETS, *JUNK))}"
