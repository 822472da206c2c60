"""References in smoke cases: `${output.name}` and `${captured.name}`. Standard library only, as `smoke_case`.

A text that is one reference and nothing else becomes its value, of whatever type; inside a longer text the value
becomes text, and inside a regular expression a text that matches itself. A header field is always text. `$${` stands
for the text `${`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stepladder.releases import smoke_pattern

_FORMS = {kind: rf"(\$?)\$\{{{kind}\.([A-Za-z_][\w-]*)\}}" for kind in ("output", "captured")}
NAME = r"[A-Za-z_][\w-]*"
"""The name of an output or of a captured value."""


class FieldText(str):
    """The text of a header field: it stays one, whatever it is filled with."""

    __slots__ = ()


def names(kind: str, value: Any) -> Iterator[str]:
    """Return the names of a kind's references in a value, at any depth."""
    if isinstance(value, str):
        yield from (match[2] for match in re.finditer(_FORMS[kind], value) if not match[1])
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from names(kind, key)
            yield from names(kind, each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from names(kind, each)


def fill(kind: str, value: Any, values: Mapping[str, Any]) -> Any:
    """Return a value with a kind's references replaced by their values. All of them are known."""
    if isinstance(value, FieldText):
        return FieldText(_text(kind, value, values))
    if isinstance(value, str):
        whole = re.fullmatch(_FORMS[kind], value)
        return values[whole[2]] if whole and not whole[1] else _text(kind, value, values)
    if smoke_pattern.is_pattern(value) and isinstance(value[smoke_pattern.KEY], str):
        return {**value, smoke_pattern.KEY: _text(kind, value[smoke_pattern.KEY], values, re.escape)}
    if isinstance(value, Mapping):
        return {_text(kind, str(key), values): fill(kind, each, values) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [fill(kind, each, values) for each in value]
    return value


def _text(kind: str, text: str, values: Mapping[str, Any], written: Callable[[str], str] = str) -> str:
    def replaced(match: re.Match[str]) -> str:
        if match[1]:  # an escape
            return match[0][1:]
        value = values[match[2]]
        return written(value if isinstance(value, str) else json.dumps(value))

    return re.sub(_FORMS[kind], replaced, text)
