"""The environment's lock: a lease, taken over from the dead, noticed when lost."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import needs
import pytest
from botocore.exceptions import ClientError
from fakes.deploy_harness import FakeTime
from fakes.dynamodb import FakeDynamoDB
from fakes.errors import BROKEN, DENIED, error

from stepladder.core import process_identity
from stepladder.core.clock import stamp
from stepladder.core.errors import LockedError
from stepladder.ledger import schema
from stepladder.ledger.lock import LEASE, EnvironmentLock, process_of
from stepladder.ledger.schema import CLOCK_SKEW, Holder
from stepladder.ledger.table import Ledger

KEY = ("env#staging", "lock")


class Setting:
    def __init__(self) -> None:
        self.table = FakeDynamoDB("t")
        self.time = FakeTime()
        self.ledger = Ledger(self.table, "t")

    def lock(self, renew: float = 60.0) -> EnvironmentLock:
        return EnvironmentLock(self.ledger, "staging", "inv deploy --env staging", clock=self.time.clock(), renew=renew)

    def seen(self) -> Holder | None:
        return self.ledger.snapshot("staging").lock

    def held_by(self, **changes: object) -> Holder:
        """Write the lock of another run."""
        now = self.time.seconds
        holder = Holder(
            **asdict(process_identity.this_process()),
            run_id="theirs",
            command="inv deploy --env staging",
            since=stamp(now),
            expires=int(now) + LEASE,
        )
        holder = replace(holder, **changes)  # type: ignore[arg-type]
        self.table.tables["t"][KEY] = schema.item(schema.LOCK.key(environment="staging"), holder)
        return holder


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_a_free_lock_is_taken_and_given_back(setting: Setting) -> None:
    lock = setting.lock()
    lock.acquire()
    holder = setting.seen()
    assert holder
    assert holder.run_id == lock.run_id
    assert holder.expires == int(setting.time.seconds) + LEASE
    lock.release()
    assert setting.seen() is None


def test_a_held_lock_says_who_since_when_and_what_for(setting: Setting) -> None:
    setting.held_by(owner="ann@laptop")
    with pytest.raises(LockedError, match=r"is held by ann@laptop \(process \d+\) since .*, 0 s ago, for: inv deploy"):
        setting.lock().acquire()


def test_a_holder_that_died_on_this_machine_is_taken_over(setting: Setting) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    setting.held_by(pid=child.pid)
    lock = setting.lock()
    lock.acquire(setting.seen())
    assert lock.taken_over
    assert lock.taken_over.run_id == "theirs"
    lock.release()


def test_a_lock_that_its_holder_gave_back_before_it_ended_is_not_called_left(setting: Setting) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    seen = setting.held_by(pid=child.pid)
    setting.table.before("PutItem", lambda: setting.table.tables["t"].pop(KEY))
    lock = setting.lock()
    assert lock.acquire(seen) is False, "what was read beside it may have changed"
    assert lock.taken_over is None
    lock.release()


def test_a_process_id_that_was_given_to_another_process_since_proves_a_death(setting: Setting) -> None:
    if not process_identity.this_process().started:
        needs.missing("nothing here tells when a process began")
    holder = setting.held_by(started=process_identity.this_process().started - 1)
    assert process_identity.is_dead(process_of(holder))


def test_a_holder_that_lives_on_this_machine_is_left_alone(setting: Setting) -> None:
    holder = setting.held_by()
    assert not process_identity.is_dead(process_of(holder))


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"boot_id": "another boot"}, {"boot_id": ""}])
def test_nothing_is_proven_about_another_machine_or_boot(setting: Setting, change: dict[str, str]) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    holder = setting.held_by(pid=child.pid, **change)
    assert not process_identity.is_dead(process_of(holder))
    with pytest.raises(LockedError):
        setting.lock().acquire(holder)


@pytest.mark.parametrize("ahead", [3600, 3 * 3600])
def test_a_clock_that_is_ahead_takes_no_lock_of_a_process_that_lives_on_this_machine(
    setting: Setting, ahead: int
) -> None:
    setting.held_by()
    setting.time.seconds += ahead
    with pytest.raises(LockedError):
        setting.lock().acquire()


@pytest.mark.parametrize("ahead", [3600, -3600])
def test_a_lease_runs_out_by_aws_s_clock_and_not_by_this_machine_s(setting: Setting, ahead: int) -> None:
    held = setting.held_by(host="there")
    answer = setting.table.batch_get_item

    def dated(**request: Any) -> dict[str, Any]:
        date = format_datetime(datetime.fromtimestamp(setting.time.seconds - ahead, UTC), usegmt=True)
        return {**answer(**request), "ResponseMetadata": {"HTTPHeaders": {"date": date}}}

    setting.table.batch_get_item = dated  # type: ignore[method-assign]
    setting.ledger.clock = setting.time.clock()
    setting.time.seconds += ahead  # this machine's clock; AWS's stays
    with pytest.raises(LockedError):
        setting.lock().acquire(setting.seen())
    setting.time.seconds += LEASE + CLOCK_SKEW + 1
    lock = setting.lock()
    lock.acquire(setting.seen())
    taken = setting.seen()
    assert taken
    assert abs(taken.expires - (held.expires + LEASE + CLOCK_SKEW + 1)) <= 1
    lock.release()


def test_the_lock_of_a_holder_that_could_be_freed_is_taken(setting: Setting) -> None:
    holder = setting.held_by(run_id="arn:aws:states:eu-west-1:123456789012:execution:orders-promotion:x", host="there")
    asked: list[Holder] = []

    def free(found: Holder) -> bool:
        asked.append(found)
        del setting.table.tables["t"][KEY]
        return True

    lock = setting.lock()
    assert lock.acquire(setting.seen(), free=free) is False, "what was read beside the lock must be read again"
    lock.release()
    assert asked == [holder]


def test_a_holder_that_can_t_be_freed_keeps_its_lock(setting: Setting) -> None:
    setting.held_by(host="there")
    with pytest.raises(LockedError):
        setting.lock().acquire(setting.seen(), free=lambda _holder: False)


def test_a_lease_that_ran_out_is_taken_over_once_clocks_can_t_disagree(setting: Setting) -> None:
    setting.held_by(host="elsewhere", expires=int(setting.time.seconds) - CLOCK_SKEW + 5)
    with pytest.raises(LockedError):
        setting.lock().acquire()
    setting.time.seconds += 10
    lock = setting.lock()
    lock.acquire()
    lock.release()


def test_only_one_of_many_takes_over(setting: Setting) -> None:
    setting.held_by(host="elsewhere", expires=0)
    seen = setting.seen()
    locks = [setting.lock() for _ in range(8)]
    won: list[EnvironmentLock] = []

    def run(lock: EnvironmentLock) -> None:
        try:
            lock.acquire(seen)
        except LockedError:
            return
        won.append(lock)

    threads = [threading.Thread(target=run, args=(lock,)) for lock in locks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    won[0].release()


def test_waiting_takes_the_lock_when_it_comes_free(setting: Setting) -> None:
    setting.held_by(host="elsewhere")
    told: list[Holder] = []
    setting.table.before("GetItem", lambda: None)
    reads = 0

    def free() -> None:
        nonlocal reads
        reads += 1
        setting.table.tables["t"].pop(KEY, None)

    setting.table.before("GetItem", free)
    lock = setting.lock()
    lock.acquire(setting.seen(), wait=60, waiting=told.append)
    assert (len(told), reads) == (1, 1)
    lock.release()


def test_a_holder_that_names_a_version_within_the_second_is_not_pushed_aside_with_it(setting: Setting) -> None:
    setting.held_by(host="elsewhere", expires=0)
    seen = setting.seen()
    setting.table.tables["t"][KEY] |= {"version": {"S": "3"}, "pending": {"S": "{}"}}
    lock = setting.lock()
    assert not lock.acquire(seen)
    assert lock.taken_over
    assert lock.taken_over.version == "3"
    lock.release()


def test_waiting_ends(setting: Setting) -> None:
    setting.held_by(host="elsewhere", expires=int(setting.time.seconds) + 10_000)
    with pytest.raises(LockedError):
        setting.lock().acquire(setting.seen(), wait=60)


def test_a_write_that_was_sent_twice_is_our_own(setting: Setting) -> None:
    lock = setting.lock()
    setting.table.after("PutItem", _raiser(error("ConditionalCheckFailedException")))
    lock.acquire()
    assert lock.held
    lock.release()


def test_the_lease_is_renewed_through_errors(setting: Setting) -> None:
    lock = setting.lock(renew=0.01)
    setting.table.fail("UpdateItem", BROKEN, times=3)
    lock.acquire()
    setting.time.seconds += 30
    deadline = time.monotonic() + 60
    while setting.seen().expires < setting.time.seconds + LEASE - 1 and time.monotonic() < deadline:  # type: ignore[union-attr]
        time.sleep(0.01)
    assert setting.seen().expires >= int(setting.time.seconds) + LEASE - 1  # type: ignore[union-attr]
    lock.check()
    lock.release()


def test_a_lock_that_was_lost_is_noticed_and_not_deleted(setting: Setting) -> None:
    lock = setting.lock(renew=0.01)
    lock.acquire()
    setting.held_by(owner="bob@ci")
    deadline = time.monotonic() + 60
    while not lock.lost and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(LockedError, match="was lost to bob@ci"):
        lock.check()
    lock.release()
    assert setting.seen()


def test_a_lease_that_ran_out_unnoticed_is_looked_after_before_the_next_change(setting: Setting) -> None:
    lock = setting.lock()
    lock.acquire()
    setting.time.seconds += LEASE + CLOCK_SKEW + 1  # the machine slept, and its thread with it
    lock.check()
    assert setting.seen().expires == int(setting.time.seconds) + LEASE  # type: ignore[union-attr]
    setting.time.seconds += LEASE + CLOCK_SKEW + 1
    setting.held_by(owner="bob@ci")
    with pytest.raises(LockedError, match="was lost to bob@ci"):
        lock.check()
    lock.release()


def test_a_lease_that_can_t_be_renewed_stops_the_run_only_when_it_is_over(setting: Setting) -> None:
    lock = setting.lock()
    lock.acquire()
    setting.table.fail("UpdateItem", BROKEN, times=2)
    setting.time.seconds += LEASE - 5
    lock.check()
    setting.time.seconds += 10
    with pytest.raises(ClientError):
        lock.check()
    lock.release()


def test_an_error_that_isn_t_about_the_lock_is_raised(setting: Setting) -> None:
    setting.table.fail("PutItem", DENIED)
    with pytest.raises(Exception, match="AccessDenied"):
        setting.lock().acquire()


def _raiser(failure: Exception) -> object:
    def act() -> None:
        raise failure

    return act
