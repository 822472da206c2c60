"""The story of what only the ledger knows: a command's release, a promotion whose history is gone, a lost lock."""

from __future__ import annotations

from collections.abc import Callable

from stepladder.core import aws
from stepladder.core.clock import seconds_of
from stepladder.core.names import split_target
from stepladder.ledger import schema
from stepladder.promotion.contract import CUT_OFF as CUT_OFF_STATUSES
from stepladder.promotion.contract import ENDS
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.report import rungs
from stepladder.report.story import CUT_OFF, RUNNING, UNKNOWN_END, Story, TargetPhase, TargetStory
from stepladder.report.subject import ReportSubject

BAD = frozenset({schema.FAILED, schema.ROLLED_BACK, schema.ROLLBACK_FAILED, "refused"})
"""The results of a target that does not serve what was released."""
_KEPT_DAYS = 90
_DAY = 86400.0


def attempt(unknown: list[str], what: str, act: Callable[[], None]) -> None:
    """Read something; what may not be read, is out of reach, or not understood, is noted as a sentence."""
    try:
        act()
    except Exception as error:
        explained = aws.known_error(error)
        if explained is None:
            raise
        unknown.append(f"{what} can't be read: {explained.message}")


def end_of(execution: Execution) -> str:
    """Return how an execution ended, as its own end says it."""
    if execution.is_running or execution.status == "PENDING_REDRIVE":
        return RUNNING
    if execution.status == "SUCCEEDED":
        return "promoted"
    if execution.error in ENDS:
        return ENDS[execution.error]
    return CUT_OFF if execution.status in CUT_OFF_STATUSES else UNKNOWN_END


def of_release(machine: StateMachine, subject: ReportSubject) -> Story:
    """Return the story of a command's release, or of a promotion of which only the ledger is left."""
    entries = list(subject.entries.values())
    first = entries[0]
    unknown = list(subject.unread)
    if subject.gone:
        unknown.append(_gone(subject.gone, max(seconds_of(e.ended_at) for e in entries), machine.rung.clock.now()))
    targets = []
    for entry in entries:
        environment, _ = split_target(entry.environment)
        known = rungs.is_known(machine, entry.environment)
        function = rungs.at(machine, entry.environment).names.function if known else ""
        began, ended = seconds_of(entry.started_at), seconds_of(entry.ended_at)
        targets.append(
            TargetStory(
                key=entry.environment,
                function=function,
                rung=environment,
                result=entry.result,
                cause=entry.cause,
                failed_state=entry.failed_step,
                failed_at=ended if entry.result in BAD else 0.0,
                digest=entry.digest,
                version=entry.version,
                previous_version=entry.previous_version,
                began=began,
                ended=ended,
                phases=(TargetPhase(entry.kind, began, max(0.0, ended - began)),),
                entry=entry,
            )
        )
    results = {entry.result for entry in entries}
    order = (schema.ROLLBACK_FAILED, schema.ROLLED_BACK, schema.FAILED, schema.UNKNOWN, schema.SUCCEEDED)
    commits = sorted({entry.git_commit for entry in entries if entry.git_commit})
    return Story(
        release_id=first.release_id,
        name=subject.gone.rpartition(":")[2],
        kind=first.kind,
        end=next((result for result in order if result in results), UNKNOWN_END),
        rungs=(tuple(entry.environment for entry in entries),),
        targets=tuple(targets),
        requested_by=first.requested_by,
        git_commit=", ".join(commits),
        digest=first.digest if len({entry.digest for entry in entries}) == 1 else "",
        began=min(target.began for target in targets),
        ended=max(target.ended for target in targets),
        arn=subject.gone,
        remarks=tuple(
            dict.fromkeys(
                e.skipped_ladder and f"past the ladder: {e.skipped_ladder}" for e in entries if e.skipped_ladder
            )
        ),
        holder=subject.holder,
        unknown=tuple(dict.fromkeys(unknown)),
    )


def _gone(arn: str, ended: float, now: float) -> str:
    name = arn.rpartition(":")[2]
    if now - ended > _KEPT_DAYS * _DAY:
        return f"the history of {name} is gone: Step Functions keeps one for {_KEPT_DAYS} days after its end"
    return f"Step Functions does not have execution {name}: its history is unknown"


def of_lock(subject: ReportSubject) -> Story:
    """Return the story of which a lock is left, or an execution that isn't a promotion's."""
    holder, execution = subject.holder, subject.execution
    unknown = list(subject.unread)
    if subject.gone:
        unknown.append(f"Step Functions does not have execution {subject.gone.rpartition(':')[2]}")
    if execution:
        unknown.append(f"execution {execution.name} was started with an input that is no promotion's")
    return Story(
        release_id=subject.release_id,
        name=execution.name if execution else subject.gone.rpartition(":")[2],
        kind=holder.command if holder else "",
        end=CUT_OFF if holder else end_of(execution) if execution else UNKNOWN_END,
        rungs=((subject.held,),) if subject.held else (),
        targets=(),
        requested_by=holder.owner if holder else "",
        began=seconds_of(holder.since) if holder else execution.started if execution else 0.0,
        ended=execution.stopped if execution else 0.0,
        error=execution.error if execution else "",
        cause=execution.cause if execution else "",
        arn=execution.arn if execution else "",
        holder=holder,
        unknown=tuple(unknown),
    )
