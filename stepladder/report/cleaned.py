"""Clean what others wrote before it is shown: no secrets, no control codes, in every text of a story at once."""

from __future__ import annotations

import functools
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

from stepladder.core.display import harmless
from stepladder.settings.redacted import redacted

T = TypeVar("T")


def cleaned(value: T) -> T:
    """Return a value with every text in it cleaned: of a record, a tuple, a list or a mapping those inside."""
    if isinstance(value, str):
        return _text(value)  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        changed = {each.name: cleaned(getattr(value, each.name)) for each in fields(value)}
        return replace(value, **changed)
    if isinstance(value, tuple):
        return tuple(cleaned(each) for each in value)  # type: ignore[return-value]
    if isinstance(value, list):
        return [cleaned(each) for each in value]  # type: ignore[return-value]
    if isinstance(value, dict):
        return {cleaned(key): cleaned(each) for key, each in value.items()}  # type: ignore[return-value]
    return value


@functools.lru_cache(maxsize=8192)
def _text(text: str) -> str:
    return "\n".join(harmless(redacted(text)))
