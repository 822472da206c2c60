"""Go's `filepath.Match`, by which `COPY` finds its sources and `.dockerignore` checks its patterns.

https://pkg.go.dev/path/filepath#Match
"""

from __future__ import annotations

import re
from functools import lru_cache


class BadPatternError(ValueError):
    """A pattern that Go calls malformed."""


def has_wildcards(pattern: str) -> bool:
    """Say whether a source is a pattern for Docker: it has `*`, `?` or `[` without a backslash before it."""
    return bool(re.search(r"[*?\[]", re.sub(r"\\.", "", pattern)))


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return what a pattern matches: `*` and `?` stay within one folder. Raises `BadPatternError`."""
    return re.compile(translated(pattern), re.DOTALL)


def translated(pattern: str) -> str:
    """Return the regular expression of a pattern. Raises `BadPatternError`."""
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            out, at = out + "[^/]*", at + 1
        elif char == "?":
            out, at = out + "[^/]", at + 1
        elif char == "[":
            part, at = _class(pattern, at + 1)
            out += part
        else:
            letter, at = _letter(pattern, at)
            out += re.escape(letter)
    return out


def _class(pattern: str, at: int) -> tuple[str, int]:
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[str] = []
    while not (pattern.startswith("]", at) and ranges):
        low, at = _bound(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _bound(pattern, at + 1)
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            ranges.append("")  # Go takes it, and it matches nothing
    inside = "".join(ranges)
    if not inside:
        return ("(?s:.)" if negated else "(?!)"), at + 1
    return f"[{'^' if negated else ''}{inside}]", at + 1


def _bound(pattern: str, at: int) -> tuple[str, int]:
    if at >= len(pattern) or pattern[at] in "-]":
        raise BadPatternError(f"{pattern} has a malformed [...]")
    return _letter(pattern, at)


def _letter(pattern: str, at: int) -> tuple[str, int]:
    if pattern[at] == "\\":
        at += 1
        if at >= len(pattern):
            raise BadPatternError(f"{pattern} ends with a backslash")
    return pattern[at], at + 1
