"""`inv promote` from end to end: plan, apply infrastructure, start or join, watch, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

from stepladder.core.errors import RollbackFailedError, RolledBackError, StepladderError
from stepladder.core.names import split_target
from stepladder.core.release_facts import short
from stepladder.promotion import closing, infra, outcome, root_changes
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.executors import PromotionActs, PromotionPreparation, carry_out
from stepladder.promotion.outcome import PromotionOutcome
from stepladder.promotion.plan import PromotionPlan, plan_promotion
from stepladder.promotion.preview import PromotionDescription
from stepladder.promotion.start import StartResult
from stepladder.promotion.subject import PromotionOptions
from stepladder.promotion.subjects import promoted, subject_words
from stepladder.promotion.watch import watch
from stepladder.releases import foretold

_SHOWN = 10  # targets that get a line each
_SMOKE = ("SmokeFailedError", "ProbeFailedError")


class PromotionRecord(TypedDict):
    """A promotion for `--json`. `outcome` is the promotion's, `unchanged`, `prepared`, or `climbing` while it runs.

    `how` says what the command did: started, joined, unchanged, prepared, watched, stopped or redriven.
    """

    outcome: str
    how: str
    digest: str
    execution_arn: NotRequired[str]
    name: NotRequired[str]
    release_id: NotRequired[str]
    git_commit: NotRequired[str]
    targets: NotRequired[list[Mapping[str, str]]]
    exceptions: NotRequired[list[closing.ExceptionRecord]]


def promote(
    machine: StateMachine, options: PromotionOptions, *, detach: bool = False, prepare: str = ""
) -> PromotionRecord:
    """Promote, and return the record. Raises the error of the promotion's end, with its exit code.

    Everything is read first, then planned, and only then applied. With `prepare` nothing is started: the execution's
    input is written to that file.
    """
    plan = plan_promotion(machine, options)
    acts = PromotionActs(machine, options, plan)
    executor = PromotionPreparation(machine, options, plan, Path(prepare)) if prepare else acts
    started, applied, plan = carry_out(plan, options, executor)
    _show_start(machine, started, plan, applied)
    if prepare:
        machine.console.line(f"the execution's input is in {prepare}; nothing was started")
    if started.execution is None or detach:
        return record(started.execution, None, started.how, started.release.digest)
    return conclude(machine, *watch(machine, started.execution), how=started.how)


def promote_dry(machine: StateMachine, options: PromotionOptions) -> Mapping[str, object]:
    """Say what `promote` would do, from real reads and plans, and return that as a record; change and start nothing."""
    with foretold.refusals(dry_run=True):
        plan = plan_promotion(machine, options)
        described = PromotionDescription(machine, options, plan)
        started, _, _ = carry_out(plan, options, described)
    if started.how == "joined" and started.execution:
        machine.console.line(f"would join the promotion that is under way: {started.execution.name}")
    elif started.how == "unchanged":
        _show_start(machine, started, plan, ())
    details = {"infrastructure": described.roots, "rungs": described.rungs}
    return {**record(None, None, started.how, started.release.digest), "outcome": "dry_run", **details}


def conclude(
    machine: StateMachine, execution: Execution, end: PromotionOutcome, *, how: str = "watched"
) -> PromotionRecord:
    """Say how a promotion ended and return its record; raise what isn't success."""
    result = record(execution, end, how, execution.input["digest"])
    kept = closing.moved(machine, execution, end)
    failure = outcome.failure(machine, execution, end)
    if failure:
        result["exceptions"] = closing.show_exceptions(machine, execution, end)
        refused = not isinstance(failure, (RolledBackError, RollbackFailedError))
        closing.show_commands(machine, execution, kept, refused=refused)
        closing.show_undo(machine, kept)
        failure.record = dict(result)
        _blame_infrastructure(machine, end, failure)
        raise failure
    if untested := execution.input.get("untested"):
        digests = promoted(execution.input)
        what = short(execution.input["digest"]) if len(digests) == 1 else f"{len(digests)} functions"
        machine.console.warn(f"{what} {'was' if len(digests) == 1 else 'were'} promoted {untested}")
    closing.show_undo(machine, kept)
    closing.show_promoted(machine, execution, kept)
    return result


def _blame_infrastructure(machine: StateMachine, end: PromotionOutcome, failure: StepladderError) -> None:
    """Add a likely cause to a failed smoke case: infrastructure of its rung that is older than its settings."""
    failed = {split_target(t["environment"])[0] for t in end.targets if t.get("error") in _SMOKE}
    behind = [name for name in (infra.pending(machine) if failed else ()) if name in failed]
    if not behind:
        return
    again = "--infra --force" if end.outcome == "rolled_back" else "--infra"  # what failed in traffic is marked bad
    failure.message += f"; {root_changes.behind(behind)}"
    failure.hint = f"if that is the cause: `inv promote {again}` applies them, then promotes again; {failure.hint}"


def record(execution: Execution | None, end: PromotionOutcome | None, how: str, digest: str) -> PromotionRecord:
    """Return a promotion as one JSON record."""
    state = end.outcome if end else (how if how in {"unchanged", "prepared"} else "climbing")
    result: PromotionRecord = {"outcome": state, "how": how, "digest": digest}
    if execution:
        result["execution_arn"] = execution.arn
        result["name"] = execution.name
        result["release_id"] = execution.input["release_id"]
        result["git_commit"] = execution.input["git_commit"]
    if end:
        result["targets"] = [dict(target) for target in end.targets]
    return result


def _show_start(machine: StateMachine, started: StartResult, plan: PromotionPlan, applied: tuple[str, ...]) -> None:
    release = started.release
    rungs = " -> ".join("+".join(rung) for rung in machine.rung.settings.rungs)
    if started.execution is None and started.how != "prepared":
        if left := infra.pending(machine):
            machine.console.warn(f"{root_changes.behind(left)}; `inv promote --infra` applies them")
        runs = "what the lowest rung runs" if not plan.subjects else short(release.digest)
        machine.console.line(f"nothing to do: {rungs} run {runs} already")
        return
    _show_unreleased(machine, plan.unreleased if started.how in {"started", "prepared"} else (), applied)
    verbs = {"started": "promoting", "joined": "joined the promotion of", "prepared": "prepared the promotion of"}
    what = f"{verbs[started.how]} {subject_words(plan.subjects, plan.subject)}: {rungs}"
    if started.execution is None:
        machine.console.line(what)
        return
    machine.console.line(f"{what}  [{started.execution.name}]")
    show_link(machine, started.execution.arn)


def _show_unreleased(machine: StateMachine, targets: Sequence[str], applied: tuple[str, ...]) -> None:
    """Say which targets get their first release: of more than a few how many."""
    for key in targets[:_SHOWN] if len(targets) <= _SHOWN else ():
        made = "was created" if split_target(key)[0] in applied else "has a service"
        machine.console.line(
            f"{key} {made} and was never released: its first release goes live at once, with no canary"
        )
    if len(targets) > _SHOWN:
        machine.console.line(
            f"{len(targets)} functions were never released there: first releases go live at once, with no canary"
        )


def show_link(machine: StateMachine, arn: str) -> None:
    """Print the way to an execution's page in the AWS console; a local cloud has none."""
    if link := machine.link(arn):
        machine.console.link("this promotion in the AWS console", link)
