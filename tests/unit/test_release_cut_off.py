"""What explains an alias after a run that was cut off: its lock, until the next run has written the ledger."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from fakes.errors import DENIED
from fakes.world import REPOSITORY, TABLE, World, digest

from stepladder.errors import StepladderError
from stepladder.releases import byhand, registered, status
from stepladder.releases.ledger import Ledger
from stepladder.releases.parts import Image
from stepladder.releases.rollback import Rollback

ENVIRONMENT = ("env#staging", "lock")


@pytest.fixture
def world(live: World) -> World:
    """A rung with versions 1 and 2."""
    live.source = "two"
    live.deploy()
    return live


def cut_off(world: World, act: Any, *, between: str = "TransactWriteItems") -> dict[str, Any]:
    """Act, and be killed before the named call: the lock stays as it was then. Returns the lock."""

    def killed() -> None:
        left.update(copy.deepcopy(world.table.tables[TABLE][ENVIRONMENT]))
        left["boot_id"], left["expires"] = {"S": "another boot"}, {"N": "1"}
        raise SystemExit

    left: dict[str, Any] = {}
    client = world.table if between in ("TransactWriteItems", "UpdateItem") else world.function
    client.before(between, killed)
    entries = {key for key in world.table.tables[TABLE] if key[1].startswith("release#")}
    with pytest.raises(SystemExit):
        act()
    for key in [key for key in world.table.tables[TABLE] if key[1].startswith("release#") and key not in entries]:
        del world.table.tables[TABLE][key]  # a killed process writes no failure down either
    world.table.tables[TABLE][ENVIRONMENT] = left
    return {name: next(iter(value.values())) for name, value in left.items()}


def deploy_cut_off(world: World, source: str = "three") -> dict[str, Any]:
    world.source = source
    return cut_off(world, world.deploy)


def versions(world: World) -> list[tuple[str, str, str, str]]:
    return [(r["kind"], r["previous_version"], r["version"], r["result"]) for r in world.releases[2:]]


def roll_back(world: World, **wanted: Any) -> Any:
    world.time.seconds += 1
    return Rollback(world.rung(), **wanted).run()


def test_the_lock_names_the_version_before_the_alias_moves(world: World) -> None:
    world.source = "three"
    lock = cut_off(world, world.deploy, between="UpdateAlias")
    assert (lock["version"], lock["previous_version"]) == ("3", "2")
    assert world.serves == digest("two")


def test_a_lock_of_a_rollback_names_its_version_too(world: World) -> None:
    lock = cut_off(world, lambda: roll_back(world), between="UpdateAlias")
    assert (lock["version"], lock["previous_version"]) == ("1", "2")


def test_status_explains_an_alias_that_the_ledger_doesn_t_know_by_the_lock(world: World) -> None:
    deploy_cut_off(world)
    (found,) = status.read([world.rung()])
    assert "the alias serves version 3, the ledger says 2: a deploy of" in found.drift
    assert "was about to serve version 3" in found.drift


def test_the_next_deploy_of_the_same_code_writes_down_what_was_cut_off(world: World) -> None:
    deploy_cut_off(world)
    report = world.deploy()
    assert (report.result, report.previous_version, report.version) == ("released", "2", "3")
    assert "was cut off after it had moved the alias to version 3" in world.said
    assert versions(world) == [("deploy", "2", "3", "succeeded")]
    assert not world.items("lock")
    assert world.deploy().result == "unchanged"
    assert sorted(world.aws.calls) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]


def test_the_next_deploy_of_other_code_leaves_it_in_the_ledger_as_a_rollback_s_target(world: World) -> None:
    deploy_cut_off(world)
    world.source = "four"
    assert world.deploy().version == "4"
    assert versions(world) == [("deploy", "2", "3", "succeeded"), ("deploy", "3", "4", "succeeded")]
    assert roll_back(world).version == "3"


def test_a_next_deploy_that_fails_leaves_the_alias_explained(world: World) -> None:
    deploy_cut_off(world)
    world.source = "four"
    world.function.fail("PublishVersion", DENIED)
    with pytest.raises(Exception, match="AccessDenied"):
        world.deploy()
    assert world.items("current")[0]["version"] == "3"
    assert world.serves == digest("three")


def test_a_release_by_hand_writes_down_what_was_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registered, "read", lambda _rung, d, _origin: Image(d, f"{REPOSITORY}@{d}", "abc", "key"))
    deploy_cut_off(world)
    world.time.seconds += 1
    byhand.release(world.rung(), version="1", no_smoke=True)
    assert versions(world) == [("deploy", "2", "3", "succeeded"), ("deploy", "3", "4", "succeeded")]


def test_a_rollback_after_it_returns_to_the_last_good_one_and_both_are_written_down(world: World) -> None:
    deploy_cut_off(world)
    assert roll_back(world).version == "2"
    assert versions(world) == [("deploy", "2", "3", "succeeded"), ("rollback", "3", "2", "succeeded")]
    assert world.rung().ledger.is_bad(digest("three"))
    assert not world.items("lock")


def test_a_rollback_that_was_cut_off_is_gone_on_with_by_the_next(world: World) -> None:
    world.source = "three"
    world.deploy()
    first = world.releases[0]["release_id"]
    cut_off(world, lambda: roll_back(world, to=first))
    assert world.serves == digest("one")
    report = roll_back(world)
    assert (report.previous_version, report.version) == ("3", "1")
    assert not world.items("lock")


def test_a_deploy_after_a_rollback_that_was_cut_off_writes_it_and_its_mark_down(world: World) -> None:
    cut_off(world, lambda: roll_back(world))
    world.source = "three"
    assert world.deploy().previous_version == "1"
    assert versions(world)[0] == ("rollback", "2", "1", "succeeded")
    assert world.rung().ledger.is_bad(digest("two"))


def test_a_lock_of_a_run_that_never_moved_the_alias_explains_nothing_and_is_given_back(world: World) -> None:
    world.source = "three"
    cut_off(world, world.deploy, between="UpdateAlias")
    world.source = "two"
    world.function.give(world.function.versions["2"]["ImageUri"])
    assert world.deploy().result == "unchanged"
    world.infra_inputs = "other"
    world.deploy()
    assert not world.items("lock")
    assert versions(world) == []


def test_a_ledger_that_can_t_be_written_leaves_the_lock_to_explain_it_and_holds_nobody_up(world: World) -> None:
    world.source = "three"
    world.table.fail("TransactWriteItems", DENIED)
    with pytest.raises(StepladderError, match="the ledger could not be written"):
        world.deploy()
    (lock,) = world.items("lock")
    assert (lock["version"], lock["expires"]) == ("3", "0")
    (found,) = status.read([world.rung()])
    assert "was about to serve version 3" in found.drift
    assert not found.lock, "nobody is at work"
    assert world.deploy().version == "3"
    assert versions(world) == [("deploy", "2", "3", "succeeded")]


def test_two_that_take_over_one_after_the_other_still_know_what_was_cut_off(world: World) -> None:
    deploy_cut_off(world)
    world.table.fail("TransactWriteItems", DENIED)
    with pytest.raises(Exception, match="AccessDenied"):
        world.deploy()
    assert world.deploy().version == "3"
    assert versions(world) == [("deploy", "2", "3", "succeeded")]


def test_a_lock_without_a_note_and_one_that_nobody_can_read_are_read(world: World) -> None:
    deploy_cut_off(world)
    lock = world.table.tables[TABLE][ENVIRONMENT]
    lock["pending"] = {"S": '{"release": 1}'}
    assert world.deploy().version == "3", "as if there were no note"
    for name in ("version", "previous_version", "pending"):
        lock.pop(name)
    world.table.tables[TABLE][ENVIRONMENT] = lock
    found = Ledger(world.table, TABLE).snapshot("staging").lock
    assert found
    assert (found.version, found.pending) == ("", "")
