"""What a check yields: one thing that is wrong, the command that fixes it, and what `--fix` may do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]
"""error: something doesn't work, or protects nothing. warning: it may soon. note: worth knowing; nothing is wrong."""

ERROR: Level = "error"
WARNING: Level = "warning"
NOTE: Level = "note"
LEVELS: tuple[Level, ...] = (ERROR, WARNING, NOTE)


@dataclass(frozen=True)
class SafeFix:
    """What `--fix` does. It may run twice, deletes nothing, moves no traffic and gives nobody access."""

    description: str
    """A verb and its object, for the list that is shown before."""
    act: Callable[[], object]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    `subject` is what it is about: an environment, a function, a bucket. `fix` is a command that works as it stands, or
    what to edit. `check` is the check's name, which the run fills in.
    """

    level: Level
    subject: str
    problem: str
    fix: str
    safe: SafeFix | None = None
    check: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is again at the next run."""
        return (self.check, self.subject, self.problem, self.fix)

    def record(self) -> dict[str, object]:
        """Return it as data."""
        return {
            "check": self.check,
            "fix": self.fix,
            "level": self.level,
            "problem": self.problem,
            "safe_fix": self.safe.description if self.safe else "",
            "subject": self.subject,
        }


@dataclass(frozen=True)
class Unchecked:
    """A check that couldn't run, or not to its end: of what, and why."""

    check: str
    subject: str
    reason: str
    hint: str = ""

    def record(self) -> dict[str, object]:
        """Return it as data."""
        return {"check": self.check, "hint": self.hint, "reason": self.reason, "subject": self.subject}
