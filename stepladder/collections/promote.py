"""`inv promote`: the climb of what the lowest rung runs; `promote.*`: watch it, answer it, stop it, take it up."""

from __future__ import annotations

from typing import Any

from stepladder.collections.task import task

JSON = "Print one JSON record at the end."
NAME = "Name or ARN of the promotion; default: the newest."
RUNG = "Rung to answer for; default: the one that waits."


@task(
    default=True,
    help={
        "digest": "Digest to promote; default: what the lowest rung runs.",
        "release": "Release of the lowest rung whose image to promote.",
        "detach": "Start the promotion and return; `inv promote.watch` shows the rest.",
        "hotfix": "Shift all traffic at once and override alarms; hooks and smoke cases run, the ledger records it.",
        "force": "Promote an image that was marked bad, or of a release that failed.",
        "no_smoke": "Skip the smoke cases; the releases are recorded as untested.",
        "infra": "Apply changed infrastructure of the rungs first; create rungs without asking.",
        "json": JSON,
    },
    auto_shortflags=False,
)
def promote(  # noqa: PLR0917 - each is a flag of the command line
    c: Any,
    digest: str = "",
    release: str = "",
    detach: bool = False,
    hotfix: bool = False,
    force: bool = False,
    no_smoke: bool = False,
    infra: bool = False,
    json: bool = False,
) -> None:
    """Promote what the lowest rung runs, rung by rung; exit 0 promoted, 3 rolled back, 4 refused, 5 rollback failed."""
    from stepladder.commands.promote import promote as climb
    from stepladder.promotion.start import PromotionOptions

    desk = _desk(c, "inv promote", json, acting=True)
    result = climb(desk, PromotionOptions(digest, release, hotfix, force, no_smoke, infra), detach=detach)
    _finish(desk, result)


@task(help={"name": NAME, "json": JSON}, auto_shortflags=False, reads_only=True)
def watch(c: Any, name: str = "", json: bool = False) -> None:
    """Show a promotion until it ends, and exit as `inv promote` would."""
    from stepladder.commands.promote import conclude
    from stepladder.promotion.watch import watch as follow

    desk = _desk(c, "inv promote.watch", json)
    _finish(desk, conclude(desk, *follow(desk, desk.pick(name))))


@task(help={"why": "Reason; the ledger keeps it.", "rung": RUNG, "name": NAME}, auto_shortflags=False)
def approve(c: Any, why: str = "", rung: str = "", name: str = "") -> None:
    """Approve a promotion that waits for approval; who and why are recorded."""
    from stepladder.promotion.approval import decide

    desk = _desk(c, "inv promote.approve")
    question = decide(desk, desk.pick(name, running=True), rung, why, approve=True)
    desk.console.line(f"approved {question.rung} as {question.decided_by}; watch it: `inv promote.watch`")


@task(help={"why": "Reason; the ledger keeps it.", "rung": RUNG, "name": NAME}, auto_shortflags=False)
def reject(c: Any, why: str = "", rung: str = "", name: str = "") -> None:
    """Reject a promotion that waits for approval, before anything moves; who and why are recorded."""
    from stepladder.promotion.approval import decide

    desk = _desk(c, "inv promote.reject")
    question = decide(desk, desk.pick(name, running=True), rung, why, approve=False)
    desk.console.line(f"rejected {question.rung} as {question.decided_by}")


@task(help={"why": "Reason; the ledger keeps it.", "name": NAME, "json": JSON}, auto_shortflags=False)
def stop(c: Any, why: str = "", name: str = "", json: bool = False) -> None:
    """Stop a promotion and roll back what it changed; exit 5 only when that failed."""
    from stepladder.commands.stop import stopped

    desk = _desk(c, "inv promote.stop", json)
    _finish(desk, stopped(desk, desk.pick(name, running=True), why))


@task(help={"name": NAME, "detach": "Start the promotion and return.", "json": JSON}, auto_shortflags=False)
def redrive(c: Any, name: str = "", detach: bool = False, json: bool = False) -> None:
    """Resume a promotion that ended, where it was cut off or from the beginning."""
    from stepladder.commands.redrive import redriven

    desk = _desk(c, "inv promote.redrive", json)
    _finish(desk, redriven(desk, desk.pick(name), detach=detach))


def _desk(c: Any, verb: str, as_json: bool = False, *, acting: bool = False) -> Any:
    """Open the desk at home, where the lowest rung is: the state machine there climbs the whole ladder."""
    from stepladder.promotion.executions import Desk
    from stepladder.releases.rung import opened
    from stepladder.settings import locations, placeholder
    from stepladder.settings.load import from_context

    settings = from_context(c)
    if acting:
        placeholder.refuse(settings, settings.ladder_environments)
    return Desk(opened(c, locations.representatives(settings)[0], verb, as_json=as_json))


def _finish(desk: Any, result: dict[str, Any]) -> None:
    if desk.console.as_json:
        desk.console.json(result)
