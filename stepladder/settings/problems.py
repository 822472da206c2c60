"""Collect what is wrong with the settings, key by key, so that one message says all of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepladder.core.similar import did_you_mean


def kind(value: object) -> str:
    """Return what a value is, for a message about one that may hold a secret."""
    return "a list" if isinstance(value, (list, tuple)) else "a text" if isinstance(value, str) else "no mapping"


class Problems:
    """The problems, a message each. Every check returns a usable value, so that reading goes on to the next one.

    `root` is the project's folder, for settings that name files. `prefix` stands before every key: that of one of
    several functions, whose settings are checked as those of a project's own function are.
    """

    def __init__(self, root: Path = Path(), prefix: str = "") -> None:
        self.root = root
        self.prefix = prefix
        self.messages: list[str] = []

    def named(self, key: str) -> str:
        """Return a key as a message names it."""
        return f"stepladder.{self.prefix}{key}"

    def add(self, key: str, value: object, allowed: str) -> None:
        """Note a value that isn't allowed."""
        self.messages.append(f"{self.named(key)} is {value!r}; allowed: {allowed}")

    def has(self, key: str) -> bool:
        """Say whether a key's value is among the problems: what hangs on it needs no message then."""
        return any(message.startswith(f"{self.named(key)} is ") for message in self.messages)

    def text(self, key: str, value: object, pattern: str, allowed: str) -> str:
        """Check a text."""
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            self.add(key, value, allowed)
            return ""
        return value

    def choice(self, key: str, value: object, allowed: tuple[str, ...]) -> str:
        """Check a choice."""
        if value not in allowed:
            meant = did_you_mean(value, allowed)
            self.add(key, value, f"{', '.join(allowed)}; {meant}" if meant else ", ".join(allowed))
            return allowed[0]
        return str(value)

    def number(self, key: str, value: object, low: int, high: int) -> int:
        """Check a whole number."""
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.add(key, value, f"a whole number from {low} to {high}")
            return low
        return value

    def mapping(self, key: str, value: object, known: tuple[str, ...]) -> dict[str, Any]:
        """Check a mapping's keys; an empty `key` stands for the whole."""
        if not isinstance(value, Mapping):
            self.add(key, value, "a mapping")
            return {}
        for unknown in [k for k in value if k not in known]:
            name = self.named(f"{key}.{unknown}" if key else unknown)
            meant = did_you_mean(unknown, known)
            allowed = f"allowed: {', '.join(known)}"
            self.messages.append(f"{name} is not a setting; {f'{meant} ' if meant else ''}{allowed}")
        return {str(k): v for k, v in value.items()}

    def inside(self, key: str, value: object) -> str:
        """Check a path that must lie inside the project."""
        if not isinstance(value, str) or not value or Path(value).is_absolute() or ".." in Path(value).parts:
            self.add(key, value, "a path inside the project")
            return "."
        return value
