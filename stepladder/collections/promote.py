"""`inv promote`: promote what the lowest rung runs; `promote.*`: watch, approve, reject, stop, redrive, audit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from stepladder.collections.task import task

if TYPE_CHECKING:
    from stepladder.promotion.executions import StateMachine

JSON = "Print one JSON record at the end."
NAME = "Name or ARN of the promotion; default: the newest."
RUNG = "Rung to answer for; default: the one that waits."


@task(
    prints="stepladder.commands.outputs.releases:Promote",
    default=True,
    help={
        "digest": "Digest to promote; default: what the lowest rung runs.",
        "release": "Release of the lowest rung whose image to promote.",
        "detach": "Start the promotion and return; `inv promote.watch` shows the rest.",
        "hotfix": "Shift all traffic at once and override alarms; hooks and smoke cases run, the ledger records it.",
        "force": "Promote an image that was marked bad, or of a release that failed.",
        "no_smoke": "Skip the smoke cases; the releases are recorded as untested.",
        "function": "Name of a function to promote; may be given several times; default: all that a rung lacks.",
        "during_freeze": "Promote to rungs that are frozen, too; needs --why.",
        "why": "Reason for --during-freeze; the ledger keeps it.",
        "infra": "Apply changed infrastructure of the rungs first; create rungs without asking.",
        "prepare": "Write the execution's input to this file instead of starting it; CodePipeline starts it then.",
        "dry_run": "Print what each rung would get and what would be applied; change nothing.",
        "json": JSON,
    },
    iterable=["function"],
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
    function: Any = (),
    during_freeze: bool = False,
    why: str = "",
    infra: bool = False,
    prepare: str = "",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Promote what the lowest rung runs, rung by rung; exit 0 promoted, 3 rolled back, 4 refused, 5 rollback failed."""
    from stepladder.commands.promote import promote as run_promotion
    from stepladder.commands.promote import promote_dry
    from stepladder.promotion.subject import PromotionOptions, functions_of

    machine = _machine(c, "inv promote", json, acting=True, dry_run=dry_run)
    options = PromotionOptions(
        digest, release, hotfix, force, no_smoke, infra, functions_of(function), during_freeze, why
    )
    acted = promote_dry if dry_run else partial(run_promotion, detach=detach, prepare=prepare)
    _finish(machine, acted(machine, options))


@task(
    prints="stepladder.commands.promote:PromotionRecord",
    help={"name": NAME, "json": JSON},
    auto_shortflags=False,
    reads_only=True,
)
def watch(c: Any, name: str = "", json: bool = False) -> None:
    """Show a promotion until it ends, and exit as `inv promote` would."""
    from stepladder.commands.promote import conclude
    from stepladder.promotion.watch import watch as follow

    machine = _machine(c, "inv promote.watch", json)
    _finish(machine, conclude(machine, *follow(machine, machine.pick(name))))


@task(
    help={
        "why": "Reason; the ledger keeps it.",
        "rung": RUNG,
        "name": NAME,
        "wait": "Wait until the promotion asks, and then for its end; exit as `inv promote` would.",
    },
    auto_shortflags=False,
)
def approve(c: Any, why: str = "", rung: str = "", name: str = "", wait: bool = False) -> None:
    """Approve a promotion that waits for approval; who and why are recorded."""
    from stepladder.commands.approve import approve as approve_now
    from stepladder.commands.approve import approve_and_watch

    machine = _machine(c, "inv promote.approve")
    (approve_and_watch if wait else approve_now)(machine, name, rung, why)


@task(help={"why": "Reason; the ledger keeps it.", "rung": RUNG, "name": NAME}, auto_shortflags=False)
def reject(c: Any, why: str = "", rung: str = "", name: str = "") -> None:
    """Reject a promotion that waits for approval, before anything moves; who and why are recorded."""
    from stepladder.promotion.approval import decide

    machine = _machine(c, "inv promote.reject")
    question = decide(machine, machine.pick(name, running=True), rung, why, approve=False)
    machine.console.line(f"rejected {question.rung} as {question.decided_by}")


@task(
    prints="stepladder.commands.promote:PromotionRecord",
    help={"why": "Reason; the ledger keeps it.", "name": NAME, "json": JSON},
    auto_shortflags=False,
)
def stop(c: Any, why: str = "", name: str = "", json: bool = False) -> None:
    """Stop a promotion and roll back what it changed; exit 5 only when that failed."""
    from stepladder.commands.stop import stopped

    machine = _machine(c, "inv promote.stop", json)
    _finish(machine, stopped(machine, machine.pick(name, running=True), why))


@task(
    prints="stepladder.commands.promote:PromotionRecord",
    help={"name": NAME, "detach": "Start the promotion and return.", "json": JSON},
    auto_shortflags=False,
)
def redrive(c: Any, name: str = "", detach: bool = False, json: bool = False) -> None:
    """Resume a promotion that ended, where it was cut off or from the beginning."""
    from stepladder.commands.redrive import redriven

    machine = _machine(c, "inv promote.redrive", json, acting=True)
    _finish(machine, redriven(machine, machine.pick(name), detach=detach))


@task(
    prints="stepladder.commands.outputs.releases:PromotionAudit",
    positional=["name"],
    help={"name": NAME, "env": "Environment to audit; default: all of the promotion.", "json": JSON},
    auto_shortflags=False,
    reads_only=True,
)
def audit(c: Any, name: str = "", env: str = "", json: bool = False) -> None:
    """Check a promotion's history by each promise; exit 0 all are held, 1 one is violated, 6 one is unknown."""
    from stepladder.commands.audit import audit as judged

    machine = _machine(c, "inv promote.audit", json)
    _finish(machine, judged(machine, name, env))


def _machine(c: Any, verb: str, as_json: bool = False, *, acting: bool = False, dry_run: bool = False) -> StateMachine:
    from stepladder.commands.primary import state_machine

    return state_machine(c, verb, as_json=as_json, acting=acting, dry_run=dry_run)


def _finish(machine: StateMachine, result: Mapping[str, object]) -> None:
    from stepladder.commands import job_page

    job_page.promoted(result, machine)
    if machine.console.as_json:
        machine.console.json(result)
