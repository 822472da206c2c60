"""`inv diagnose`: name the cause of a failure that has been, in one screen. Reads only."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from stepladder.core.display import plain
from stepladder.core.errors import NotReadyError
from stepladder.core.names import split_target
from stepladder.ledger.words import result_words
from stepladder.promotion.executions import StateMachine
from stepladder.report import causes, clues, gather
from stepladder.report.cause_words import shown_commits
from stepladder.report.causes import Cause, Diagnosis
from stepladder.report.cleaned import cleaned
from stepladder.report.story import CUT_OFF, RUNNING
from stepladder.report.subject import SubjectFinder

_CAUSES = 4  # that are shown; --json has all
_EVIDENCE = 4
_UNKNOWN = 4
_TARGETS = 6
_COLOURS = {CUT_OFF: "yellow", RUNNING: "cyan", "promoted": "green", "succeeded": "green"}


def diagnose(machine: StateMachine, wanted: str = "", environment: str = "") -> dict[str, Any]:
    """Print why a release or a promotion failed and return the record; `wanted` is empty for the newest failure.

    Raises `BadInputError` (2) for a release that there isn't, and `NotReadyError` (6) when it failed and nothing that
    can be read says why.
    """
    if environment:
        machine.settings.environment(environment)
    finder = SubjectFinder(machine, environment)
    subject = finder.named(wanted) if wanted else finder.newest_failure()
    if subject is None:
        return _nothing(machine, finder, environment)
    story = clues.with_clues(machine, gather.story(machine, subject, whole=False))
    diagnosis = causes.diagnose(cleaned(story))
    record = asdict(diagnosis)
    if not machine.console.as_json:
        _show(machine, diagnosis)
    if not diagnosis.is_known:
        failure = NotReadyError(
            f"{_name(diagnosis)} failed, and nothing that can be read says why",
            kind="cause-unknown",
            hint=f"what the ledger has: `inv ledger --env {_environment(machine, diagnosis)}`",
            problems=diagnosis.unknown,
        )
        failure.record = record
        raise failure
    return record


def _nothing(machine: StateMachine, finder: SubjectFinder, environment: str) -> dict[str, Any]:
    """Say that nothing failed, as far as the ledgers and executions go back."""
    where = environment or "any environment"
    for line in finder.unread:
        machine.console.warn(line)
    if not machine.console.as_json:
        machine.console.line(f"no failure is recorded of {where}")
    return asdict(causes.nothing(finder.unread))


def _show(machine: StateMachine, diagnosis: Diagnosis) -> None:
    console = machine.console
    colour = _COLOURS.get(diagnosis.end, "red")
    console.line(f"{_name(diagnosis)}: {console.paint(result_words(diagnosis.end), colour)}")
    targets = diagnosis.environments
    others = f" and {len(targets) - _TARGETS} more" if len(targets) > _TARGETS else ""
    facts = [
        ("targets", f"{', '.join(targets[:_TARGETS])}{others}" if targets else ""),
        ("by", diagnosis.requested_by),
        ("commit", shown_commits(diagnosis.git_commit)),
        ("when", " to ".join(filter(None, (diagnosis.began_at, diagnosis.ended_at)))),
        ("failed in", diagnosis.state),
        ("page", diagnosis.links.get("execution", "")),
    ]
    for name, value in facts:
        if value:
            console.line(f"  {name:<10} {plain(value)}")
    for number, cause in enumerate(diagnosis.causes[:_CAUSES], 1):
        _show_cause(machine, number, cause)
    if len(diagnosis.causes) > _CAUSES:
        more = len(diagnosis.causes) - _CAUSES
        console.line(f"  and {more} more: `inv diagnose {diagnosis.name or diagnosis.release_id} --json`")
    for line in diagnosis.unknown[:_UNKNOWN]:
        console.line(f"{console.paint('unknown:', 'yellow')} {plain(line)}")
    if diagnosis.command:
        console.hint(f"next: `{diagnosis.command}`")


def _show_cause(machine: StateMachine, number: int, cause: Cause) -> None:
    console = machine.console
    subject = f"{cause.target}: " if cause.target else ""
    console.line(
        f"{number}. {subject}{console.paint(console.brief(plain(cause.sentence), used=len(subject) + 3), 'bold')}"
    )
    for line in cause.evidence[:_EVIDENCE]:
        console.line(f"     {console.brief(plain(line), used=5)}")
    console.line(console.paint(f"     from {cause.source}; `inv explain {cause.kind}`", "dim"))
    if cause.link:
        console.link("     console", cause.link)


def _name(diagnosis: Diagnosis) -> str:
    if diagnosis.kind == "promote" and diagnosis.name:
        return f"promotion {diagnosis.name}"
    if diagnosis.release_id:
        return f"{diagnosis.kind} {diagnosis.release_id}"
    return diagnosis.kind or diagnosis.name or "it"


def _environment(machine: StateMachine, diagnosis: Diagnosis) -> str:
    first = next(iter(diagnosis.environments), machine.rung.environment)
    return split_target(first)[0]
