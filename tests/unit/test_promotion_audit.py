"""An audit of promotions that were recorded: each promise held, and each seen violated by one thing that is falsified.

The recordings in data/promotions-v0.1.0.json.gz have the states and data that v0.1.0's definition has: for each
promotion what DescribeExecution answered, the events of its history with the data that matters, and its rungs.
"""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stepladder.core.clock import stamp
from stepladder.ledger.schema import Bad, Current, Holder, ReleaseEntry, SentCommand
from stepladder.promotion import audit, history, observe
from stepladder.promotion.audit import HELD, UNKNOWN, VIOLATED, judge
from stepladder.promotion.evidence import Evidence, Unread
from stepladder.promotion.invariants import INVARIANTS
from stepladder.promotion.observation import ObservedDeployment, ObservedRung, PublishedVersion
from stepladder.promotion.replay import _SERVES, of_this_function, replay

RECORDED = json.loads(gzip.decompress((Path(__file__).parent / "data" / "promotions-v0.1.0.json.gz").read_bytes()))
KINDS = tuple(invariant.kind for invariant in INVARIANTS)


class StepFunctions:
    """Answers of Step Functions, as they were recorded."""

    def __init__(self, recorded):
        self.recorded = recorded

    def describe_execution(self, executionArn):  # noqa: N803 - AWS's name
        assert executionArn == self.recorded["describe"]["executionArn"]
        return self.recorded["describe"]


def rung(raw):
    kinds = {"lock": Holder, "current": Current}
    told = {name: kinds[name](**raw[name]) if raw[name] else None for name in kinds}
    told["releases"] = of_this_function(tuple(ReleaseEntry(**entry) for entry in raw["releases"]))
    told["versions"] = {number: PublishedVersion(**version) for number, version in raw["versions"].items()}
    told["deployments"] = tuple(ObservedDeployment(**one) for one in raw["deployments"])
    return ObservedRung(**{**raw, **told})


def evidence(name, change=lambda found: None, **rungs):
    """Return what was recorded of a promotion; `change` falsifies it, `rungs` replace attributes of a rung."""
    recorded = RECORDED[name]
    found = Evidence(observe.observe_execution(StepFunctions(recorded), recorded["describe"]["executionArn"]))
    found.rungs = {name: rung(raw) for name, raw in recorded["rungs"].items()}
    for environment, changes in rungs.items():
        found.rungs[environment] = replace(found.rungs[environment], **changes)
    change(found)
    events = [event | {"timestamp": datetime.fromtimestamp(event["timestamp"], UTC)} for event in recorded["events"]]
    found.replays = [replay(found.execution, json.loads(recorded["describe"]["input"]), found.rungs, events)]
    return found


def states(found):
    return {one.invariant.kind: one.state for one in judge(found)}


def entries(name, **changes):
    """Return production's entries, the promotion's own one changed."""
    own, *older = [ReleaseEntry(**raw) for raw in RECORDED[name]["rungs"]["production"]["releases"]]
    return (replace(own, **changes), *older)


def sent(name):
    """Return a release command of production's newest version, which was never answered."""
    own = entries(name)[0]
    return SentCommand(own.release_id, "migrate", own.digest, own.version, "begun", "jo@laptop", own.started_at, "one")


ENDS = {
    "a first release": "promoted",
    "promoted": "promoted",
    "rolled back": "rolled_back",
    "refused": "refused",
    "cut off": "cut_off",
}


@pytest.mark.parametrize(("name", "end"), ENDS.items())
def test_a_recorded_promotion_keeps_every_promise(name, end):
    found = evidence(name)
    assert found.end == end
    assert found.steps > 5
    assert states(found) == dict.fromkeys(KINDS, HELD)


def test_every_step_of_a_target_is_replayed_with_what_it_serves_then():
    (replayed,) = evidence("promoted").replays
    steps = [
        (rung.version, tuple(rung.weights), bool(rung.lock), len(rung.deployments))
        for _, observation in replayed.observations
        for rung in observation.rungs
        if rung.environment == "production"
    ]
    old, new = steps[0][0], steps[-1][0]
    assert old != new
    assert list(dict.fromkeys(steps)) == [
        (old, (), True, 0),  # locked, updated, tested
        (old, (new,), True, 0),  # a deployment is asked for
        (new, (), True, 0),  # verified
        (new, (), False, 0),  # recorded, unlocked
    ]


def test_what_holds_is_shown_with_what_was_seen():
    shown = {one.invariant.kind: one.seen for one in judge(evidence("rolled back"))}
    assert "production serves version " in shown["named"]
    assert shown["all-or-none"] == "staging unchanged; production rolled back"
    assert shown["five-ends"] == "it ended rolled back"
    assert shown["converges"] == "its end is exit code 3"
    assert "was marked bad at" in shown["never-bad"] or "has no mark" in shown["never-bad"]


def test_every_promise_has_a_sentence_of_what_was_seen():
    assert set(audit._SHOWN) == set(KINDS)


def execution(**changes):
    def change(found):
        found.execution = replace(found.execution, **changes)

    return change


def marked(found):
    found.marks[found.execution.digest] = Bad("2026-01-01T00:00:00Z", "jo@laptop", "it fails")


def another_promotion(name):
    """Return production's entries and one more promotion's, which ended in the middle of the recorded one."""
    found = evidence(name)
    (track,) = [track for track in found.replays[0].tracks.values() if track.environment == "production"]
    other = replace(entries(name)[0], release_id="20200101T000000Z-000000", deployment_id="d-OTHER")
    middle = stamp((track.locked + track.unlocked) / 2)
    return (*entries(name), replace(other, result="rolled_back", ended_at=middle))


def left_twice():
    """Return production's entries and another release between, which left the version that the promotion left."""
    own, *older = entries("promoted")
    between = replace(own, release_id=older[0].release_id[:-1] + "f", version="77", kind="deploy", execution_arn="")
    assert older[0].release_id < between.release_id < own.release_id
    return (own, between, *older)


OWN = RECORDED["promoted"]["describe"]["executionArn"]
LOCK = Holder("jo", "Step Functions", "", 0, OWN, "promote", "2026-11-26T03:00:00Z", 9)
SPLIT = (("staging", "production"),)
FALSIFIED = {
    "named: the alias serves a version that nobody names": ("named", "promoted", {"production": {"version": "99"}}),
    "named: the ledger has no entry of what was released": (
        "named",
        "promoted",
        {"production": {"releases": entries("promoted")[1:]}},
    ),
    "named: the entry names another version than was published": (
        "named",
        "promoted",
        {"production": {"releases": entries("promoted", version="99")}},
    ),
    "one-holder: another promotion ended a release while this one held the lock": (
        "one-holder",
        "promoted",
        {"production": {"releases": another_promotion("promoted")}},
    ),
    "one-holder: another release left the same version before, and nothing came back to it": (
        "one-holder",
        "promoted",
        {"production": {"releases": left_twice()}},
    ),
    "all-or-none: a target of the rung is kept, the other isn't": (
        "all-or-none",
        "promoted",
        {
            "change": execution(rungs=SPLIT),
            "staging": {"releases": (replace(entries("promoted")[0], environment="staging", result="rolled_back"),)},
        },
    ),
    "five-ends: the state machine broke": (
        "five-ends",
        "refused",
        {"change": execution(error="States.Runtime")},
    ),
    "never-bad: the image was marked before": ("never-bad", "promoted", {"change": marked}),
    "true-ledger: the entry says that it was rolled back": (
        "true-ledger",
        "promoted",
        {"production": {"releases": entries("promoted", result="rolled_back")}},
    ),
    "true-ledger: the entry says that it succeeded": (
        "true-ledger",
        "rolled back",
        {"production": {"releases": entries("rolled back", result="succeeded")}},
    ),
    "true-ledger: the entry names another image": (
        "true-ledger",
        "promoted",
        {"production": {"releases": entries("promoted", digest="sha256:" + "0" * 64)}},
    ),
    "command-first: the version's release command has no answer": (
        "command-first",
        "promoted",
        {"production": {"commands": (sent("promoted"),)}},
    ),
    "nothing-left: a deployment is in flight": (
        "nothing-left",
        "promoted",
        {"production": {"deployments": (ObservedDeployment("d-1"),)}},
    ),
    "judged: a canary without a judgement kept its release": (
        "judged",
        "promoted",
        {"production": {"releases": entries("promoted", cause="CanaryInconclusiveError: too few requests")}},
    ),
    "nothing-left: traffic is split": ("nothing-left", "promoted", {"production": {"weights": {"1": 0.1}}}),
}


@pytest.mark.parametrize(("kind", "name", "changes"), FALSIFIED.values(), ids=FALSIFIED)
def test_a_promise_is_seen_violated(kind, name, changes):
    found = evidence(name, **changes)
    (judged,) = [one for one in judge(found) if one.invariant.kind == kind]
    assert judged.state == VIOLATED, judged
    assert judged.seen


LATER = {
    "five-ends: a promotion that was cut off holds its lock": ("five-ends", execution(status="ABORTED", error="")),
    "converges: it ended as no promotion does": ("converges", execution(status="FAILED", error="States.Runtime")),
}


@pytest.mark.parametrize(("kind", "change"), LATER.values(), ids=LATER)
def test_what_one_more_command_ends_is_unknown(kind, change):
    (judged,) = [
        one for one in judge(evidence("promoted", change, production={"lock": LOCK})) if one.invariant.kind == kind
    ]
    assert judged.state == UNKNOWN
    assert "`inv promote.watch --name production-" in judged.seen


def test_every_promise_is_falsified_or_left_to_one_more_command():
    assert {kind for kind, *_ in (*FALSIFIED.values(), *LATER.values())} == set(KINDS)


def test_a_promotion_that_runs_is_judged_by_what_always_holds():
    found = states(evidence("promoted", execution(status="RUNNING", outcomes=())))
    assert {kind for kind, state in found.items() if state == UNKNOWN} == set(KINDS) - set(audit._ALWAYS)
    assert VIOLATED not in found.values()


def test_a_lock_that_somebody_else_holds_now_is_nothing_that_the_promotion_left():
    other = replace(LOCK, run_id="a deploy", host="laptop", command="inv deploy")
    assert states(evidence("promoted", production={"lock": other})) == dict.fromkeys(KINDS, HELD)


def test_an_alias_that_a_person_is_known_to_have_moved_breaks_nothing():
    found = evidence("promoted", production={"version": "1"})
    assert states(found)["named"] == VIOLATED
    assert [one for one in judge(found, frozenset({"production"})) if one.state != HELD] == []


def test_what_may_not_be_read_is_said_and_hides_no_violation():
    found = evidence("promoted", production={"version": "99"})
    found.unread = [Unread("the history can't be read: AccessDenied", frozenset({"one-holder"}))]
    told = states(found)
    assert (told["named"], told["one-holder"], told["all-or-none"]) == (VIOLATED, UNKNOWN, HELD)
    found.unread = [Unread("staging can't be read: AccessDenied")]
    assert states(found)["all-or-none"] == UNKNOWN


def test_a_forced_promotion_of_a_marked_image_is_held_and_says_so():
    def forced(found):
        marked(found)
        found.execution = replace(found.execution, force=True)

    (judged,) = [one for one in judge(evidence("promoted", forced)) if one.invariant.kind == "never-bad"]
    assert (judged.state, "and the promotion was forced" in judged.seen) == (HELD, True)


def test_entries_of_a_function_that_was_made_anew_are_no_history():
    first, second = entries("promoted")[-1], entries("promoted")[0]
    old = replace(first, release_id="20190101T000000Z-000000", version=second.version, digest="sha256:" + "0" * 64)
    assert old not in of_this_function((second, first, old))
    assert of_this_function((second, first, old))[-1] == first


def test_an_output_that_was_shortened_says_nothing_and_breaks_nothing():
    recorded = RECORDED["promoted"]
    found = evidence("promoted")
    events = [event | {"timestamp": datetime.fromtimestamp(event["timestamp"], UTC)} for event in recorded["events"]]
    for event in events:
        if "output" in event.get("stateExitedEventDetails", {}):
            event["stateExitedEventDetails"] = event["stateExitedEventDetails"] | {"output": '{"facts": {"prev'}
    replayed = replay(found.execution, json.loads(recorded["describe"]["input"]), found.rungs, events)
    assert replayed.observations == []
    assert [track.locked for track in replayed.tracks.values()] == [0.0, 0.0]


def test_the_phrases_that_say_what_an_alias_serves_are_phrases_of_states():
    assert set(_SERVES) <= {*history._PHRASES.values(), history.SHIFTING}
