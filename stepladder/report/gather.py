"""Read the story of a release or a promotion: ledger, histories, child executions. Reads only; notes what it can't."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stepladder.core import aws
from stepladder.core.names import split_target
from stepladder.ledger import schema
from stepladder.ledger.schema import ReleaseEntry
from stepladder.promotion import merged_history, outcome
from stepladder.promotion.contract import ENDS, ExecutionInput, TargetInput, child_name
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.history import Target
from stepladder.promotion.subjects import promoted
from stepladder.report import of_ledger
from stepladder.report import visits as reading
from stepladder.report.of_ledger import BAD, attempt, end_of
from stepladder.report.story import CUT_OFF, NOT_REACHED, RUNNING, UNKNOWN_END, Story, TargetStory, Visit
from stepladder.report.subject import ReportSubject
from stepladder.report.visits import VisitReader

SIBLING = "SiblingFailed"
"""The error of a target that was put back with its rung."""
_MANY = 10  # targets of which each one's own history is read for a diagnosis
_PHRASED = {
    "released": schema.SUCCEEDED,
    "unchanged": "unchanged",
    "refused": schema.FAILED,
    "failed, nothing moved": schema.FAILED,
    "rolled back": schema.ROLLED_BACK,
    "ROLLBACK FAILED": schema.ROLLBACK_FAILED,
}
"""The results that the last phases of a history stand for."""


@dataclass
class _Read:
    """What was read of an execution so far."""

    visits: list[Visit] = field(default_factory=list)
    targets: dict[str, Target] = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)
    of_children: dict[str, list[Visit]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def story(machine: StateMachine, subject: ReportSubject, *, whole: bool = True) -> Story:
    """Return the story of a subject. One that isn't `whole` lacks the own histories of many targets that went well."""
    if subject.execution and "rungs" in subject.execution.input:
        return _of_promotion(machine, subject, subject.execution, whole=whole)
    return of_ledger.of_release(machine, subject) if subject.entries else of_ledger.of_lock(subject)


def _of_promotion(machine: StateMachine, subject: ReportSubject, execution: Execution, *, whole: bool) -> Story:
    outcomes = {each.get("environment", ""): each for each in outcome.targets_of(execution)}
    read = _Read(unknown=list(subject.unread))
    wanted = None if whole else _failed_keys(execution, outcomes, subject.entries)
    attempt(read.unknown, f"the history of {execution.name}", lambda: _read_history(machine, execution, read, wanted))
    for target in execution.targets:
        if "place" in target and (wanted is None or target["environment"] in wanted):
            _read_child(machine, execution, target, read)
    digests = promoted(execution.input)
    rungs = tuple(tuple(each["environment"] for each in rung["targets"]) for rung in execution.input["rungs"])
    end = end_of(execution)
    by_key: dict[str, list[Visit]] = {}
    for visit in read.visits:
        by_key.setdefault(visit.key, []).append(visit)
    targets = [
        _target(each, rung["name"], read, by_key.get(each["environment"], []), outcomes, subject.entries, end, digests)
        for rung in execution.input["rungs"]
        for each in rung["targets"]
    ]
    if end != RUNNING:
        read.unknown += _lost(targets)
    return Story(
        release_id=str(execution.input.get("release_id", "")),
        name=execution.name,
        kind=schema.PROMOTE,
        end=end,
        rungs=rungs,
        targets=tuple(targets),
        visits=tuple(read.visits),
        requested_by=str(execution.input.get("requested_by", "")),
        git_commit=str(execution.input.get("git_commit", "")),
        digest=str(execution.input.get("digest", "")),
        began=execution.started,
        ended=execution.stopped,
        error=execution.error,
        cause=execution.cause if execution.error not in ENDS else "",
        arn=execution.arn,
        remarks=_remarks(execution),
        links={"execution": link} if (link := machine.link(execution.arn)) else {},
        unknown=tuple(dict.fromkeys(read.unknown)),
    )


def _failed_keys(
    execution: Execution, outcomes: Mapping[str, Mapping[str, str]], entries: Mapping[str, ReleaseEntry]
) -> frozenset[str] | None:
    """Return which targets' own histories a diagnosis needs; None for all, where there are few."""
    if len(execution.targets) <= _MANY:
        return None
    failed = [key for key, each in outcomes.items() if each.get("error") != SIBLING and each.get("outcome") in BAD]
    failed = failed or [key for key, entry in entries.items() if entry.result in BAD]
    return frozenset(failed[:_MANY])


def _read_history(machine: StateMachine, execution: Execution, read: _Read, keys: frozenset[str] | None) -> None:
    reader = VisitReader(execution.input, execution.started)
    try:
        reader.read(merged_history.events(machine.sfn, execution.arn, execution.input, keys, data=False))
    finally:
        read.visits += reader.visits
        read.targets |= {target.environment: target for target in reader.view.targets}


def _read_child(machine: StateMachine, execution: Execution, target: TargetInput, read: _Read) -> None:
    """Read the child execution of a target in another location; one that never began says nothing."""
    key = target["environment"]
    rung = machine.at(key)
    arn = rung.names.execution_arn(child_name(execution.arn, key))
    sfn = rung.aws.client("stepfunctions")

    def child() -> None:
        try:
            described: Mapping[str, Any] = sfn.describe_execution(executionArn=arn)
        except Exception as error:
            if aws.error_code(error) != "ExecutionDoesNotExist":
                raise
            return
        started_with: ExecutionInput = json.loads(described["input"])
        reader = VisitReader(started_with, described["startDate"].timestamp())
        reader.read(merged_history.events(sfn, arn, started_with, data=False))
        read.children[key] = arn
        own_visits = [visit for visit in reader.visits if visit.key]
        read.visits += own_visits
        read.of_children[key] = own_visits
        for own in reader.view.targets:
            read.targets[own.environment] = replace(own, rung=target["environment"])

    attempt(read.unknown, f"the child execution of {key}", child)


def _target(
    target: TargetInput,
    rung: str,
    read: _Read,
    visits: list[Visit],
    outcomes: Mapping[str, Mapping[str, str]],
    entries: Mapping[str, ReleaseEntry],
    end: str,
    digests: Mapping[str, str],
) -> TargetStory:
    key = target["environment"]
    view, entry, ended = read.targets.get(key), entries.get(key), outcomes.get(key, {})
    turned = reading.failed(read.of_children.get(key, ())) or reading.failed(visits)
    moves = [visit.at for visit in visits if visit.state == "MoveTraffic"]
    now = max([view.ended, view.since, *(visit.left or visit.at for visit in visits)], default=0.0) if view else 0.0
    return TargetStory(
        key=key,
        function=target["function"],
        rung=rung,
        result=_result(view, entry, ended, end),
        error=ended.get("error", ""),
        cause=ended.get("cause", "") or (entry.cause if entry else ""),
        failed_state=turned.state if turned else "",
        failed_at=(turned.left or turned.at) if turned else 0.0,
        digest=target["release"]["digest"] if "release" in target else digests.get(split_target(key)[1], ""),
        version=entry.version if entry else "",
        previous_version=entry.previous_version if entry else "",
        began=view.began if view else 0.0,
        ended=view.ended if view else 0.0,
        phases=reading.phases(view, now) if view and view.phase else (),
        weights=reading.weights(view, moves) if view else (),
        entry=entry,
        child=read.children.get(key, ""),
    )


def _result(view: Target | None, entry: ReleaseEntry | None, ended: Mapping[str, str], end: str) -> str:
    if entry:
        return entry.result
    if given := ended.get("outcome"):
        return schema.FAILED if given == "refused" else given
    if view and view.phase in _PHRASED:
        return _PHRASED[view.phase]
    if view and view.phase:
        return {RUNNING: RUNNING, CUT_OFF: CUT_OFF}.get(end, UNKNOWN_END)
    return NOT_REACHED


def _lost(targets: Iterable[TargetStory]) -> list[str]:
    """Say of which targets the ledger should have an entry, and has none."""
    lost = [
        each.key for each in targets if each.entry is None and each.result in {schema.SUCCEEDED, *BAD} and each.phases
    ]
    released = [key for key in lost if key]
    if not released:
        return []
    shown = ", ".join(released[:5]) + (f" and {len(released) - 5} more" if len(released) > 5 else "")  # noqa: PLR2004
    return [f"the ledger has no entry of this release on {shown}: what is shown of it is from the execution"]


def _remarks(execution: Execution) -> tuple[str, ...]:
    given = execution.input
    return tuple(
        text
        for text in (
            "hotfix: all traffic at once, past the alarms" if given.get("hotfix") else "",
            "forced: an image that was marked bad may be released" if given.get("force") else "",
            str(given.get("untested", "")),
        )
        if text
    )
