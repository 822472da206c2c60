"""What explains an alias after a run that was cut off: its lock, until the next run has written the ledger."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from fakes.deploy_harness import REPOSITORY, TABLE, DeployHarness, digest
from fakes.errors import DENIED

from stepladder.commands import release_existing, status
from stepladder.commands.rollback import Rollback
from stepladder.core.errors import StepladderError
from stepladder.ledger.table import Ledger
from stepladder.releases import registered
from stepladder.releases.interfaces import ReleaseImage

ENVIRONMENT = ("env#staging", "lock")


@pytest.fixture
def harness(live: DeployHarness) -> DeployHarness:
    """A rung with versions 1 and 2."""
    live.source = "two"
    live.deploy()
    return live


def cut_off(harness: DeployHarness, act: Any, *, between: str = "TransactWriteItems") -> dict[str, Any]:
    """Act, and be killed before the named call: the lock stays as it was then. Returns the lock."""

    def killed() -> None:
        left.update(copy.deepcopy(harness.table.tables[TABLE][ENVIRONMENT]))
        left["boot_id"], left["expires"] = {"S": "another boot"}, {"N": "1"}
        raise SystemExit

    left: dict[str, Any] = {}
    client = harness.table if between in ("TransactWriteItems", "UpdateItem") else harness.function
    client.before(between, killed)
    entries = {key for key in harness.table.tables[TABLE] if key[1].startswith("release#")}
    with pytest.raises(SystemExit):
        act()
    for key in [key for key in harness.table.tables[TABLE] if key[1].startswith("release#") and key not in entries]:
        del harness.table.tables[TABLE][key]  # a killed process writes no failure down either
    harness.table.tables[TABLE][ENVIRONMENT] = left
    return {name: next(iter(value.values())) for name, value in left.items()}


def deploy_cut_off(harness: DeployHarness, source: str = "three") -> dict[str, Any]:
    harness.source = source
    return cut_off(harness, harness.deploy)


def versions(harness: DeployHarness) -> list[tuple[str, str, str, str]]:
    return [(r["kind"], r["previous_version"], r["version"], r["result"]) for r in harness.releases[2:]]


def roll_back(harness: DeployHarness, **wanted: Any) -> Any:
    harness.time.seconds += 1
    return Rollback(harness.rung(), **wanted).run()


def test_the_lock_names_the_version_before_the_alias_moves(harness: DeployHarness) -> None:
    harness.source = "three"
    lock = cut_off(harness, harness.deploy, between="UpdateAlias")
    assert (lock["version"], lock["previous_version"]) == ("3", "2")
    assert harness.serves == digest("two")


def test_a_lock_of_a_rollback_names_its_version_too(harness: DeployHarness) -> None:
    lock = cut_off(harness, lambda: roll_back(harness), between="UpdateAlias")
    assert (lock["version"], lock["previous_version"]) == ("1", "2")


def test_status_explains_an_alias_that_the_ledger_doesn_t_know_by_the_lock(harness: DeployHarness) -> None:
    deploy_cut_off(harness)
    (found,) = status.read([harness.rung()])
    assert "the alias serves version 3, the ledger says 2: a deploy of" in found.drift
    assert "was about to serve version 3" in found.drift


def test_the_next_deploy_of_the_same_code_writes_down_what_was_cut_off(harness: DeployHarness) -> None:
    deploy_cut_off(harness)
    report = harness.deploy()
    assert (report.result, report.previous_version, report.version) == ("released", "2", "3")
    assert "was cut off after it had moved the alias to version 3" in harness.printed
    assert versions(harness) == [("deploy", "2", "3", "succeeded")]
    assert not harness.items("lock")
    assert harness.deploy().result == "unchanged"
    assert sorted(harness.aws.calls) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]


def test_the_next_deploy_of_other_code_leaves_it_in_the_ledger_as_a_rollback_s_target(harness: DeployHarness) -> None:
    deploy_cut_off(harness)
    harness.source = "four"
    assert harness.deploy().version == "4"
    assert versions(harness) == [("deploy", "2", "3", "succeeded"), ("deploy", "3", "4", "succeeded")]
    assert roll_back(harness).version == "3"


def test_a_next_deploy_that_fails_leaves_the_alias_explained(harness: DeployHarness) -> None:
    deploy_cut_off(harness)
    harness.source = "four"
    harness.function.fail("PublishVersion", DENIED)
    with pytest.raises(Exception, match="AccessDenied"):
        harness.deploy()
    assert harness.items("current")[0]["version"] == "3"
    assert harness.serves == digest("three")


def test_a_release_by_hand_writes_down_what_was_cut_off(
    harness: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        registered, "read", lambda _rung, d, _origin: ReleaseImage(d, f"{REPOSITORY}@{d}", "abc", "key")
    )
    deploy_cut_off(harness)
    harness.time.seconds += 1
    release_existing.release(harness.rung(), version="1", no_smoke=True)
    assert versions(harness) == [("deploy", "2", "3", "succeeded"), ("deploy", "3", "4", "succeeded")]


def test_a_rollback_after_it_returns_to_the_last_good_one_and_both_are_written_down(harness: DeployHarness) -> None:
    deploy_cut_off(harness)
    assert roll_back(harness).version == "2"
    assert versions(harness) == [("deploy", "2", "3", "succeeded"), ("rollback", "3", "2", "succeeded")]
    assert harness.rung().ledger.is_bad(digest("three"))
    assert not harness.items("lock")


def test_a_rollback_that_was_cut_off_is_gone_on_with_by_the_next(harness: DeployHarness) -> None:
    harness.source = "three"
    harness.deploy()
    first = harness.releases[0]["release_id"]
    cut_off(harness, lambda: roll_back(harness, to=first))
    assert harness.serves == digest("one")
    report = roll_back(harness)
    assert (report.previous_version, report.version) == ("3", "1")
    assert not harness.items("lock")


def test_a_deploy_after_a_rollback_that_was_cut_off_writes_it_and_its_mark_down(harness: DeployHarness) -> None:
    cut_off(harness, lambda: roll_back(harness))
    harness.source = "three"
    assert harness.deploy().previous_version == "1"
    assert versions(harness)[0] == ("rollback", "2", "1", "succeeded")
    assert harness.rung().ledger.is_bad(digest("two"))


def test_a_lock_of_a_run_that_never_moved_the_alias_explains_nothing_and_is_given_back(harness: DeployHarness) -> None:
    harness.source = "three"
    cut_off(harness, harness.deploy, between="UpdateAlias")
    harness.source = "two"
    harness.function.give(harness.function.versions["2"]["ImageUri"])
    assert harness.deploy().result == "unchanged"
    harness.infra_inputs = "other"
    harness.deploy()
    assert not harness.items("lock")
    assert versions(harness) == []


def test_a_ledger_that_can_t_be_written_leaves_the_lock_to_explain_it_and_holds_nobody_up(
    harness: DeployHarness,
) -> None:
    harness.source = "three"
    harness.table.fail("TransactWriteItems", DENIED)
    with pytest.raises(StepladderError, match="the ledger could not be written"):
        harness.deploy()
    (lock,) = harness.items("lock")
    assert (lock["version"], lock["expires"]) == ("3", "0")
    (found,) = status.read([harness.rung()])
    assert "was about to serve version 3" in found.drift
    assert not found.lock, "nobody is at work"
    assert harness.deploy().version == "3"
    assert versions(harness) == [("deploy", "2", "3", "succeeded")]


def test_two_that_take_over_one_after_the_other_still_know_what_was_cut_off(harness: DeployHarness) -> None:
    deploy_cut_off(harness)
    harness.table.fail("TransactWriteItems", DENIED)
    with pytest.raises(Exception, match="AccessDenied"):
        harness.deploy()
    assert harness.deploy().version == "3"
    assert versions(harness) == [("deploy", "2", "3", "succeeded")]


def test_a_lock_without_a_note_and_one_that_nobody_can_read_are_read(harness: DeployHarness) -> None:
    deploy_cut_off(harness)
    lock = harness.table.tables[TABLE][ENVIRONMENT]
    lock["pending"] = {"S": '{"release": 1}'}
    assert harness.deploy().version == "3", "as if there were no note"
    for name in ("version", "previous_version", "pending"):
        lock.pop(name)
    harness.table.tables[TABLE][ENVIRONMENT] = lock
    found = Ledger(harness.table, TABLE).snapshot("staging").lock
    assert found
    assert (found.version, found.pending) == ("", "")
