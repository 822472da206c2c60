"""What an audit reads of a promotion: its history, its children's, the ledger, and what its aliases serve now."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stepladder.core.aws import error_code, explain
from stepladder.core.clock import seconds_of
from stepladder.core.errors import BadInputError
from stepladder.core.names import split_target
from stepladder.ledger.schema import Bad
from stepladder.ledger.table import Ledger
from stepladder.promotion import merged_history, observe, replay
from stepladder.promotion.contract import CUT_OFF, TargetInput, child_name
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.invariants import end_of
from stepladder.promotion.observation import ObservedExecution, ObservedRung
from stepladder.promotion.replay import Replay
from stepladder.promotion.subjects import promoted

_PAGE = 1000
_GONE = ("ExecutionDoesNotExist",)
_OF_A_HISTORY = frozenset({"named", "one-holder"})
_OF_A_MARK = frozenset({"never-bad"})


@dataclass(frozen=True)
class Unread:
    """What could not be read and why, and the promises that are unknown without it; none stands for all."""

    why: str
    kinds: frozenset[str] = frozenset()


@dataclass
class Evidence:
    """What was read of a promotion. `others` are promotions that hold a lock of its environments now."""

    execution: ObservedExecution
    rungs: dict[str, ObservedRung] = field(default_factory=dict)
    children: list[ObservedExecution] = field(default_factory=list)
    others: list[ObservedExecution] = field(default_factory=list)
    marks: dict[str, Bad] = field(default_factory=dict)
    replays: list[Replay] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """How many steps of targets were replayed."""
        return sum(len(one.observations) for one in self.replays)

    @property
    def own(self) -> frozenset[str]:
        """The ARNs of the promotion and of its children."""
        return frozenset({self.execution.arn, *(child.arn for child in self.children)})

    @property
    def end(self) -> str:
        """How the promotion ended: one of the five ends, `cut_off`, `running`, or `unknown`."""
        if self.execution.runs:
            return "running"
        return end_of(self.execution) or ("cut_off" if self.execution.status in CUT_OFF else "unknown")


def read(machine: StateMachine, execution: Execution, environment: str = "") -> Evidence:
    """Read a promotion and change nothing; `environment` is the only one that is read, if it is given.

    Raises `BadInputError` for an environment that is none of its targets. What may not be read is noted.
    """
    names = [target["environment"] for target in execution.targets]
    if environment and environment not in names:
        raise BadInputError(
            f"promotion {execution.name} has no target {environment!r}",
            kind="unknown-environment",
            hint=f"its targets: {', '.join(names)}",
        )
    described = machine.sfn.describe_execution(executionArn=execution.arn)
    evidence = Evidence(observe.as_observed(described))
    targets = [target for target in execution.targets if environment in ("", target["environment"])]
    for target in targets:
        _read_rung(machine, evidence, target["environment"], promoted(execution.input))
    with_history = f"the history of {execution.name}"
    _attempt(evidence, with_history, _OF_A_HISTORY, lambda: _replay(evidence, machine.sfn, described))
    for target in targets:
        if "place" in target and target["environment"] in evidence.rungs:
            _read_child(machine, evidence, target)
    return evidence


def _attempt(evidence: Evidence, what: str, kinds: frozenset[str], act: Callable[[], None]) -> None:
    """Read something; what may not be read, or is out of reach, is noted."""
    try:
        act()
    except Exception as error:
        explained = explain(error)
        if explained is None:
            raise
        evidence.unread.append(Unread(f"{what} can't be read: {explained.message}", kinds))


def _read_rung(machine: StateMachine, evidence: Evidence, name: str, digests: Mapping[str, str]) -> None:
    if split_target(name)[0] not in machine.settings.environments:
        evidence.unread.append(Unread(f"{name} is in the settings no longer"))
        return
    rung = machine.at(name)

    def now() -> None:
        observed = observe.observe_rung(rung)
        evidence.rungs[name] = replace(observed, releases=replay.of_this_function(observed.releases))
        holder = observed.lock.run_id if observed.lock else ""
        if ":execution:" in holder and holder != evidence.execution.arn:
            evidence.others.append(observe.observe_execution(rung.aws.client("stepfunctions"), holder))

    def marks() -> None:
        digest = digests[split_target(name)[1]]
        if mark := _mark_of_then(rung.ledger, digest, evidence.execution.release_id, evidence.rungs[name]):
            evidence.marks[digest] = mark

    _attempt(evidence, name, frozenset(), now)
    if name in evidence.rungs:
        _attempt(evidence, f"the marks in the ledger of {name}", _OF_A_MARK, marks)


def _mark_of_then(ledger: Ledger, digest: str, release_id: str, rung: ObservedRung) -> Bad | None:
    """Return the mark that an image has, or one that it had when its release began and that was removed since."""
    if mark := ledger.is_bad(digest):
        return mark
    own = rung.entry(release_id)
    began = seconds_of(own.started_at) if own else 0.0
    for was in ledger.unmarked(digest) if own else ():
        if seconds_of(was.marked_at) < began < seconds_of(was.unmarked_at):
            return Bad(was.marked_at, was.marked_by, was.marked_why)
    return None


def _read_child(machine: StateMachine, evidence: Evidence, target: TargetInput) -> None:
    """Replay the child execution of a target in another location; one that never began is no evidence."""
    name = target["environment"]
    rung = machine.at(name)
    arn = rung.names.execution_arn(child_name(evidence.execution.arn, name))
    sfn = rung.aws.client("stepfunctions")

    def child() -> None:
        try:
            described = sfn.describe_execution(executionArn=arn)
        except Exception as error:
            if error_code(error) not in _GONE:
                raise
            return
        evidence.children.append(observe.as_observed(described))
        _replay(evidence, sfn, described)

    _attempt(evidence, f"the child execution of {name}", _OF_A_HISTORY, child)


def _replay(evidence: Evidence, sfn: Any, described: Mapping[str, Any]) -> None:
    execution, started_with = observe.as_observed(described), json.loads(described["input"])
    events = merged_history.events(sfn, described["executionArn"], started_with)
    evidence.replays.append(replay.replay(execution, started_with, evidence.rungs, events))
