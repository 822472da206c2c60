"""What a release writes down, and the lock under which it does: throttles, lost answers, interrupts, two at once."""

from __future__ import annotations

import pytest
from fakes.deploy_harness import TABLE, DeployHarness, digest
from fakes.errors import DENIED, error

from stepladder.core.errors import LockedError, RefusedError, StepladderError
from stepladder.ledger.schema import Bad


def test_a_ledger_that_can_t_be_written_is_said_and_the_next_run_writes_it(live: DeployHarness) -> None:
    live.source = "two"
    live.table.fail("TransactWriteItems", DENIED)
    with pytest.raises(StepladderError, match="version 2 serves staging, verified, but the ledger"):
        live.deploy()
    assert live.serves == digest("two")
    report = live.deploy()
    assert (report.result, report.version, len(live.releases)) == ("released", "2", 2)


def cancelled(reason: str) -> Exception:
    reasons = [{"Code": code} for code in ("None", "None", reason)]
    return error("TransactionCanceledException", CancellationReasons=reasons)


def test_a_throttled_ledger_is_written_with_patience(live: DeployHarness) -> None:
    live.source = "two"
    live.table.fail("TransactWriteItems", cancelled("ThrottlingError"), times=4)
    assert live.deploy().version == "2"
    assert len(live.releases) == 2


@pytest.mark.parametrize("reason", ["ThrottlingError", "ValidationError"])
def test_a_ledger_that_stays_unwritten_is_not_told_as_a_lost_lock(live: DeployHarness, reason: str) -> None:
    live.source = "two"
    live.table.fail("TransactWriteItems", cancelled(reason), times=1000)
    with pytest.raises(StepladderError, match="version 2 serves staging, verified, but the ledger") as caught:
        live.deploy()
    assert not isinstance(caught.value, LockedError)


def test_a_lock_that_was_lost_at_the_very_end_is_told_as_such(live: DeployHarness) -> None:
    live.source = "two"

    def steal() -> None:
        live.table.tables[TABLE]["env#staging", "lock"]["run_id"] = {"S": "somebody else"}

    live.function.after("UpdateAlias", steal)
    with pytest.raises(LockedError, match="before the ledger could be written"):
        live.deploy()


def test_a_ledger_write_whose_answer_was_lost_is_not_written_twice(live: DeployHarness) -> None:
    live.source = "two"

    def lost() -> None:
        raise error(
            "TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": "TransactionConflict"}]
        )

    live.table.after("TransactWriteItems", lost)
    assert live.deploy().version == "2"
    assert len(live.releases) == 2


def test_an_interrupt_in_mid_release_gives_the_lock_back(live: DeployHarness) -> None:
    live.source = "two"

    def interrupt() -> None:
        raise KeyboardInterrupt

    live.function.before("PublishVersion", interrupt)
    with pytest.raises(KeyboardInterrupt):
        live.deploy()
    assert not live.items("lock")
    assert live.releases[-1]["cause"] == "interrupted"
    assert live.deploy().version == "2"


def test_two_deploys_at_once_are_kept_apart_by_the_lock(live: DeployHarness) -> None:
    live.source = "two"
    seen: list[str] = []

    def second() -> None:
        live.on_prepare = None
        with pytest.raises(LockedError) as caught:
            live.rung().lock.acquire()
        seen.append(caught.value.message)

    live.on_prepare = second
    live.deploy()
    assert "is held by" in seen[0]
    assert "for: inv deploy --env staging" in seen[0]


def held(owner: str = "ann", expires: float = 4e9, pid: int = 1, **process: str) -> dict[str, dict[str, str]]:
    """The lock of another run as an item."""
    text = {"owner": owner, "command": "inv deploy", "run_id": "theirs", "since": "2026-11-21T00:00:00Z", **process}
    numbers = {"expires": {"N": str(int(expires))}, "pid": {"N": str(pid)}}
    return {"pk": {"S": "env#staging"}, "sk": {"S": "lock"}, **{k: {"S": v} for k, v in text.items()}, **numbers}


def test_a_wait_for_a_lock_that_came_after_the_first_read_is_followed_by_another_read(
    live: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.source = "two"
    table = live.table.tables[TABLE]
    live.table.before("PutItem", lambda: table.update({("env#staging", "lock"): held()}))

    sleep, theirs = live.time.sleep, [None]

    def they_finish(seconds: float) -> None:
        sleep(seconds)
        if theirs:
            theirs.pop()
            table.pop(("env#staging", "lock"))
            assert live.deploy().version == "2", "the other run releases the same code"

    monkeypatch.setattr(live.time, "sleep", they_finish)
    assert live.deploy(wait=True).result == "unchanged"
    assert (len(live.releases), live.serves) == (2, digest("two"))


def test_a_lock_that_a_run_left_after_the_first_read_is_taken_over_with_its_state_locks(live: DeployHarness) -> None:
    live.source = "two"
    table = live.table.tables[TABLE]
    live.table.before("PutItem", lambda: table.update({("env#staging", "lock"): held(expires=0)}))
    assert live.deploy().version == "2"
    assert [holder.owner for holder in live.freed] == ["ann"]


def test_a_lock_that_can_t_be_given_back_doesn_t_hide_what_went_wrong(live: DeployHarness) -> None:
    live.table.fail("DeleteItem", DENIED, times=5)
    live.infra_inputs = "other"
    live.on_apply = lambda _root: live.function.point("$LATEST")
    with pytest.raises(RefusedError, match=r"put on \$LATEST"):
        live.deploy()
    assert "the lock could not be given back (AccessDeniedException)" in live.printed


def test_a_bad_digest_that_is_known_is_refused_before_the_service_is_applied(live: DeployHarness) -> None:
    live.infra_inputs = "other"
    live.rung().ledger.mark_bad(digest("one"), Bad("2026-11-21T00:00:00Z", "ann@host", "rolled back elsewhere"))
    with pytest.raises(RefusedError, match="marked bad"):
        live.deploy()
    assert live.applied == []


def test_a_lost_lock_stops_the_release_before_the_next_change(live: DeployHarness) -> None:
    live.source = "two"

    def steal() -> None:
        live.table.tables[TABLE]["env#staging", "lock"]["run_id"] = {"S": "somebody else"}

    live.function.before("GetFunctionConfiguration", steal)
    with pytest.raises(LockedError, match="was lost"):
        live.deploy()
    assert live.releases[-1]["version"] == "2"
