"""`inv promote` from end to end: make sure of the delivery root, start or join, watch, report."""

from __future__ import annotations

from typing import Any

from stepladder.core.errors import LockedError, StepladderError
from stepladder.ledger.table import short
from stepladder.ledger.words import shown_commit
from stepladder.promotion import closing, infra
from stepladder.promotion import outcome as verdict
from stepladder.promotion.executions import Desk, Execution
from stepladder.promotion.held import check_free
from stepladder.promotion.outcome import Verdict
from stepladder.promotion.start import PromotionOptions, Started, Survey, existing, start, survey
from stepladder.promotion.watch import watch

_SMOKE = ("SmokeFailedError", "ProbeFailedError")


def promote(desk: Desk, request: PromotionOptions, *, detach: bool = False) -> dict[str, Any]:
    """Promote, and return the record. Raises the error that the climb's end is, with its exit code.

    Everything is read first, then everything is planned, and only then is anything applied.
    """
    found = survey(desk, request)
    applied: tuple[str, ...] = ()
    started = None if request.infra else existing(desk, request, found)
    if started is None:
        if found.running:  # with --infra: what is under way is not changed beneath
            raise LockedError(
                "the promotion of this image is under way, and infrastructure isn't changed beneath it",
                kind="promotion-under-way",
                hint="join it with `inv promote`, or stop it with `inv promote.stop`",
            )
        check_free(desk)
        applied = infra.prepare(desk, found.missing, found.subject.digest, infra=request.infra)
        started = (not applied and existing(desk, request, found)) or start(desk, request, found)
    _tell(desk, started, found, applied)
    if started.execution is None or detach:
        return record(started.execution, None, started.how, started.release.digest)
    return conclude(desk, *watch(desk, started.execution), how=started.how)


def conclude(desk: Desk, execution: Execution, judged: Verdict, *, how: str = "watched") -> dict[str, Any]:
    """Say how a climb ended and return its record; raise what isn't success."""
    result = record(execution, judged, how, execution.input["digest"])
    kept = closing.moved(desk, execution, judged)
    failure = verdict.failure(desk, execution, judged)
    if failure:
        result["exceptions"] = closing.show_exceptions(desk, execution, judged)
        closing.show_undo(desk, kept)
        failure.record = result
        _blame_infrastructure(desk, judged, failure)
        raise failure
    if execution.input.get("untested"):
        desk.console.warn(f"{short(execution.input['digest'])} was promoted {execution.input['untested']}")
    closing.show_undo(desk, kept)
    closing.show_promoted(desk, execution, kept)
    return result


def _blame_infrastructure(desk: Desk, judged: Verdict, failure: StepladderError) -> None:
    """Say so when a smoke case failed on a rung whose infrastructure is older than its settings: a likely cause."""
    failed = {t["environment"] for t in judged.targets if t.get("error") in _SMOKE}
    behind = [name for name in (infra.pending(desk) if failed else ()) if name in failed]
    if not behind:
        return
    again = "--infra --force" if judged.outcome == "rolled_back" else "--infra"  # what failed in traffic is marked bad
    failure.message += f"; {infra.behind(behind)}"
    failure.hint = f"if that is the cause: `inv promote {again}` applies them, then promotes again; {failure.hint}"


def record(execution: Execution | None, judged: Verdict | None, how: str, digest: str) -> dict[str, Any]:
    """Return a climb as one JSON record."""
    outcome = judged.outcome if judged else ("unchanged" if how == "unchanged" else "climbing")
    result: dict[str, Any] = {"outcome": outcome, "how": how, "digest": digest}
    if execution:
        result |= {
            "execution_arn": execution.arn,
            "name": execution.name,
            "release_id": execution.input["release_id"],
            "git_commit": execution.input["git_commit"],
        }
    if judged:
        result["targets"] = [dict(target) for target in judged.targets]
    return result


def _tell(desk: Desk, started: Started, found: Survey, applied: tuple[str, ...]) -> None:
    release = started.release
    rungs = " -> ".join("+".join(rung) for rung in desk.rung.settings.rungs)
    if started.execution is None:
        if left := infra.pending(desk):
            desk.console.warn(f"{infra.behind(left)}; `inv promote --infra` applies them")
        desk.console.line(f"nothing to do: {rungs} run {short(release.digest)} already")
        return
    for name in found.first if started.how == "started" else ():
        made = "was created" if name in applied else "has a service"
        desk.console.line(f"{name} {made} and was never released: its first release goes live at once, with no canary")
    verb = {"started": "promoting", "joined": "joined the promotion of"}[started.how]
    name = started.execution.name
    desk.console.line(f"{verb} {short(release.digest)} ({shown_commit(release.git_commit)}): {rungs}  [{name}]")
    show_link(desk, started.execution.arn)


def show_link(desk: Desk, arn: str) -> None:
    """Print the way to an execution's page in the AWS console; a local cloud has none."""
    if link := desk.link(arn):
        desk.console.link("this promotion in the AWS console", link)
