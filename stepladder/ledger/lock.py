"""One lock per environment, in the ledger: apply and release of an environment never run side by side.

The lock is a lease. Its holder renews it from a thread; a holder that provably died (same machine and boot, process
gone) is taken over at once, any other when its lease has run out. A holder that lost its lease notices (`check`)
before it changes anything more.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from stepladder.core.aws import error_code
from stepladder.core.clock import Clock, stamp
from stepladder.core.errors import LockedError
from stepladder.core.process_identity import Process, is_alive, is_dead
from stepladder.forge.registered import current, this_process
from stepladder.ledger import locked_error, schema, unlock
from stepladder.ledger.items import CONDITION_FAILED
from stepladder.ledger.schema import CLOCK_SKEW, Holder
from stepladder.ledger.snapshot import Holding
from stepladder.ledger.table import Ledger

LEASE = 60  # seconds
RENEW = 15.0  # seconds between renewals
WAIT = 600.0  # seconds that --wait waits


class EnvironmentLock:
    """The lock of one environment. `acquire`, then `check` before each change, then `release` or `given_back`."""

    def __init__(
        self, ledger: Ledger, environment: str, command: str, *, clock: Clock | None = None, renew: float = RENEW
    ) -> None:
        self._ledger = ledger
        self._environment = environment
        self._command = command
        self._clock = clock or Clock()
        self._renew = renew
        self._stop = threading.Event()
        self._lost = threading.Event()
        self._thread: threading.Thread | None = None
        self._renewed = 0.0  # wall time: a machine's sleep counts
        self.run_id = secrets.token_hex(8)
        self.taken_over: Holder | None = None
        self.held = False
        self._owes = False  # whether the lock names a version that the ledger may not know

    def acquire(
        self,
        last_read: Holder | None = None,
        *,
        wait: float = 0.0,
        waiting: Callable[[Holder], None] | None = None,
        free: Callable[[Holder], bool] = lambda _holder: False,
    ) -> bool:
        """Take the lock.

        `last_read` is the holder that a read just showed, if any; the lock is taken from one that is dead. Returns
        whether it was free: then all that the caller read with it still holds. Otherwise somebody was at work in
        between, and it has to be read again. Raises `LockedError`, which names the holder, at once or after `wait`
        seconds. `waiting` is called once when there is a holder to wait for. `free` is called to free the lock of a
        promotion that has ended; it says whether it did.
        """
        holder, tries = last_read, 0
        announced = False
        for _ in self._clock.polls(wait):
            for _ in range(3):  # the holder may give it back, or die, between our write and our read
                if holder and not self.is_over(holder):
                    if not free(holder):
                        break
                    holder = self._read()
                    tries += 1
                    continue
                tries += 1
                if self._put(instead_of=holder):
                    self._begin()
                    return tries == 1 and last_read is None
                holder = self._read()
            if holder and wait and waiting and not announced:
                announced = True
                waiting(holder)
            if wait:
                holder = self._read()
        raise self.locked(holder or self._read())

    def is_over(self, holder: Holder) -> bool:
        """Say whether a holder's lease has run out, or the holder is dead for certain; one that provably lives isn't.

        The time is AWS's: a laptop's clock may be an hour off.
        """
        if holder.expires == 0:
            return True  # its run has ended, and left it for what the ledger doesn't know yet
        if is_alive(process_of(holder)):
            return False
        return holder.expires + CLOCK_SKEW < self._now() or is_dead(process_of(holder))

    def _now(self) -> float:
        """Return the time by AWS's clock, as the ledger's last read showed it."""
        return self._clock.now() + self._ledger.offset

    def check_free(self, last_read: Holder | None) -> None:
        """Raise `LockedError` when somebody who was just read is at work; takes nothing."""
        if last_read and not self.is_over(last_read):
            raise self.locked(last_read)

    def locked(self, holder: Holder | None, *, lost: bool = False) -> LockedError:
        """Return the error that says who holds the lock, and what may be typed then."""
        return locked_error.locked(self._environment, holder, self._now(), command=self._command, lost=lost)

    def _put(self, *, instead_of: Holder | None) -> bool:
        now = self._now()
        record = Holder(
            **asdict(this_process()),
            run_id=self.run_id,
            command=self._command,
            since=stamp(now),
            expires=int(now) + LEASE,
            job=current().job_url(),
        )
        if instead_of and instead_of.pending:  # kept until the ledger knows it
            record = replace(
                record,
                version=instead_of.version,
                previous_version=instead_of.previous_version,
                pending=instead_of.pending,
            )
        key = schema.LOCK.key(environment=self._environment)
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if instead_of:
            condition = _as_read(instead_of)
        pushed_aside = instead_of
        try:
            answer = self._ledger.client.put_item(
                TableName=self._ledger.table,
                Item=schema.item(key, record),
                ReturnValues="ALL_OLD",
                **condition,
            )
            if not answer.get("Attributes"):
                pushed_aside = None  # its holder gave it back, and may have ended since
        except Exception as error:
            if error_code(error) != CONDITION_FAILED:
                raise
            written = self._read()  # our own write may have been sent twice, its first answer lost
            if written is None or written.run_id != self.run_id:
                return False
        self._renewed = now
        self.taken_over = pushed_aside
        self._owes = bool(pushed_aside and record.pending)
        return True

    def _read(self) -> Holder | None:
        answer = self._ledger.client.get_item(
            TableName=self._ledger.table,
            Key=schema.LOCK.key(environment=self._environment),
            ConsistentRead=True,
        )
        return schema.record(Holder, answer.get("Item"))

    def _begin(self) -> None:
        self.held = True
        self._thread = threading.Thread(target=self._keep, name="environment lock", daemon=True)
        self._thread.start()

    def _keep(self) -> None:
        """Renew until it is stopped. A renewal that fails otherwise is tried again: the lease outlives three."""
        while not self._stop.wait(self._renew) and not self.lost:
            with contextlib.suppress(Exception):
                self._renew_once()

    def _renew_once(self) -> None:
        now = self._now()
        try:
            self._ledger.client.update_item(
                TableName=self._ledger.table,
                Key=schema.LOCK.key(environment=self._environment),
                UpdateExpression="SET expires = :expires",
                ConditionExpression="run_id = :mine",
                ExpressionAttributeValues={":expires": {"N": str(int(now) + LEASE)}, ":mine": {"S": self.run_id}},
            )
        except Exception as error:
            if error_code(error) != CONDITION_FAILED:
                raise
            self._lost.set()
        else:
            self._renewed = now

    @property
    def holding(self) -> Holding | None:
        """What a write of the ledger is to be conditioned on; None while the lock isn't held."""
        return Holding(self._environment, self.run_id) if self.held else None

    @property
    def lost(self) -> bool:
        """Whether a renewal found the lock gone or somebody else's."""
        return self._lost.is_set()

    def check(self) -> None:
        """Raise `LockedError` when the lock was lost; call it before each change.

        When the thread has not renewed for half a lease (the machine slept, the line was down), it is renewed here and
        now: a lease that ran out may be somebody else's, and the thread has yet to find out.
        """
        age = self._now() - self._renewed
        if age > LEASE / 2 and not self.lost:
            try:
                self._renew_once()
            except Exception:
                if age > LEASE:
                    raise
        if self.lost:
            self.held = False
            raise self.locked(self._read(), lost=True)

    def note(self, version: str, previous_version: str, pending: str) -> None:
        """Write into the lock what the alias is about to serve; it renews the lease. Raises as `check` does."""
        self.check()
        now = self._now()
        noted = {"expires": {"N": str(int(now) + LEASE)}, "version": {"S": version}, "pending": {"S": pending}}
        noted["previous_version"] = {"S": previous_version}
        self._owes = True
        try:
            self._ledger.client.update_item(
                TableName=self._ledger.table,
                Key=schema.LOCK.key(environment=self._environment),
                UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in noted),
                ConditionExpression="run_id = :mine",
                ExpressionAttributeValues={
                    **{f":{name}": value for name, value in noted.items()},
                    ":mine": self._own_run,
                },
            )
        except Exception as error:
            if error_code(error) != CONDITION_FAILED:
                raise
            self._lost.set()
            self.check()
        self._renewed = now

    def settled(self) -> None:
        """Note that the alias serves what the ledger says: what the lock names explains nothing more."""
        self._owes = False

    @property
    def _own_run(self) -> dict[str, str]:
        return {"S": self.run_id}

    def stop_renewing(self) -> None:
        """Stop the thread: the ledger's transaction, which deletes the lock, must not meet a renewal."""
        self._stop.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(5)

    def given_back(self) -> None:
        """Note that the ledger's transaction has deleted the lock."""
        self.held = False

    def release(self) -> None:
        """Give the lock back if we hold it. Errors are the caller's to judge: the lease runs out by itself.

        One that names a version which the ledger doesn't know stays, for whoever comes next, but holds nobody up.
        """
        self.stop_renewing()
        if not self.held:
            return
        self.held = False
        unlock.remove(self._ledger, self._environment, self.run_id, keep=self._owes)


def _as_read(holder: Holder) -> dict[str, Any]:
    """Return the condition of no lock, or exactly this one: `expires` stays when a version is noted within a second."""
    version, values = "attribute_not_exists(version)", {":seen": {"S": holder.run_id}}
    values[":expires"] = {"N": str(holder.expires)}
    if holder.version:
        version, values[":version"] = "version = :version", {"S": holder.version}
    condition = f"attribute_not_exists(pk) OR (run_id = :seen AND expires = :expires AND {version})"
    return {"ConditionExpression": condition, "ExpressionAttributeValues": values}


def process_of(holder: Holder) -> Process:
    """Return the process that holds a lock."""
    return Process(holder.owner, holder.host, holder.boot_id, holder.pid, holder.started)
