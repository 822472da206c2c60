"""The entry of every release and every rollback, from its beginning to its end.

The end is: move the alias, verify, write it down; or write down how it failed.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from stepladder.aws_lambda.alias import Alias
from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.core.aws import error_code
from stepladder.core.clock import stamp
from stepladder.core.errors import (
    LockedError,
    RollbackFailedError,
    RolledBackError,
    StepladderError,
)
from stepladder.core.process_identity import release_id as new_release_id
from stepladder.ledger import schema
from stepladder.ledger.schema import Bad, Current, ReleaseEntry
from stepladder.releases import failed_run, move_alias, release_command
from stepladder.releases.cut_off import Pending
from stepladder.releases.rung import Rung, uninterrupted


def begun(  # noqa: PLR0913 - each is an attribute of the entry
    rung: Rung,
    kind: str,
    *,
    after: str,
    digest: str,
    git_commit: str,
    input_key: str,
    previous_version: str,
    version: str = "",
    cause: str = "",
    plan_id: str = "",
    skipped_ladder: str = "",
    release_id: str = "",
) -> ReleaseEntry:
    """Return the entry of a release that begins now; it has failed until `go_live` says otherwise.

    `after` is the id of the release that is live, behind which the new id sorts. `release_id` is given where several
    functions are released together.
    """
    now = rung.clock.now()
    return ReleaseEntry(
        release_id=release_id or new_release_id(now, after),
        environment=rung.target,
        kind=kind,
        version=version,
        previous_version=previous_version,
        digest=digest,
        git_commit=git_commit,
        requested_by=rung.requested_by,
        result=schema.FAILED,
        started_at=stamp(now),
        ended_at="",
        cause=cause,
        plan_id=plan_id,
        input_key=input_key,
        skipped_ladder=skipped_ladder,
    )


def go_live(
    rung: Rung,
    entry: ReleaseEntry,
    alias: Alias,
    version: FunctionState,
    *,
    infra_hash: str = "",
    smoke_key: str = "",
    bad: tuple[str, Bad] | None = None,
    put_back: bool = True,
) -> tuple[ReleaseEntry, Alias]:
    """Move the alias to a version, verify, write the ledger: together, so that an interrupt waits until they are done.

    `bad` is a digest to mark with it. Returns the entry as written and the alias as read back; raises what
    `move_alias.move` does, after writing that down, and `StepladderError` when the ledger can't be written.
    """
    with uninterrupted():
        pending, moved = move(
            rung, entry, alias, version, infra_hash=infra_hash, smoke_key=smoke_key, bad=bad, put_back=put_back
        )
        return record(rung, pending, moved), moved


def move(
    rung: Rung,
    entry: ReleaseEntry,
    alias: Alias,
    version: FunctionState,
    *,
    infra_hash: str = "",
    smoke_key: str = "",
    bad: tuple[str, Bad] | None = None,
    put_back: bool = True,
) -> tuple[Pending, Alias]:
    """Write into the lock what is to be recorded, move the alias and verify it: `go_live` without its record.

    Returns what `record` has to write, and the alias as read back. Raises as `go_live` does.
    """
    try:
        to_write = _pending(entry, version, infra_hash, smoke_key, bad)
        rung.lock.note(version.version, entry.previous_version, to_write.text())
        moved = move_alias.move(rung, alias, version.version, put_back=put_back)
    except BaseException as error:
        failed(rung, entry, error)
        raise
    return to_write, moved


def record(rung: Rung, pending: Pending, moved: Alias) -> ReleaseEntry:
    """Write down a release whose alias has moved, and give the lock back. Returns the entry as written.

    Raises `StepladderError` when the ledger can't be written: the lock says then what the next run has to write.
    """
    entry = replace(pending.release, ended_at=stamp(rung.clock.now()))
    with rung.console.step("ledger") as step:
        _write_down(rung, entry, replace(pending.current, alias_revision=moved.revision), pending.bad)
        step.done(f"release {entry.release_id}")
    return entry


def undo(rung: Rung, entry: ReleaseEntry, before: Alias, moved: Alias, why: str) -> None:
    """Return an alias that was moved to what it served, verify that, and write it down; the lock is given back.

    `why` is the cause for the ledger. Raises `RollbackFailedError` when the alias could not be returned.
    """
    try:
        if moved.version != before.version:
            move_alias.move(rung, moved, before.version, put_back=False)
    except Exception as error:
        reason = getattr(error, "message", "") or error_code(error) or repr(error)
        problem = RollbackFailedError(
            f"{rung.names.function} serves version {entry.version}, and it could not be restored to {before.version}: "
            f"{reason}",
            hint=f"see what it serves: `inv status {rung.flags}`; then return it: `inv rollback {rung.flags}`",
        )
        failed(rung, entry, problem)
        raise problem from error
    failed(rung, entry, RolledBackError(why))


def _pending(
    entry: ReleaseEntry, version: FunctionState, infra_hash: str, smoke_key: str, bad: tuple[str, Bad] | None
) -> Pending:
    """Return what is to be written once the alias serves the version."""
    current = Current(
        release_id=entry.release_id,
        version=version.version,
        digest=entry.digest,
        input_key=entry.input_key,
        config_hash=version.config_hash,
        alias_revision="",
        infra_hash=infra_hash,
        smoke_key=smoke_key,
    )
    return Pending(replace(entry, result=schema.SUCCEEDED), current, bad)


def _write_down(rung: Rung, entry: ReleaseEntry, current: Current, bad: tuple[str, Bad] | None) -> None:
    rung.lock.stop_renewing()
    try:
        rung.ledger.finish(entry, current, rung.lock.run_id, bad=bad)
    except StepladderError:
        raise
    except Exception as error:
        problem = StepladderError(
            f"version {current.version} serves {rung.target}, verified, but the ledger could not be written: "
            f"{error_code(error) or error}",
            kind="ledger-not-written",
            hint="run the same command again: it finds the version in place and writes it down",
        )
        failed_run.needs_no_entry(problem)  # the lock says what is to be written
        raise problem from error
    rung.lock.given_back()


def failed(rung: Rung, entry: ReleaseEntry, error: BaseException) -> None:
    """Write a failed release and give the lock back; a second failure here must not hide the first."""
    if isinstance(error, (RolledBackError, RollbackFailedError)):
        _warn_of_commands(rung, entry)
    entry = replace(entry, result=_result_of(error), ended_at=stamp(rung.clock.now()))
    entry = failed_run.with_facts(entry, error)
    try:
        rung.lock.stop_renewing()
        if isinstance(error, LockedError):
            rung.ledger.write(entry)
            return
        rung.ledger.finish(entry, None, rung.lock.run_id)
        rung.lock.given_back()
    except Exception as second:  # noqa: BLE001 - see the docstring
        rung.console.warn(f"the failed release could not be written to the ledger ({error_code(second) or second})")


def _warn_of_commands(rung: Rung, entry: ReleaseEntry) -> None:
    """Say which release commands the return to the version before has not undone, if that can be read."""
    with contextlib.suppress(Exception):
        for line in release_command.left(rung, entry.digest):
            rung.console.warn(line)


def _result_of(error: BaseException) -> str:
    if isinstance(error, RolledBackError):
        return schema.ROLLED_BACK
    return schema.ROLLBACK_FAILED if isinstance(error, RollbackFailedError) else schema.FAILED
