"""Terraform's state locks in S3: who holds one, giving it back by id, and when it is provably nobody's.

With `use_lockfile` the lock is the object `<key>.tflock`, a JSON document that Terraform writes under the condition
that there is none (https://developer.hashicorp.com/terraform/language/backend/s3#state-locking).
"""

from __future__ import annotations

import json
import os
import pwd
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stepladder.core.aws import ABSENT_IN_S3, Aws, error_code
from stepladder.core.errors import LockedError, RefusedError
from stepladder.core.process_identity import is_dead
from stepladder.terraform import files
from stepladder.terraform.failures import STATE_LOCKED, TerraformError
from stepladder.terraform.file_lock import RunRecord
from stepladder.terraform.roots import Root
from stepladder.terraform.runner import Runner

_FIELD = r"(?m)^\s*(ID|Path|Operation|Who|Created):\s+(.*?)\s*$"


@dataclass(frozen=True)
class StateLock:
    """A state lock as Terraform wrote it: `who` is user@host, `operation` for example OperationTypeApply."""

    id: str
    who: str
    operation: str
    created: datetime | None

    @property
    def verb(self) -> str:
        """The operation for a person: apply, plan."""
        return self.operation.removeprefix("OperationType").lower() or "an operation"

    def __str__(self) -> str:
        since = f" since {self.created:%Y-%m-%d %H:%M:%S} UTC" if self.created else ""
        return f"{self.who or 'somebody'}{since} ({self.verb}, id {self.id})"


def read(aws: Aws, at: Root) -> StateLock | None:
    """Return the state lock of a root, or None when there is none (one `s3:GetObject`)."""
    from botocore.exceptions import ClientError

    try:
        answer = aws.client("s3").get_object(Bucket=at.names.state_bucket, Key=f"{at.state_key}.tflock")
        return _lock(json.loads(answer["Body"].read()))
    except ClientError as error:
        if error_code(error) in ABSENT_IN_S3:
            return None
        raise
    except ValueError:
        return None


def explain(error: TerraformError, runner: Runner, aws: Aws) -> LockedError | None:
    """Turn Terraform's failure to get the lock into one that says who, since when, which operation and the id."""
    if not error.has(STATE_LOCKED):
        return None
    at = runner.at
    lock = read(aws, at) if runner.backend == "s3" else None
    if lock is None:
        detail = next((d.detail for d in error.diagnostics if d.summary == STATE_LOCKED), "")
        lock = _lock(dict(re.findall(_FIELD, detail)))
    return _locked(at, lock)


def unlock(runner: Runner, aws: Aws, lock_id: str) -> StateLock:
    """Take a state lock away from its holder. `RefusedError` when there is no lock, or one with another id."""
    lock = read(aws, runner.at)
    if lock is None:
        raise RefusedError(
            f"the state of {runner.at.label} isn't locked",
            kind="state-locked",
            hint="there is nothing to unlock; `inv status` shows the environments",
        )
    if lock.id != lock_id:
        raise RefusedError(
            f"the state of {runner.at.label} is locked under another id, by {lock}",
            kind="state-locked",
            hint=f"make sure that that run is dead, then pass `--id {lock.id}`",
        )
    runner.run(["force-unlock", "-force", lock.id], timeout=300)
    return lock


def stale_lock_of(runner: Runner, aws: Aws, record: RunRecord) -> StateLock | None:
    """Return the state lock when it is provably left by a dead run of ours, else None.

    Proof: the run's process is dead on this machine and boot; the lock was made on this machine by this user, after
    the run began; the local lock, which a Terraform of this checkout inherits and keeps, is in our hands; and no other
    Terraform that lives here works on this state. A lock of anybody else is never judged.
    """
    if not is_dead(record.process):
        return None
    lock = read(aws, runner.at)
    if lock is None or lock.created is None or lock.who != _who():
        return None
    if lock.created < record.since or _another_at_work(runner.at):
        return None
    return lock


def left_by_us(runner: Runner, aws: Aws) -> StateLock | None:
    """Return the state lock that a dead run of this checkout provably left, else None."""
    stale = (stale_lock_of(runner, aws, record) for record in runner.held.died)
    return next((lock for lock in stale if lock), None)


def take_over(runner: Runner, aws: Aws, *records: RunRecord) -> None:
    """Free the state lock that a dead run of ours left, and note it; do nothing when that isn't proven.

    Without `records` the runs that this checkout's run file remembers are checked.
    """
    for record in records or runner.held.died:
        lock = stale_lock_of(runner, aws, record)
        if lock:
            unlock(runner, aws, lock.id)
            runner.notes.append(
                f"freed the state lock of {runner.at.label} that our run {record.process.pid} left when it was killed "
                f"({lock.verb}, {lock.id})"
            )
            break
    runner.held.settled = True


def free_destination(runner: Runner, aws: Aws) -> None:
    """Before a migration: free the bucket's lock that a killed migration of ours left; `LockedError` for another's.

    Terraform's force-unlock only knows the backend that the state is leaving, so the object is deleted here.
    """
    lock = read(aws, runner.at)
    if lock is None:
        return
    if left_by_us(runner, aws) != lock:
        raise _locked(runner.at, lock)
    aws.client("s3").delete_object(Bucket=runner.at.names.state_bucket, Key=f"{runner.at.state_key}.tflock")
    runner.notes.append(f"freed the state lock that our killed migration of {runner.at.label} left ({lock.id})")


def _locked(at: Root, lock: StateLock) -> LockedError:
    unlock_command = f"inv unlock --env {at.environment.name} --id {lock.id}"
    return LockedError(
        f"the state of {at.label} is locked by {lock}",
        kind="state-locked",
        hint=f"wait for it; when that run is dead for certain: `{unlock_command}`",
    )


def _lock(raw: dict[str, object]) -> StateLock:
    created = None
    # Go writes nanoseconds, which fromisoformat refuses; the text form isn't ISO at all. Both are UTC.
    match = re.match(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,6})?)", str(raw.get("Created", "")))
    if match:
        created = datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=UTC)
    return StateLock(
        id=str(raw.get("ID", "")), who=str(raw.get("Who", "")), operation=str(raw.get("Operation", "")), created=created
    )


def _who() -> str:
    """Name ourselves as Terraform does: the system's user at the host name."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""
    return f"{user}@{socket.gethostname()}"


def is_at_work(at: Root, lock: StateLock) -> bool:
    """Say whether a living Terraform of this user and machine, which is the lock's, provably works on this state."""
    return lock.who == _who() and Path("/proc").is_dir() and _another_at_work(at)


def _another_at_work(at: Root) -> bool:
    """Say whether a living Terraform of this user and machine may be at work on this state; when in doubt, yes."""
    processes = Path("/proc")
    if not processes.is_dir():
        return True
    own = (at.names.state_bucket, at.state_key)
    return any(_may_hold(entry, own) for entry in processes.iterdir() if entry.name.isdigit())


def _may_hold(entry: Path, state: tuple[str, str]) -> bool:
    """Judge one process by proc(5): whether it is a Terraform of ours whose data folder doesn't name another state."""
    try:
        if entry.stat().st_uid != os.getuid() or (entry / "comm").read_text(encoding="utf-8").strip() != "terraform":
            return False
        argv = (entry / "cmdline").read_bytes().split(b"\0")
        variables = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
        folder = (entry / "cwd").readlink()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return False
    except OSError:
        return True
    if argv == [b""]:  # a zombie: killed, and waiting for its parent to hear of it
        return False
    data = next((v.removeprefix("TF_DATA_DIR=") for v in variables if v.startswith("TF_DATA_DIR=")), "") or ".terraform"
    config = (files.read_json(folder / data / "terraform.tfstate").get("backend") or {}).get("config")
    if not isinstance(config, dict):  # no backend but the local one, unless it is being set up just now
        return b"init" in argv
    return (config.get("bucket"), config.get("key")) == state
