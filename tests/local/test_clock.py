"""The clock: real time, or faster."""

from __future__ import annotations

import queue
import threading
import time
from functools import partial

import pytest

from localcloud import speed as speeds
from localcloud.clock import CloudClock
from stepladder.core.errors import BadInputError


def test_a_fast_clock_sleeps_ten_minutes_in_a_moment() -> None:
    clock = CloudClock(speed=6000)
    began, cloud_began = time.monotonic(), clock.now()
    assert clock.sleep(600)
    assert time.monotonic() - began < 60
    assert clock.now() - cloud_began >= 600


def test_a_change_of_speed_wakes_whoever_sleeps() -> None:
    clock = CloudClock()
    sleeper = threading.Thread(target=clock.sleep, args=(600,))
    sleeper.start()
    clock.set_speed(100_000)
    sleeper.join(60)
    assert not sleeper.is_alive()


def test_time_never_jumps_when_the_speed_changes() -> None:
    clock = CloudClock(speed=1000)
    before = clock.now()
    clock.set_speed(1)
    assert 0 <= clock.now() - before < 100


def test_a_cancelled_sleep_says_so() -> None:
    clock, cancel = CloudClock(), threading.Event()
    threading.Timer(0.05, cancel.set).start()
    assert not clock.sleep(600, cancel=cancel)


def test_a_call_later_comes_later_unless_it_is_cancelled() -> None:
    clock, called = CloudClock(speed=1000), threading.Event()
    clock.call_later(60, called.set)
    assert called.wait(60)
    called.clear()
    clock.call_later(600, called.set).set()
    assert not called.wait(0.9)


def test_one_thread_waits_for_all_calls_and_keeps_their_order() -> None:
    clock, called = CloudClock(), queue.SimpleQueue[int]()
    waiting = {n: clock.call_later(n, partial(called.put, n)) for n in (300, 100, 200, 900)}
    waiting[100].set()
    clock.advance(250)
    assert called.get(timeout=30) == 200
    clock.advance(100)
    assert called.get(timeout=30) == 300
    assert called.empty()


@pytest.mark.parametrize("speed", [0, -1, 1e9])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed"):
        CloudClock().set_speed(speed)


@pytest.mark.parametrize("seconds", [1e30, -1.0, float("nan"), float("inf")])
def test_a_clock_goes_ahead_to_a_time_that_dates_can_say(seconds: float) -> None:
    clock = CloudClock()
    with pytest.raises(ValueError, match="year 3000"):
        clock.advance(seconds)
    assert clock.utcnow().year < 3000


@pytest.mark.parametrize("typed", ["0", "-1", "fast", "nan", "inf", "1e9", "60 s"])
def test_a_speed_that_no_clock_can_have_is_bad_input(typed: str) -> None:
    with pytest.raises(BadInputError, match="is no speed"):
        speeds.parse(typed)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("1", "1 (real time)"),
        ("60", "60 (a canary of 5 minutes takes 5 s)"),
        ("40x", "40 (a canary of 5 minutes takes 7.5 s)"),
        ("0.05", "0.05 (a canary of 5 minutes takes 100 minutes)"),
        ("600", "600 (a canary of 5 minutes takes 0.5 s)"),
    ],
)
def test_a_speed_is_told_by_what_it_makes_of_a_canary(typed: str, told: str) -> None:
    assert speeds.describe(speeds.parse(typed)) == told
