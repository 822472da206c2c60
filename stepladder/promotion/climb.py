"""`inv promote` from end to end: make sure of the delivery root, start or join, watch, report."""

from __future__ import annotations

from typing import Any

from stepladder.promotion import closing, delivery, verdict
from stepladder.promotion.desk import Desk, Execution
from stepladder.promotion.start import Request, Started, start
from stepladder.promotion.verdict import Verdict
from stepladder.promotion.watch import watch
from stepladder.releases.ledger import short
from stepladder.releases.records import shown_commit


def promote(desk: Desk, request: Request, *, detach: bool = False) -> dict[str, Any]:
    """Promote, and return the record. Raises the error that the climb's end is, with its exit code."""
    for place in desk.places:  # home first: the others let its relay in, which must be there
        delivery.ensure(place)
    started = start(desk, request)
    _tell(desk, started)
    if started.execution is None or detach:
        return record(started.execution, None, started.how, started.release.digest)
    return conclude(desk, *watch(desk, started.execution), how=started.how)


def conclude(desk: Desk, execution: Execution, judged: Verdict, *, how: str = "watched") -> dict[str, Any]:
    """Say how a climb ended and return its record; raise what isn't success."""
    told = record(execution, judged, how, execution.input["digest"])
    kept = closing.moved(desk, execution, judged)
    failure = verdict.failure(desk, execution, judged)
    if failure:
        told["exceptions"] = closing.show_exceptions(desk, execution, judged)
        closing.show_undo(desk, kept)
        failure.record = told
        raise failure
    if execution.input.get("untested"):
        desk.console.warn(f"{short(execution.input['digest'])} climbed {execution.input['untested']}")
    closing.show_undo(desk, kept)
    closing.show_promoted(desk, execution, kept)
    return told


def record(execution: Execution | None, judged: Verdict | None, how: str, digest: str) -> dict[str, Any]:
    """Return a climb as one JSON record."""
    outcome = judged.outcome if judged else ("unchanged" if how == "unchanged" else "climbing")
    told: dict[str, Any] = {"outcome": outcome, "how": how, "digest": digest}
    if execution:
        told |= {
            "execution_arn": execution.arn,
            "name": execution.name,
            "release_id": execution.input["release_id"],
            "git_commit": execution.input["git_commit"],
        }
    if judged:
        told["targets"] = [dict(target) for target in judged.targets]
    return told


def _tell(desk: Desk, started: Started) -> None:
    release = started.release
    rungs = " -> ".join("+".join(rung) for rung in desk.rung.settings.ladder)
    if started.execution is None:
        desk.console.line(f"nothing to do: {rungs} run {short(release.digest)} already")
        return
    verb = {"started": "climbing", "joined": "joined the climb of"}[started.how]
    name = started.execution.name
    desk.console.line(f"{verb} {short(release.digest)} ({shown_commit(release.git_commit)}): {rungs}  [{name}]")
    show_link(desk, started.execution.arn)


def show_link(desk: Desk, arn: str) -> None:
    """Print the way to an execution's page in the AWS console; a local cloud has none."""
    if link := desk.link(arn):
        desk.console.link("this promotion in the AWS console", link)
