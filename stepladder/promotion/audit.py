"""Audit a promotion: judge each promise by what was read of it.

A promise is held, violated, or unknown: the promotion still runs, something may not be read, or the next command brings
it to an end.
"""

from __future__ import annotations

from dataclasses import dataclass

from stepladder.core.errors import ExitCode
from stepladder.core.release_facts import short
from stepladder.promotion.evidence import Evidence
from stepladder.promotion.invariants import INVARIANTS, Invariant, Moment, violations
from stepladder.promotion.observation import CommandRun, Observation

HELD, VIOLATED, UNKNOWN = "held", "violated", "unknown"
CODES = {
    "promoted": ExitCode.OK,
    "unchanged": ExitCode.OK,
    "rolled_back": ExitCode.ROLLED_BACK,
    "refused": ExitCode.REFUSED,
    "rollback_failed": ExitCode.ROLLBACK_FAILED,
    "unknown": ExitCode.FAILED,
}
_ALWAYS = ("named", "one-holder", "never-bad", "command-first", "judged")
"""The promises that can be judged while a promotion runs."""


@dataclass(frozen=True)
class Judged:
    """One promise: its state, and in a sentence what was seen. `more` are further sentences of the same kind."""

    invariant: Invariant
    state: str
    seen: str
    more: tuple[str, ...] = ()


def judge(evidence: Evidence, edited: frozenset[str] = frozenset()) -> tuple[Judged, ...]:
    """Judge each promise. `edited` are environments whose alias a person is known to have moved."""
    now, moment = _now(evidence, edited), Moment.ALWAYS if evidence.execution.runs else Moment.AT_REST
    broken: dict[int, list[str]] = {}
    for when, observation in (*(one for each in evidence.replays for one in each.observations), (moment, now)):
        for violation in violations(observation, when):
            texts = broken.setdefault(violation.invariant.number, [])
            if violation.seen not in texts:
                texts.append(violation.seen)
    later = {v.invariant.number: v.seen for v in violations(_own(evidence, now), Moment.AFTER_ONE_MORE_RUN)}
    return tuple(_judged(one, evidence, broken.get(one.number, []), later.get(one.number, "")) for one in INVARIANTS)


def _now(evidence: Evidence, edited: frozenset[str]) -> Observation:
    """Return the project as it is; of other releases of the image nobody knows whether they were forced."""
    entries = [entry for rung in evidence.rungs.values() for entry in rung.releases]
    execution, code = evidence.execution, CODES.get(evidence.end)
    return Observation(
        rungs=tuple(evidence.rungs.values()),
        executions=(execution, *evidence.children, *evidence.others),
        marks=evidence.marks,
        runs=() if code is None else (CommandRun(f"promotion {execution.name}", code, execution.error),),
        edited=edited,
        ever_edited=frozenset(evidence.rungs),  # which version left which before is no business of this promotion
        forced=frozenset(entry.release_id for entry in entries if entry.release_id != execution.release_id),
    )


def _own(evidence: Evidence, now: Observation) -> Observation:
    """Return what the promotion left: a lock that somebody else holds now is no part of that."""
    rungs = tuple(rung for rung in now.rungs if not rung.lock or rung.lock.run_id in evidence.own)
    executions = (evidence.execution, *evidence.children)
    return Observation(rungs, executions, now.marks, runs=now.runs, edited=now.edited, forced=now.forced)


def _judged(invariant: Invariant, evidence: Evidence, broken: list[str], later: str) -> Judged:
    watch = f"`inv promote.watch --name {evidence.execution.name}`"
    unread = [one.why for one in evidence.unread if not one.kinds or invariant.kind in one.kinds]
    if broken:
        return Judged(invariant, VIOLATED, broken[0], tuple(broken[1:]))
    if evidence.execution.runs and invariant.kind not in _ALWAYS:
        return Judged(invariant, UNKNOWN, f"the promotion still runs: {watch}")
    if unread:
        return Judged(invariant, UNKNOWN, unread[0], tuple(unread[1:]))
    if later and not evidence.execution.runs:
        return Judged(invariant, UNKNOWN, f"{later}; one more command ends that: {watch}")
    return Judged(invariant, HELD, _SHOWN[invariant.kind](evidence))


def _named(evidence: Evidence) -> str:
    serves = ", ".join(
        f"{rung.environment} serves version {rung.version or 'none'}" for rung in evidence.rungs.values()
    )
    return f"in {evidence.steps} steps and now: {serves}"


def _one_holder(evidence: Evidence) -> str:
    held = [track.environment for one in evidence.replays for track in one.tracks.values() if track.locked]
    return f"it held the lock of {', '.join(held)}, and nobody else ended a release then" if held else "it held no lock"


def _all_or_none(evidence: Evidence) -> str:
    return "; ".join(
        " + ".join(f"{name} {_result(evidence, name)}" for name in rung if name in evidence.rungs)
        for rung in evidence.execution.rungs
        if set(rung) & set(evidence.rungs)
    )


def _result(evidence: Evidence, environment: str) -> str:
    own = evidence.rungs[environment].entry(evidence.execution.release_id)
    return own.result.replace("_", " ") if own else "unchanged"


def _five_ends(evidence: Evidence) -> str:
    if evidence.end == "cut_off":
        return f"it was cut off ({evidence.execution.status}) and brought to an end: {_all_or_none(evidence)}"
    return f"it ended {evidence.end.replace('_', ' ')}"


def _converges(evidence: Evidence) -> str:
    if evidence.end == "cut_off":
        return "nothing of it is left that a command would have to end"
    return f"its end is exit code {CODES[evidence.end]:d}"


def _never_bad(evidence: Evidence) -> str:
    digest = next(iter(evidence.marks), evidence.execution.digest)  # of several functions one that has a mark
    digest, mark = short(digest), evidence.marks.get(digest)
    if mark and evidence.execution.force:
        return f"{digest} was marked bad at {mark.marked_at}, and the promotion was forced"
    return f"{digest} was marked bad at {mark.marked_at}, not before it" if mark else f"{digest} has no mark"


def _true_ledger(evidence: Evidence) -> str:
    return "; ".join(
        f"{rung.environment}: version {rung.current.version} is {short(rung.current.digest)}"
        if rung.current
        else f"{rung.environment}: nothing is current"
        for rung in evidence.rungs.values()
    )


def _nothing_left(_: Evidence) -> str:
    return "no deployment, no split traffic, no lock"


def _canary(evidence: Evidence) -> str:
    release = evidence.execution.release_id
    entries = [entry for rung in evidence.rungs.values() if (entry := rung.entry(release))]
    ended = [f"{entry.environment} {entry.result}: {entry.cause}" for entry in entries if "Canary" in entry.cause]
    return "; ".join(ended) or "no canary failed or was without a judgement"


def _command_first(evidence: Evidence) -> str:
    own = [
        f"{rung.environment}: {run.command} {run.outcome}"
        for rung in evidence.rungs.values()
        for run in rung.commands
        if run.release_id == evidence.execution.release_id
    ]
    return "; ".join(own) or "it sent no release command"


_SHOWN = {
    "named": _named,
    "one-holder": _one_holder,
    "all-or-none": _all_or_none,
    "five-ends": _five_ends,
    "converges": _converges,
    "never-bad": _never_bad,
    "true-ledger": _true_ledger,
    "nothing-left": _nothing_left,
    "command-first": _command_first,
    "judged": _canary,
}
"""What is said of each promise that holds. A test compares it with the promises."""
