"""What a project's aliases, ledger and promotions promise, as pure functions over what was observed of them.

Each promise is checked by the simulation after every step, and by whoever reads an account's own history. A promise
holds at a `Moment`: always, while nothing runs, or once one more command has run with nothing broken. Nothing here
calls AWS; `observation` holds what the functions read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from stepladder.core.release_facts import LATEST
from stepladder.ledger.schema import (
    BEGUN,
    FAILED,
    ROLLBACK,
    ROLLBACK_FAILED,
    ROLLED_BACK,
    SUCCEEDED,
    UNKNOWN,
    ReleaseEntry,
)
from stepladder.promotion import contract
from stepladder.promotion.observation import Observation, ObservedExecution, ObservedRung

ENDS = ("promoted", "unchanged", "refused", "rolled_back", "rollback_failed")
"""How a promotion ends."""
EXIT_CODES = (0, 3, 4, 5, 7)
"""Exit codes of a command whose AWS calls all work: done, rolled back, refused, rollback failed, lock held."""
_UNDONE = (FAILED, ROLLED_BACK)
_INCONCLUSIVE = "CanaryInconclusiveError"
_NOT_PASSED = ("CanaryFailedError", _INCONCLUSIVE)


class Moment(IntEnum):
    """When a promise holds. What holds earlier holds later too."""

    ALWAYS = 1
    AT_REST = 2  # no command and no execution runs
    AFTER_ONE_MORE_RUN = 3  # and one command has run since, with nothing broken


Seen = Iterator[tuple[Moment, str]]


@dataclass(frozen=True)
class Invariant:
    """One promise. `check` yields what breaks it, each with the moment from which on it does."""

    number: int
    kind: str
    sentence: str
    check: Callable[[Observation], Seen]


@dataclass(frozen=True)
class Violation:
    """A promise that was broken, and what was seen."""

    invariant: Invariant
    seen: str

    def __str__(self) -> str:
        """Say it on one line."""
        return f"{self.invariant.number} {self.invariant.kind}: {self.seen}"


def violations(observation: Observation, moment: Moment = Moment.ALWAYS) -> tuple[Violation, ...]:
    """Return what breaks the promises that hold at a moment."""
    return tuple(
        Violation(invariant, seen)
        for invariant in INVARIANTS
        for since, seen in invariant.check(observation)
        if since <= moment
    )


def end_of(execution: ObservedExecution) -> str:
    """Return which of the five ends an execution came to; empty for one that runs, was cut off, or broke."""
    if execution.status == "SUCCEEDED":
        return "promoted" if set(execution.outcomes) - {"unchanged"} else "unchanged"
    return contract.ENDS.get(execution.error, "") if execution.status == "FAILED" else ""


def _named(seen: Observation) -> Seen:
    for rung in seen.rungs:
        if rung.environment in seen.edited or not rung.version:
            continue
        known = _known(rung, seen)
        for version in {rung.version, *rung.weights} - known:
            yield Moment.ALWAYS, f"{rung.environment} serves version {version}; {_naming(rung)}"


def _known(rung: ObservedRung, seen: Observation) -> set[str]:
    """Return the versions that the ledger or the lock name."""
    known = {LATEST} if rung.current is None else {rung.current.version}
    newest = _newest(rung)
    if newest and (_is_stuck(rung) or rung.current is None):
        known |= {newest.version, newest.previous_version}
    if rung.lock:
        known |= {rung.lock.version, rung.lock.previous_version, rung.lock.moved_to}
        holder = next((e for e in seen.executions if e.arn == rung.lock.run_id), None)
        if holder:  # a promotion publishes under its release's id
            known |= {v for v, published in rung.versions.items() if published.release_id == holder.release_id}
    return known


def _naming(rung: ObservedRung) -> str:
    current = f"the ledger names version {rung.current.version}" if rung.current else "the ledger names none"
    if not rung.lock:
        return f"{current} and nobody holds the lock"
    return f"{current} and the lock, of {rung.lock.command}, version {rung.lock.version or 'none'}"


def _one_holder(seen: Observation) -> Seen:
    by_arn = {execution.arn: execution for execution in seen.executions}
    for rung in seen.rungs:
        if len(rung.deployments) > 1:
            yield Moment.ALWAYS, f"{rung.environment} has {len(rung.deployments)} deployments in flight"
        holder = by_arn.get(rung.lock.run_id) if rung.lock else None
        for deployment in rung.deployments:
            if deployment.release_id and (not holder or holder.release_id != deployment.release_id):
                who = f"{rung.lock.command} holds the lock" if rung.lock else "nobody holds the lock"
                what = f"deployment {deployment.id} of release {deployment.release_id} is in flight"
                yield Moment.ALWAYS, f"{rung.environment}: {what}, and {who}"
        if rung.environment not in seen.ever_edited:
            yield from _departures(rung)


def _departures(rung: ObservedRung) -> Seen:
    """Compare how often releases left a version with how often the alias came to it; a rollback may leave any."""
    good = [entry for entry in rung.releases if entry.result == SUCCEEDED and entry.version]
    arrivals = Counter(entry.version for entry in good)
    departures = Counter(entry.previous_version for entry in good if entry.kind != ROLLBACK)
    first = min(good, key=lambda entry: entry.release_id, default=None)
    if first:
        arrivals[first.previous_version] += 1
    for version, left in departures.items():
        if version in arrivals and left > arrivals[version]:
            text = f"{left} releases of {rung.environment} left version {version or LATEST}, which it came to"
            yield Moment.AT_REST, f"{text} {arrivals[version]} times"


def _all_or_none(seen: Observation) -> Seen:
    rungs = {rung.environment: rung for rung in seen.rungs}
    for execution in seen.executions:
        if execution.runs:
            continue
        for targets in execution.rungs:
            entries = [rungs[name].entry(execution.release_id) for name in targets if name in rungs]
            results = {entry.environment: entry.result for entry in entries if entry}
            kept = sorted(name for name, result in results.items() if result == SUCCEEDED)
            undone = sorted(name for name, result in results.items() if result in _UNDONE)
            if kept and undone and not _is_recorded(execution, results, kept):
                text = f"of release {execution.release_id} {', '.join(kept)} is kept and {', '.join(undone)} is not"
                yield Moment.AT_REST, text


def _is_recorded(execution: ObservedExecution, results: Mapping[str, str], kept: list[str]) -> bool:
    """Say whether a failed promotion's end says that a rung is split: a rollback failed, or it names what is kept."""
    if ROLLBACK_FAILED in (*results.values(), *execution.ended.values()):
        return True
    named = [name for name in results if execution.ended.get(name) == SUCCEEDED]
    return end_of(execution) in ("rolled_back", "refused") and sorted(named) == kept


def _five_ends(seen: Observation) -> Seen:
    holders = {rung.lock.run_id: rung.environment for rung in seen.rungs if rung.lock}
    for execution in seen.executions:
        if execution.runs or end_of(execution):
            continue
        if execution.status not in contract.CUT_OFF:
            yield Moment.ALWAYS, f"{execution.name} ended {execution.status} with {execution.error or 'no error'}"
        elif execution.arn in holders:
            text = f"{execution.name}, which was cut off, still holds {holders[execution.arn]}"
            yield Moment.AFTER_ONE_MORE_RUN, text


def _converges(seen: Observation) -> Seen:
    for run in seen.runs:
        if run.code not in EXIT_CODES:
            yield Moment.AFTER_ONE_MORE_RUN, f"`{run.command}` ended {run.code}: {run.message}"


def _never_bad(seen: Observation) -> Seen:
    forced = {execution.release_id for execution in seen.executions if execution.force} | seen.forced
    for rung in seen.rungs:
        for entry in rung.releases:
            mark = seen.marks.get(entry.digest)
            if not mark or entry.result != SUCCEEDED or entry.kind == ROLLBACK or entry.release_id in forced:
                continue
            if entry.started_at > mark.marked_at:
                text = f"{entry.release_id} took {entry.digest} to {rung.environment} at {entry.started_at}"
                yield Moment.ALWAYS, f"{text}; it is marked bad since {mark.marked_at}"


def _true_ledger(seen: Observation) -> Seen:
    for rung in seen.rungs:
        for entry in rung.releases:
            published = rung.versions.get(entry.version)
            if published and published.digest and published.digest != entry.digest:
                text = f"release {entry.release_id} of {rung.environment} says {entry.digest} of version"
                yield Moment.ALWAYS, f"{text} {entry.version}, which is {published.digest}"
        yield from _true_current(rung, seen)


def _true_current(rung: ObservedRung, seen: Observation) -> Seen:
    current = rung.current
    if not current:
        return
    entry = rung.entry(current.release_id)
    if entry is None or entry.result not in (SUCCEEDED, UNKNOWN):
        how = f"ended {entry.result}" if entry else "has no entry"
        yield Moment.ALWAYS, f"the current release of {rung.environment}, {current.release_id}, {how}"
    elif (entry.version, entry.digest) != (current.version, current.digest):
        text = f"release {current.release_id} of {rung.environment} is version {entry.version}"
        yield Moment.ALWAYS, f"{text} by its entry and {current.version} by `current`"
    explained = rung.lock or rung.environment in seen.edited or _is_stuck(rung)
    if rung.version != current.version and not explained:
        text = f"{rung.environment} serves version {rung.version}, and the ledger says {current.version}"
        yield Moment.AT_REST, text


def _is_stuck(rung: ObservedRung) -> bool:
    """Say whether the newest release ended with a rollback that failed: a person has to return to a release."""
    newest = _newest(rung)
    return newest is not None and newest.result == ROLLBACK_FAILED


def _newest(rung: ObservedRung) -> ReleaseEntry | None:
    """Return the newest release that had a version: a failed apply or build, which has none, moved nothing."""
    return next((entry for entry in rung.releases if entry.version), None)


def _nothing_left(seen: Observation) -> Seen:
    for rung in seen.rungs:
        weights = ", ".join(f"version {version} has {weight:.0%}" for version, weight in rung.weights.items())
        flight = [f"deployment {deployment.id} is in flight" for deployment in rung.deployments]
        excused = rung.lock or _is_stuck(rung) or rung.environment in seen.edited
        moment = Moment.AFTER_ONE_MORE_RUN if excused else Moment.AT_REST
        for text in (*flight, *filter(None, (weights,))):
            yield moment, f"{rung.environment}: {text}"
        if rung.lock:
            yield Moment.AFTER_ONE_MORE_RUN, f"{rung.environment}: {rung.lock.command} still holds the lock"


def _command_first(seen: Observation) -> Seen:
    for rung in seen.rungs:
        for run in rung.commands:
            if run.version in {rung.version, *rung.weights} and run.outcome in (BEGUN, FAILED):
                how = f"failed at {run.ended_at}" if run.outcome == FAILED else f"began at {run.began_at}, unanswered"
                text = f"{rung.environment} serves version {run.version}, whose release command {run.command} {how}"
                yield Moment.ALWAYS, text


def _judged(seen: Observation) -> Seen:
    for rung in seen.rungs:
        for entry in rung.releases:
            named = next((name for name in _NOT_PASSED if entry.cause.startswith(f"{name}:")), "")
            if named and entry.result == SUCCEEDED:
                text = f"release {entry.release_id} of {rung.environment} succeeded"
                yield Moment.ALWAYS, f"{text}, and its canary ended with {named}"
    for digest, mark in seen.marks.items():
        if _INCONCLUSIVE in mark.why:
            yield Moment.ALWAYS, f"{digest} is marked bad by a canary that had no judgement: {mark.why}"


INVARIANTS = (
    Invariant(1, "named", "An alias serves only versions that the ledger or the environment's lock names.", _named),
    Invariant(2, "one-holder", "No two holders of an environment's lock move its alias.", _one_holder),
    Invariant(
        3,
        "all-or-none",
        "A promotion releases all targets of a rung or none of them, or its end names those that keep the release.",
        _all_or_none,
    ),
    Invariant(
        4,
        "five-ends",
        "A promotion ends promoted, unchanged, refused, rolled back, or with a rollback that failed. One that was cut "
        "off is brought to one of these ends by the next command.",
        _five_ends,
    ),
    Invariant(
        5,
        "converges",
        "After any crash one more command ends with an exit code of its own: 0, 3, 4, 5 or 7.",
        _converges,
    ),
    Invariant(6, "never-bad", "An image that is marked bad is not released without `--force`.", _never_bad),
    Invariant(
        7,
        "true-ledger",
        "The ledger is true: `current` is a release that succeeded, each entry names its version's image, and the "
        "alias serves what `current` says.",
        _true_ledger,
    ),
    Invariant(
        8,
        "nothing-left",
        "Nothing is left in flight: no deployment, no split traffic, no lock.",
        _nothing_left,
    ),
    Invariant(
        9,
        "command-first",
        "A release command is sent at most once for a release of a target, and no version gets traffic before its "
        "command was done.",
        _command_first,
    ),
    Invariant(
        10,
        "judged",
        "A canary that failed or had no judgement keeps no release, and without a judgement it marks no digest bad.",
        _judged,
    ),
)
