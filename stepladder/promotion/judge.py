"""Judge a new version against the old one by what both answered in the same minutes: better, worse, or unclear.

Pure, and of the standard library only: the pipeline's function carries it. A minute in which one of the two answered
nothing compares nothing. Errors and slow requests are counts, so both are compared by one exact test: given how many
there were of each minute's requests, how likely would the new version have so many of them by chance? Minutes are
strata of that test. What failed for both at once, such as a database, so speaks against neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Word = Literal["pass", "fail", "inconclusive"]
PASS: Word = "pass"  # noqa: S105 - a judgement
FAIL: Word = "fail"
INCONCLUSIVE: Word = "inconclusive"

SURE = 0.0005
"""The largest chance at which a difference is held for none of chance. A shift is judged at each poll, often."""
DOUBTFUL = 0.01
"""A difference that is not sure, and less likely by chance than this, is no pass: more requests decide."""
LONG = 12
"""The minutes of a bake from which it is judged: what passes within six of them is held against nobody."""
SLOWEST = 0.01
"""The share of requests above a p99."""
_LARGE = 400.0  # a variance from which the normal distribution stands for the exact one
_TAIL = 1e-13  # what is left out of the exact distribution, on either side


@dataclass(frozen=True)
class Minute:
    """What one version answered in a minute. `slow` counts requests above the limit that the other one's p99 sets.

    `warming` are requests that new execution environments may have made slow, so that their durations compare nothing.
    """

    requests: int = 0
    errors: int = 0
    slow: int = 0
    warming: int = 0

    @property
    def timed(self) -> int:
        """The requests whose durations are compared."""
        return self.requests - self.warming


@dataclass(frozen=True)
class Window:
    """One version's minutes by their time, and its p99 in milliseconds over all of them; None without data."""

    minutes: Mapping[str, Minute]
    p99: float | None = None


@dataclass(frozen=True)
class Limits:
    """What is tolerated: `error_rate` percentage points more, `p99` times the old one. `minimum` requests of each.

    A sure difference in errors needs no minimum. A p99 of a few requests is the slowest of them, and says nothing.
    """

    error_rate: float = 0.5
    p99: float = 1.5
    minimum: int = 100


@dataclass(frozen=True)
class Totals:
    """What one version answered in all minutes that compare."""

    requests: int = 0
    errors: int = 0
    slow: int = 0
    timed: int = 0

    @property
    def error_rate(self) -> float:
        """Errors per request, 0 to 1."""
        return _share(self.errors, self.requests)


@dataclass(frozen=True)
class Judgement:
    """The verdict, and what it is based on as one sentence."""

    word: Word
    why: str
    new: Totals = Totals()
    old: Totals = Totals()


def judge(new: Window, old: Window, limits: Limits, slow_ms: float, versions: tuple[str, str]) -> Judgement:
    """Compare two windows. `slow_ms` is the limit above which `slow` counts; `versions` are new and old, by name."""
    shared = sorted(
        at for at, minute in new.minutes.items() if minute.requests and old.minutes.get(at, Minute()).requests
    )
    pairs = [(new.minutes[at], old.minutes[at]) for at in shared]
    return _judge(pairs, limits, slow_ms, versions, needs_minimum=True)


def judge_baking(new: Window, old: Window, limits: Limits, slow_ms: float, versions: tuple[str, str]) -> Judgement:
    """Compare a version that has all traffic with what the old one answered while it still had some.

    These are not the same minutes. What fails for a while would fail the old version as well, so the worse half of the
    new version's minutes counts for nothing, in errors and in slow requests each. What is worse in the rest stays so.
    """
    alone = [minute for at, minute in new.minutes.items() if not old.minutes.get(at, Minute()).requests]
    if len(alone) < LONG:
        return Judgement(INCONCLUSIVE, f"{len(alone)} of {LONG} minutes of the bake")
    before, timed = _sum(old.minutes.values()), [minute for minute in alone if minute.timed]
    fewest_errors = _better_half(alone, lambda minute: _share(minute.errors, minute.requests))
    least_slow = _better_half(timed, lambda minute: _share(minute.slow, minute.timed))
    errors = (replace(fewest_errors, slow=0), replace(before, slow=0))
    slow = (replace(least_slow, errors=0), replace(before, errors=0))
    judgement = _judge([errors], limits, slow_ms, versions, needs_minimum=False)
    if judgement.word == FAIL:
        return judgement
    return _judge([slow], limits, slow_ms, versions, needs_minimum=False)


def _better_half(minutes: list[Minute], share: Callable[[Minute], float]) -> Minute:
    return _sum(sorted(minutes, key=share)[: (len(minutes) + 1) // 2])


def slow_limit(old_p99: float | None, limits: Limits) -> float:
    """Return the milliseconds above which a request counts as slow: so much over the old p99, and 50 ms at least.

    A version's first requests meet new execution environments, which open connections and fill caches.
    """
    return max((old_p99 or 0.0) * limits.p99, (old_p99 or 0.0) + 50.0)


def _judge(
    pairs: list[tuple[Minute, Minute]],
    limits: Limits,
    slow_ms: float,
    versions: tuple[str, str],
    *,
    needs_minimum: bool,
) -> Judgement:
    new, old = _totals(pair[0] for pair in pairs), _totals(pair[1] for pair in pairs)
    errors = _chance([(a.requests, a.errors, b.requests, b.errors) for a, b in pairs])
    slow = _chance([(a.timed, a.slow, b.timed, b.slow) for a, b in pairs])
    more_errors = _difference([(a.requests, a.errors, b.requests, b.errors) for a, b in pairs]) * 100
    is_over = more_errors > limits.error_rate
    is_slow = _share(new.slow, new.timed) > SLOWEST
    if is_over and errors <= SURE:
        return Judgement(FAIL, _errors(new, old, versions), new, old)
    if is_slow and slow <= SURE and new.timed >= limits.minimum:
        return Judgement(FAIL, _slow(new, old, slow_ms, limits, versions), new, old)
    if needs_minimum and min(new.timed, old.timed) < limits.minimum:
        return Judgement(INCONCLUSIVE, _few(new, old, limits, versions), new, old)
    if is_over and errors <= DOUBTFUL:
        return Judgement(INCONCLUSIVE, f"{_errors(new, old, versions)}, which may be chance", new, old)
    if is_slow and slow <= DOUBTFUL:
        return Judgement(INCONCLUSIVE, f"{_slow(new, old, slow_ms, limits, versions)}, which may be chance", new, old)
    return Judgement(PASS, _errors(new, old, versions), new, old)


def chance(strata: Iterable[tuple[int, int, int, int]]) -> float:
    """Return how likely the new version has so many of the cases, or more, if it is no worse than the old one.

    Each stratum has the requests and the cases of the new version, then those of the old one. With the stratum's
    totals given, the new version's cases follow the hypergeometric distribution (Fisher); their sum over all strata
    follows the distributions' convolution. It is exact where counts are small, where an approximation would not be.
    """
    return _chance(list(strata))


def _chance(strata: list[tuple[int, int, int, int]]) -> float:
    counted = [each for each in strata if each[0] and each[2] and each[1] + each[3]]
    observed = sum(cases for _, cases, _, _ in counted)
    if not observed:
        return 1.0
    mean = variance = 0.0
    for requests, cases, others, other_cases in counted:
        total, all_cases = requests + others, cases + other_cases
        share = requests / total
        mean += all_cases * share
        if total > 1:
            variance += all_cases * share * (1 - share) * (total - all_cases) / (total - 1)
    if variance > _LARGE:
        return 0.5 * math.erfc((observed - 0.5 - mean) / math.sqrt(2 * variance))
    first, chances = 0, [1.0]
    for requests, cases, others, other_cases in counted:
        low, more = _hypergeometric(requests, others, cases + other_cases)
        first, chances = _trimmed(first + low, _convolved(chances, more))
    return min(1.0, math.fsum(chances[max(0, observed - first) :]))


def _hypergeometric(requests: int, others: int, cases: int) -> tuple[int, list[float]]:
    """Return the chances of the new version's count of cases, from the count that is returned first on."""
    low, high = max(0, cases - others), min(requests, cases)
    whole = _choose(requests + others, cases)
    chances = [
        math.exp(_choose(requests, count) + _choose(others, cases - count) - whole) for count in range(low, high + 1)
    ]
    return _trimmed(low, chances)


def _choose(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)


def _convolved(one: list[float], two: list[float]) -> list[float]:
    result = [0.0] * (len(one) + len(two) - 1)
    for at, first in enumerate(one):
        for further, second in enumerate(two):
            result[at + further] += first * second
    return result


def _trimmed(first: int, chances: list[float]) -> tuple[int, list[float]]:
    """Leave out what is next to impossible, so that a day of minutes stays quick to add up."""
    start, end = 0, len(chances)
    while end - start > 1 and chances[start] < _TAIL:
        start += 1
    while end - start > 1 and chances[end - 1] < _TAIL:
        end -= 1
    return first + start, chances[start:end]


def _difference(strata: list[tuple[int, int, int, int]]) -> float:
    """Return by how much the new version's rate is higher, minute by minute (Mantel and Haenszel's weights)."""
    weights = difference = 0.0
    for requests, cases, others, other_cases in strata:
        if requests and others:
            weight = requests * others / (requests + others)
            weights += weight
            difference += weight * (cases / requests - other_cases / others)
    return difference / weights if weights else 0.0


def _share(cases: int, requests: int) -> float:
    return cases / requests if requests else 0.0


def _totals(minutes: Iterable[Minute]) -> Totals:
    summed = _sum(minutes)
    return Totals(summed.requests, summed.errors, summed.slow, summed.timed)


def _sum(minutes: Iterable[Minute]) -> Minute:
    requests = errors = slow = warming = 0
    for minute in minutes:
        requests, errors = requests + minute.requests, errors + minute.errors
        slow, warming = slow + minute.slow, warming + minute.warming
    return Minute(requests, errors, slow, warming)


def _errors(new: Totals, old: Totals, versions: tuple[str, str]) -> str:
    one, other = versions
    return (
        f"version {one}: {percent(new.error_rate)} errors in {new.requests:,} requests, "
        f"version {other} {percent(old.error_rate)} in {old.requests:,}"
    )


def _slow(new: Totals, old: Totals, slow_ms: float, limits: Limits, versions: tuple[str, str]) -> str:
    one, other = versions
    shares = percent(_share(new.slow, new.timed)), percent(_share(old.slow, old.timed))
    return (
        f"version {one}: {shares[0]} of {new.timed:,} requests took over {slow_ms:,.0f} ms "
        f"({limits.p99:g} times the p99 of version {other}), version {other} {shares[1]} of {old.timed:,}"
    )


def _few(new: Totals, old: Totals, limits: Limits, versions: tuple[str, str]) -> str:
    one, other = versions
    warming = new.timed < new.requests or old.timed < old.requests
    return (
        f"too few requests to compare: {new.timed:,} of version {one} and {old.timed:,} of version {other} in "
        f"the same minutes{', the first two of each width left out' if warming else ''}, "
        f"{limits.minimum:,} of each are needed"
    )


def percent(share: float) -> str:
    """Write a share as people read it."""
    text = f"{share * 100:.1f}"
    return f"{text}%" if text != "0.0" or not share else "under 0.1%"
