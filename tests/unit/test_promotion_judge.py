"""The comparison of two versions: pass, fail, or inconclusive, which is no pass."""

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepladder.promotion.judge import (
    FAIL,
    INCONCLUSIVE,
    PASS,
    Limits,
    Minute,
    Window,
    chance,
    judge,
    judge_baking,
    percent,
    slow_limit,
)

LIMITS = Limits(error_rate=0.5, p99=1.5, minimum=100)
VERSIONS = ("8", "7")


def window(*minutes, first=0):
    return Window({f"{first + at:04}": minute for at, minute in enumerate(minutes)})


def verdict(new, old, limits=LIMITS):
    return judge(new, old, limits, 300.0, VERSIONS)


def test_the_same_rate_passes():
    assert verdict(window(Minute(200, 1, 2)), window(Minute(1800, 9, 18))).word == PASS


def test_a_higher_error_rate_fails_with_both_rates_in_numbers():
    found = verdict(window(Minute(210, 13)), window(Minute(1890, 4)))
    assert found.word == FAIL
    assert found.why == "version 8: 6.2% errors in 210 requests, version 7 0.2% in 1,890"


def test_more_slow_requests_fail_with_the_limit_in_numbers():
    found = verdict(window(Minute(210, 0, 26)), window(Minute(1890, 0, 17)))
    assert found.word == FAIL
    assert found.why == (
        "version 8: 12.4% of 210 requests took over 300 ms (1.5 times the p99 of version 7), version 7 0.9% of 1,890"
    )


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (window(), window()),
        (window(Minute(99)), window(Minute(5000))),
        (window(Minute(5000)), window(Minute(99))),
        (window(Minute(5000)), window(Minute(5000), first=1)),
    ],
    ids=["no data", "few of the new", "few of the old", "not the same minutes"],
)
def test_too_few_requests_in_the_same_minutes_are_no_pass(new, old):
    found = verdict(new, old)
    assert found.word == INCONCLUSIVE
    assert found.why.startswith("too few requests to compare: ")


def test_a_difference_that_may_be_chance_is_no_pass():
    found = verdict(window(Minute(100, 3)), window(Minute(900, 2)))
    assert found.word == INCONCLUSIVE
    assert found.why.endswith("which may be chance")


def test_a_clear_failure_needs_no_minimum():
    assert verdict(window(Minute(12, 5)), window(Minute(2000, 1))).word == FAIL


def test_a_p99_of_a_few_requests_says_nothing():
    new, old = window(Minute(6, 0, 5)), window(Minute(2000, 0, 2))
    assert verdict(new, old).word == INCONCLUSIVE
    assert verdict(window(Minute(100, 0, 83)), old).word == FAIL


def test_a_difference_within_what_is_tolerated_passes():
    assert verdict(window(Minute(100_000, 400)), window(Minute(900_000, 900))).word == PASS


def test_what_fails_for_both_in_the_same_minutes_speaks_against_neither():
    """The new version has most of its requests in the later minutes, when the database is away."""
    new, old = window(Minute(10, 0), Minute(900, 450)), window(Minute(990, 0), Minute(100, 50))
    assert verdict(new, old).word == PASS
    assert 450 / 910 > 50 / 1090 * 10  # as totals alone they would differ ten times


def test_requests_of_new_environments_compare_errors_and_no_durations():
    warm, cold = Minute(200, 0, 2), Minute(50, 0, 0, warming=50)
    assert verdict(window(warm, cold), window(Minute(1800, 0, 18), Minute(450, 0, 0, warming=450))).word == PASS
    slow = verdict(window(cold, Minute(120, 0, 26)), window(cold, Minute(1890, 0, 17)))
    assert slow.why.startswith("version 8: 21.7% of 120 requests took over 300 ms"), "a share of those that count"
    few = verdict(window(Minute(900, 0, 0, warming=900), Minute(99)), window(Minute(5000), Minute(5000)))
    assert (few.word, few.why.partition(",")[0]) == (
        INCONCLUSIVE,
        "too few requests to compare: 99 of version 8 and 10",
    )
    assert verdict(window(Minute(200, 60, 0, warming=200)), window(Minute(900, 1, 0, warming=900))).word == FAIL


OLD_SHIFT = (Minute(900, 1), Minute(900, 1))
NEW_SHIFT = (Minute(100, 0), Minute(100, 0))


def baking(*minutes):
    return judge_baking(window(*NEW_SHIFT, *minutes), window(*OLD_SHIFT), LIMITS, 300.0, VERSIONS)


def test_a_version_that_stays_worse_in_the_bake_fails_by_what_the_old_one_did_before():
    found = baking(*[Minute(1000, 40)] * 12)
    assert found.word == FAIL
    assert found.why == "version 8: 4.0% errors in 6,000 requests, version 7 0.1% in 1,800"
    assert baking(*[Minute(1000, 0, 90)] * 12).word == FAIL


def test_what_fails_for_a_while_in_the_bake_is_held_against_nobody():
    good = Minute(1000, 1)
    assert baking(*[Minute(1000, 200, 500)] * 6, *[good] * 6).word == PASS
    quick_ones_fail = [Minute(1000, 200, 0)] * 6, [Minute(1000, 1, 8)] * 6
    assert baking(*quick_ones_fail[0], *quick_ones_fail[1]).word == PASS, "each measure leaves out its own minutes"
    assert baking(*[Minute(1000, 400)] * 11).word == INCONCLUSIVE, "too early: the alarms watch it meanwhile"
    assert baking(*[good] * 12).word == PASS


def test_minutes_without_durations_do_not_hide_slow_ones_in_the_bake():
    cold = Minute(1000, 0, 0, warming=1000)
    assert baking(*[cold] * 6, *[Minute(1000, 0, 90)] * 6).word == FAIL


def test_the_slow_limit_is_so_much_over_the_old_p99_and_never_a_few_milliseconds():
    assert slow_limit(200.0, LIMITS) == 300.0
    assert slow_limit(4.0, LIMITS) == 54.0
    assert slow_limit(None, LIMITS) == 50.0


@pytest.mark.parametrize(("share", "text"), [(0, "0.0%"), (0.00001, "under 0.1%"), (0.061, "6.1%"), (1, "100.0%")])
def test_a_share_that_is_not_zero_is_never_written_as_zero(share, text):
    assert percent(share) == text


def fisher(requests, cases, others, other_cases):
    """The one-sided exact test by counting, as a book has it."""
    whole = math.comb(requests + others, cases + other_cases)
    most = min(requests, cases + other_cases)
    ways = (math.comb(requests, k) * math.comb(others, cases + other_cases - k) for k in range(cases, most + 1))
    return sum(ways) / whole


counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))
strata = st.tuples(counts, counts).map(lambda pair: (*pair[0], *pair[1]))


@given(strata)
@settings(max_examples=60, deadline=None)
def test_one_minute_is_fishers_exact_test(stratum):
    assert chance([stratum]) == pytest.approx(fisher(*stratum), abs=1e-9)


@given(st.lists(strata, min_size=2, max_size=3))
@settings(max_examples=30, deadline=None)
def test_several_minutes_are_their_exact_distribution(minutes):
    observed = sum(cases for _, cases, _, _ in minutes)
    each = []
    for requests, cases, others, other_cases in minutes:
        total = cases + other_cases
        low, high = max(0, total - others), min(requests, total)
        whole = math.comb(requests + others, total)
        each.append([(k, math.comb(requests, k) * math.comb(others, total - k) / whole) for k in range(low, high + 1)])
    expected = sum(
        math.prod(p for _, p in combination)
        for combination in itertools.product(*each)
        if sum(k for k, _ in combination) >= observed
    )
    assert chance(minutes) == pytest.approx(expected, abs=1e-9)


@given(strata, st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_more_errors_of_the_new_version_never_make_it_look_better(stratum, more):
    requests, cases, others, other_cases = stratum
    worse = (requests, min(requests, cases + more), others, other_cases)
    assert chance([worse]) <= chance([stratum]) + 1e-9


def test_large_counts_are_judged_as_small_ones_are():
    small = chance([(50, 30, 50, 20)] * 16)
    large = chance([(50, 30, 50, 20)] * 17 * 4)
    assert small < 1e-8
    assert 0 <= large < 1e-50
    assert chance([(50, 25, 50, 25)] * 100) == pytest.approx(0.5, abs=0.02)


def test_equal_versions_fail_as_seldom_as_is_promised():
    """Errors come and go in bursts for both alike; the new version has a tenth of the traffic."""
    random.seed(26)
    failed = 0
    for _ in range(300):
        new, old = [], []
        for minute in range(10):
            rate = 0.15 if minute in (4, 5) else 0.01
            new.append(Minute(20, sum(random.random() < rate for _ in range(20))))
            old.append(Minute(180, sum(random.random() < rate for _ in range(180))))
        failed += verdict(window(*new), window(*old)).word == FAIL
    assert failed <= 1
