"""What `inv doctor --json` prints."""

from __future__ import annotations

from typing import TypedDict

from stepladder.doctor.finding import Unchecked


class FindingRecord(TypedDict):
    """One thing that is wrong. `fix` is a command, or what to edit; `safe_fix` says what `--fix` would do."""

    check: str
    fix: str
    level: str
    problem: str
    safe_fix: str
    subject: str


class DoctorRecord(TypedDict):
    """What the checks found, the worst first; `ran` counts those that ran to their end."""

    findings: list[FindingRecord]
    fixed: list[FindingRecord]
    healthy: bool
    ran: int
    unchecked: list[Unchecked]
