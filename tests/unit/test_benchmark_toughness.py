"""The table of toughness says what a deployment under a fault really left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "benchmarks")]

from faulted import CONVERGES, REFUSES, WRONG, Ended, State, judged  # noqa: E402
from injections import INJECTIONS, REASON, STACK, UPDATE, Injection  # noqa: E402

BEFORE = State("old", succeeded=True, serving="old")
LIVE = State("new", succeeded=True, serving="new")
UNMOVED = State("new", succeeded=True, serving="old")
FAILED = State("new", succeeded=False, serving="old")
THROTTLED, TWICE = INJECTIONS[0], INJECTIONS[-1]
NAMED = "Error: TooManyRequestsException: Rate exceeded"


@pytest.mark.parametrize(
    ("injection", "exits", "text", "after", "seconds", "word"),
    [
        (THROTTLED, (0,), "", LIVE, 1, CONVERGES),
        (THROTTLED, (0,), "", UNMOVED, 1, WRONG),
        (THROTTLED, (0,), "", BEFORE, 1, WRONG),
        (THROTTLED, (0,), "", FAILED, 1, WRONG),
        (THROTTLED, (1,), NAMED, BEFORE, 1, REFUSES),
        (THROTTLED, (1,), "it broke", BEFORE, 1, "fails"),
        (THROTTLED, (1,), NAMED, UNMOVED, 1, "fails, $LATEST left changed"),
        (THROTTLED, (1,), "it broke", LIVE, 1, "fails, though live"),
        (THROTTLED, (1,), NAMED, BEFORE, 61, "hangs 61 s"),
        (THROTTLED, (-1,), "", FAILED, 75, "hangs 75 s, $LATEST left changed"),
        (INJECTIONS[3], (1,), REASON, FAILED, 1, "fails, $LATEST left changed"),
        (TWICE, (0, 0), "", LIVE, 1, CONVERGES),
        (TWICE, (0, 7), "the lock is held", LIVE, 1, REFUSES),
        (TWICE, (7, 7), "the lock is held", BEFORE, 1, "fails"),
    ],
)
def test_the_word_is_of_the_state_and_not_of_the_exit_code_alone(
    injection: Injection, exits: tuple[int, ...], text: str, after: State, seconds: float, word: str
) -> None:
    assert judged(injection, BEFORE, after, Ended(exits, text), seconds).word == word


def test_a_fault_that_hit_no_call_proves_nothing() -> None:
    assert judged(THROTTLED, BEFORE, LIVE, Ended((0,), "", met=False), 1).word == "the fault wasn't met (converges)"


def test_the_line_is_the_error_that_names_the_cause() -> None:
    text = f"building\n\x1b[31m{NAMED} (/home/me/app/x.py)\x1b[0m\nsee the log of 429\ndone"
    assert judged(THROTTLED, BEFORE, BEFORE, Ended((1,), text), 1).line == f"{NAMED} (x.py)"
    assert judged(THROTTLED, BEFORE, LIVE, Ended((0,), text), 1).line == "done"


def test_the_line_names_no_folder_no_person_and_no_machine() -> None:
    text = "the lock of staging is held by jo@laptop.local (process 12) since noon"
    assert judged(THROTTLED, BEFORE, LIVE, Ended((0,), text), 1).line == text.replace("jo@laptop.local", "somebody")


def test_a_fault_is_put_on_the_calls_that_the_tool_makes_itself() -> None:
    for by_stack, (service, actions) in ((False, UPDATE), (True, STACK)):
        rules = THROTTLED.rules(by_stack=by_stack)
        assert [(rule["service"], rule["action"]) for rule in rules] == [(service, action) for action in actions]
