"""What a destroy takes away and what it leaves, for a person and as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NotRequired, TypedDict

DESTROYED, UNCHANGED, DRY_RUN = "destroyed", "unchanged", "dry_run"
HEAD = ("what", "name", "detail")


@dataclass(frozen=True)
class Asset:
    """One thing, or several of a kind: what it is, its name, and how much is in it, or why it stays."""

    what: str
    name: str
    detail: str = ""

    @property
    def row(self) -> tuple[str, str, str]:
        """Return it as a row of a table."""
        return self.what, self.name, self.detail


@dataclass(frozen=True)
class DestroyRecord:
    """What became of one environment, or of what the environments of an account and region share, as data.

    `result` is `destroyed`, `unchanged` where nothing was left of it, or `dry_run`. `gone` is what went, or would.
    """

    environment: str
    result: str
    gone: list[Asset]
    kept: list[Asset]


class DestroyAllRecord(TypedDict):
    """What became of everything. `remaining` are the accounts and regions that the credentials don't reach."""

    project: str
    result: str
    reports: list[DestroyRecord]
    remaining: list[dict[str, str]]
    gone: NotRequired[list[Asset]]


@dataclass
class DestroyReport:
    """What became of one environment, while it is worked on; the fields are those of `DestroyRecord`."""

    environment: str
    result: str = UNCHANGED
    gone: list[Asset] = field(default_factory=list)
    kept: list[Asset] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """Return the record that `--json` prints."""
        return asdict(DestroyRecord(self.environment, self.result, self.gone, self.kept))
