"""Rungs in other accounts and regions: released by child executions there, on all targets of a rung or on none."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import pytest
import rows

from stepladder.commands import status
from stepladder.core.process_identity import release_id
from stepladder.promotion import definition, evidence, ladder, stop
from stepladder.promotion import outcome as outcomes
from stepladder.promotion.ladder import PromotionRequest

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
BROKEN_AT_ONCE = """
def handler(event, context):
    if context.function_name.endswith('-%s'):
        raise ValueError('broken there')
    return {'statusCode': 200}
"""
BROKEN_IN_TRAFFIC = BROKEN_AT_ONCE.replace("function_name.endswith('-%s')", "invoked_function_arn.endswith('-%s:live')")
ACCOUNT, REGION = "222222222222", "eu-central-1"
RUNG = ("prodeu", "produs")  # at home, and in another region; the rung below is in another account
RUNGS = ["staging", "qa", list(RUNG)]
AWAY = {"qa": (ACCOUNT, "us-east-1"), "produs": ("123456789012", REGION)}


@pytest.fixture
def spread(make_project):
    return make_project("spread", rungs=RUNGS, remote=AWAY)


def newest(project, name):
    return next(iter(project.ledger(name).history(name, limit=1)))


def results(project, names=RUNG):
    return {name: newest(project, name).result for name in names}


def test_accounts_in_sequence_and_regions_in_parallel_are_released_by_child_executions(spread, before, unique):
    digest = spread.ship(unique(GOOD))
    ended = spread.promote()
    assert ended.code == 0, ended.message + ended.text
    assert {spread.digest(name) for name in ("qa", *RUNG)} == {digest}
    assert set(results(spread, ("qa", *RUNG)).values()) == {"succeeded"}
    parent = ended.record["execution_arn"]
    for name in AWAY:
        child = spread.child(parent, name)
        entry = newest(spread, name)
        assert (entry.execution_arn, entry.release_id) == (child, ended.record["release_id"])
        assert "AwaitDecision" in spread.entered(child, name)
        assert f"{name}  " in ended.text, "its child execution is drawn too"
    machine = spread.state_machine()
    audited = evidence.read(machine, machine.pick(ended.record["name"]))
    assert {execution.arn for execution in audited.children} == {spread.child(parent, name) for name in AWAY}
    tracks = [track for replayed in audited.replays for track in replayed.tracks.values()]
    assert {track.environment for track in tracks if track.locked} == {"staging", "qa", *RUNG}
    before(spread, "prodeu").check_quiet()
    assert spread.promote().record["outcome"] == "unchanged"


@pytest.mark.parametrize("broken", [False, True])
def test_rungs_elsewhere_that_were_never_released_get_their_first_release_there(broken, spread, before, unique):
    digest = spread.ship(unique(BROKEN_IN_TRAFFIC % "produs" if broken else GOOD))
    for name in AWAY:
        spread.forget(name)
    ended = spread.promote()
    assert ended.code == (3 if broken else 0), ended.message
    assert spread.digest("qa") == digest
    assert spread.alias("produs")[0] == "$LATEST" if broken else spread.digest("produs") == digest
    assert results(spread)["produs"] == ("rolled_back" if broken else "succeeded")
    assert "CreateDeployment" not in spread.entered(spread.child(ended.record["execution_arn"], "produs"), "produs")
    before(spread, "prodeu").check_quiet()
    spread.ship(unique(GOOD))
    assert spread.promote().code == 0, "the fix is released, there too"


def test_status_reads_each_rung_in_its_own_place(spread):
    found = {seen.environment: seen for seen in status.read([spread.rung(name) for name in ("staging", "qa", *RUNG)])}
    for name, seen in found.items():
        assert (seen.problem, seen.version) == ("", spread.alias(name)[0])
    assert found["qa"].digest == spread.digest("qa")


@pytest.mark.parametrize(
    ("bad", "outcome"),
    [("qa", "failed"), ("qa", "rolled_back"), ("prodeu", "rolled_back"), ("produs", "failed")],
    ids=lambda value: {"failed": "before its traffic", "rolled_back": "after its traffic"}.get(value, value),
)
def test_when_one_fails_those_in_other_places_are_put_back(bad, outcome, spread, before, unique):
    source = BROKEN_AT_ONCE if outcome == "failed" else BROKEN_IN_TRAFFIC
    spread.ship(unique(source % bad))
    was = [before(spread, name) for name in (("qa",) if bad == "qa" else RUNG)]
    ended = spread.promote()
    assert ended.code == (4 if (bad, outcome) == ("qa", "failed") else 3), ended.message + ended.text
    assert bad in ended.message
    assert "broken there" in ended.message
    for each in was:
        each.check_unmoved()
    siblings = ("qa",) if bad == "qa" else RUNG
    assert results(spread, siblings) == {name: outcome if name == bad else "rolled_back" for name in siblings}


STATES = {s.name: s for s in definition.states(definition.load())}
RELAYED = {n: s for n, s in STATES.items() if s.body.get("Parameters", {}).get("FunctionName") == "${relay_arn}"}
KINDS = {
    "throttled": {"kind": "throttle"},
    "denied": {"kind": "access_denied"},
    "malformed": {"kind": "malformed"},
}


@dataclass(frozen=True)
class Scene:
    """How a broken state ends: exit code, what the ledgers say of home's target and of the other, calls broken.

    `also` is denied besides, to get there. `heard` is the code when only an answer is
    lost. `hasty` gives up after few looks.
    """

    code: int
    here: str
    there: str
    count: int = 0
    also: str = ""
    heard: int | None = None
    hasty: bool = False


SCENES = {
    # whether the child execution was begun or not, it is ended, and its sibling rolled back
    "StartChild": Scene(3, "rolled_back", "rolled_back"),
    # polls may fail: the child execution goes on
    "PollChild": Scene(0, "succeeded", "succeeded", count=7),
    "SendDecision": Scene(0, "succeeded", "succeeded", count=7),
    # a question whose answer was lost is asked again, and answered again
    "AwaitDecision": Scene(3, "rolled_back", "rolled_back", heard=0),
    # nobody could say what became of it: a person must look
    "RecoverChild": Scene(5, "rolled_back", "", also="start"),
    "RecoverChildAfterDecision": Scene(5, "succeeded", "rolled_back", also="tell", hasty=True),
}


def aim(name: str) -> dict[str, Any]:
    """Return the fault rule's aim: the call that a state makes, of the target in another region."""
    if name == "AwaitDecision":
        return {"service": "dynamodb", "action": "PutItem", "body": '"verdict"', "count": 0}
    payload = STATES[name].body["Parameters"]["Payload"]
    body = f'"action": "{payload["action"]}"'
    return {"service": "lambda", "action": "Invoke", "body": body, "count": 0}


def be_hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up on a child execution after a few polls."""
    real = ladder._location

    def hasty(*args: Any) -> dict[str, Any] | None:
        location = real(*args)
        return location | {"look_seconds": 1, "max_looks": 6} if location else None

    monkeypatch.setattr(ladder, "_location", hasty)


def test_every_state_that_asks_another_place_has_a_scene():
    assert set(RELAYED) | {"AwaitDecision"} == set(SCENES)


@pytest.fixture
def regions(make_project):
    """One rung over two regions: only its target elsewhere meets the faults."""
    return make_project("regions", rungs=["staging", list(RUNG)], remote={"produs": AWAY["produs"]})


@pytest.mark.parametrize(("name", "kind"), rows.of_faults(SCENES, tuple(KINDS)))
def test_a_promotion_ends_well_with(name, kind, cloud, regions, before, unique, eventually, monkeypatch):
    how = SCENES[name]
    if how.hasty:
        be_hasty(monkeypatch)
    digest = regions.ship(unique(GOOD))
    was = [before(regions, each) for each in RUNG]
    heard = kind == "malformed" and how.heard is not None
    rules = [aim(name) | KINDS[kind] | {"count": 1 if heard else how.count}]
    if how.also:
        rules.append(
            {"service": "lambda", "action": "Invoke", "body": f'"action": "{how.also}"', "count": 0}
            | {"kind": "access_denied"}
        )
    cloud.faults(*rules)
    ended = regions.promote()
    cloud.faults()
    parent = ended.record["execution_arn"]
    child = regions.child(parent, "produs")
    entered = regions.entered(parent) + (regions.entered(child, "produs") if name == "AwaitDecision" else [])
    assert name in entered, f"the promotion never came to {name}: {ended.message}"
    assert ended.code == (how.heard if heard else how.code), ended.message
    if how.code == 5:
        machine = regions.state_machine()
        outcomes.recover_cut_off(
            machine, machine.describe(parent)
        )  # what is still under way there is ended by whoever looks
    eventually(lambda: not regions.running())
    was[0].check_quiet()
    there = "succeeded" if heard else how.there
    here = "succeeded" if heard else how.here
    released = {"prodeu": here == "succeeded", "produs": there == "succeeded"}
    for each in was:
        if released[each.environment]:
            assert regions.digest(each.environment) == digest
        else:
            assert regions.alias(each.environment) == each.alias
    assert newest(regions, "prodeu").result == here
    entry = regions.ledger("produs").find("produs", ended.record["release_id"])
    assert entry is None or entry.result in (there, "failed")
    assert not ended.code or "produs" in ended.message


def test_a_child_execution_that_gives_no_answer_in_time_is_ended(monkeypatch, cloud, regions, before, unique):
    be_hasty(monkeypatch)
    regions.ship(unique(GOOD))
    was = [before(regions, each) for each in RUNG]
    cloud.faults(
        {"service": "lambda", "action": "Invoke", "body": '"action": "look"', "count": 0, "kind": "access_denied"}
    )
    ended = regions.promote()
    assert ended.code == 3, ended.message
    assert "gave no answer in time" in ended.message
    for each in was:
        each.check_unmoved()


def test_a_child_execution_that_gets_no_decision_rolls_its_release_back(regions, before, unique, eventually):
    """Its parent is gone, and nothing told it: no rule, nobody at a keyboard."""
    was = before(regions, "produs")
    uri = regions.push(unique(GOOD), at="produs")
    told = ladder.execution_input(
        regions.settings, PromotionRequest(release_id(time.time()), uri.rpartition("@")[2], "c0ffee", "jo")
    )
    target = next(t for r in told["rungs"] for t in r["targets"] if t["environment"] == "produs")
    release = {key: told[key] for key in told if key not in ("rungs", "release_id")} | {"id": told["release_id"]}
    parent = f"{regions.machine.replace(':stateMachine:', ':execution:')}:gone"
    event = {"action": "start", "execution_arn": parent, "release": release, "target": target | {"verdict_seconds": 20}}
    answer = regions.client("lambda", "produs").invoke(
        FunctionName=f"{regions.name}-pipeline-relay", Payload=json.dumps(event).encode()
    )
    assert b"execution_arn" in answer["Payload"].read()
    child = regions.child(parent, "produs")
    describe = regions.client("stepfunctions", "produs").describe_execution
    eventually(lambda: describe(executionArn=child)["status"] != "RUNNING")
    assert describe(executionArn=child)["error"] == "RolledBack"
    assert "no decision in time" in newest(regions, "produs").cause
    was.check_unmoved()


def test_a_promotion_that_is_killed_ends_its_child_executions_too(regions, before, unique, eventually):
    regions.ship(unique(GOOD))
    was = [before(regions, each) for each in RUNG]
    promotion = regions.in_background()
    eventually(lambda: any(":produs-" in arn for arn in regions.running()))
    (parent,) = [arn for arn in regions.running() if ":produs-" not in arn]
    regions.client("stepfunctions").stop_execution(executionArn=parent)
    ended = promotion.result()
    assert ended.code in (3, 4), ended.message
    eventually(lambda: not regions.running())
    for each in was:
        eventually(lambda each=each: regions.ledger(each.environment).snapshot(each.environment).lock is None)
        each.check_unmoved()


def test_stopping_a_promotion_stops_its_child_executions(regions, before, unique, eventually):
    regions.ship(unique(GOOD))
    was = [before(regions, each) for each in RUNG]
    promotion = regions.in_background()
    eventually(lambda: any(":produs-" in arn for arn in regions.running()))
    machine = regions.state_machine()
    _, end = stop.stop(machine, machine.pick(running=True), "a test")
    promotion.result()
    eventually(lambda: not regions.running())
    if end.outcome != "promoted":
        for each in was:
            each.check_unmoved()


def test_no_rung_can_be_skipped_though_what_is_below_is_elsewhere(spread, unique, eventually):
    uri = spread.push(unique(GOOD))
    told = ladder.execution_input(
        spread.settings, PromotionRequest("20261122T000000Z-0000bb", uri.rpartition("@")[2], "c0ffee", "jo")
    )
    states = spread.client("stepfunctions")
    started = states.start_execution(
        stateMachineArn=spread.machine, input=json.dumps(told | {"rungs": told["rungs"][-1:]})
    )
    eventually(lambda: states.describe_execution(executionArn=started["executionArn"])["status"] != "RUNNING")
    found = states.describe_execution(executionArn=started["executionArn"])
    assert found["error"] == "RefusedBeforeTraffic"
    assert found["cause"].count("qa, the rung below, runs") == 2


def test_the_primary_asks_another_location_whether_an_image_may_be_promoted_there(spread, unique):
    uri = spread.push(unique(GOOD))
    told = ladder.execution_input(
        spread.settings, PromotionRequest("20261122T000000Z-0000cc", uri.rpartition("@")[2], "c0ffee", "jo")
    )
    target = next(t for r in told["rungs"] for t in r["targets"] if t["environment"] == "qa")
    event = {"action": "check", "release": told | {"id": told["release_id"]}, "targets": [target]}
    answer = spread.client("lambda").invoke(
        FunctionName=f"{spread.name}-pipeline-validate", Payload=json.dumps(event).encode()
    )
    said = json.loads(answer["Payload"].read())
    assert said["errorType"] == "RefusedError"
    assert "is not in" in said["errorMessage"], "it lies at home only"
