"""What the checks for drift leave in CI for the one issue: `.stepladder/drift/<environment>.json`.

Both checks write into the file of an environment, each its own part. A job has a folder of its own, but a runner may
keep it: a part that another pipeline has left isn't read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stepladder.core import files
from stepladder.core.ci import in_ci
from stepladder.core.clock import Clock, stamp
from stepladder.core.console import Console
from stepladder.core.errors import StepladderError
from stepladder.forge import registered
from stepladder.settings.load import Settings

TERRAFORM, RELEASES = "terraform", "releases"
PARTS = {TERRAFORM: "inv tf.drift", RELEASES: "inv status --check"}
"""The parts of a report, and the check that writes each."""


@dataclass(frozen=True)
class DriftFinding:
    """One thing that isn't as it was left: where, what, the details in lines, the command that helps, and its kind.

    Holds no secret.
    """

    where: str
    text: str
    details: tuple[str, ...] = ()
    command: str = ""
    kind: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What one check found in one environment. With a `problem` it couldn't be made, and says nothing of drift."""

    findings: tuple[DriftFinding, ...] = ()
    problem: str = ""
    checked_at: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether the check was made and found nothing."""
        return not self.findings and not self.problem


def folder(settings: Settings) -> Path:
    """Return where the reports are."""
    return settings.build_dir / "drift"


def leave(
    settings: Settings, environment: str, part: str, *, findings: Iterable[DriftFinding], problem: str = ""
) -> str:
    """Write a check's part of an environment's report, in a CI job only; return what stands in the way.

    A check has its result also where nothing can be written.
    """
    if not in_ci():
        return ""
    path = folder(settings) / f"{environment}.json"
    held = files.read_json(path)
    known = held if held.get("run") == registered.run() else {}
    content = {
        "checked_at": stamp(Clock().now()),
        "findings": [asdict(finding) for finding in findings],
        "problem": problem,
    }
    try:
        files.write_json(
            path, {**known, "environment": environment, "run": registered.run(), part: content}, mode=0o600
        )
    except OSError as error:
        return f"{path.relative_to(settings.root)} can't be written, so `inv ci.issue` misses it: {error.strerror}"
    return ""


def conclude(console: Console, record: Mapping[str, object], error: StepladderError | None) -> None:
    """Raise a check's error, which carries the record; without one print the record where JSON is wanted."""
    if error:
        error.record = {**error.record, **record}
        raise error
    if console.as_json:
        console.json(record)


def read(settings: Settings, environment: str) -> dict[str, CheckReport]:
    """Return the parts of an environment's report, by name; one that wasn't left, or can't be read, is a problem."""
    held = files.read_json(folder(settings) / f"{environment}.json")
    parts: Mapping[str, Any] = held if held.get("run") == registered.run() else {}
    return {name: _part(parts.get(name), command, environment) for name, command in PARTS.items()}


def _part(raw: object, command: str, environment: str) -> CheckReport:
    unread = CheckReport(problem=f"`{command} --env {environment}` left no report")
    if not isinstance(raw, Mapping):
        return unread
    try:
        findings = tuple(_finding(each) for each in raw["findings"])
        return CheckReport(findings, str(raw.get("problem", "")), str(raw.get("checked_at", "")))
    except (KeyError, TypeError, ValueError):
        return unread


def _finding(raw: Mapping[str, Any]) -> DriftFinding:
    return DriftFinding(
        str(raw["where"]), str(raw["text"]), tuple(map(str, raw["details"])), str(raw["command"]), str(raw["kind"])
    )
