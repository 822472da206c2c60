"""Paths into an answer: `$` followed by `.name`, `['name']` or `[n]`. Standard library only, as `smoke_case`."""

from __future__ import annotations

import re
from typing import Any

MISSING = object()
"""What a path leads to that leads nowhere."""
GRAMMAR = "$ followed by .name, ['name'] or [n]"
_PATH = r"""\.([A-Za-z_][\w-]*)|\[(-?\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]"""


def split(path: Any) -> list[str | int] | None:
    """Split a path into names and indices; None when it isn't one that is understood."""
    if not isinstance(path, str) or not path.startswith("$"):
        return None
    parts: list[str | int] = []
    at = 1
    while at < len(path):
        match = re.compile(_PATH).match(path, at)
        if not match:
            return None
        name, index, single, double = match.groups()
        quoted = single if single is not None else double
        parts.append(int(index) if index else name or re.sub(r"\\(.)", r"\1", quoted))
        at = match.end()
    return parts


def lookup(value: Any, path: str) -> Any:
    """Return what a path leads to in a value, or `MISSING`."""
    for part in split(path) or []:
        present = isinstance(part, str) and isinstance(value, dict) and part in value
        present = present or (isinstance(part, int) and isinstance(value, list) and -len(value) <= part < len(value))
        if not present:
            return MISSING
        value = value[part]
    return value
