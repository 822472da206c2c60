"""The error that says who holds the lock of an environment, or of a function in it."""

from __future__ import annotations

from stepladder.core.clock import ago, stamp
from stepladder.core.errors import LockedError
from stepladder.core.names import flags_of
from stepladder.ledger.schema import CLOCK_SKEW, PIPELINE_HOST, Holder


def locked(
    environment: str, holder: Holder | None, now: float, *, command: str = "", lost: bool = False
) -> LockedError:
    """Return the error that says who holds an environment, since when and doing what.

    `command` is what met the lock: only `inv deploy` can wait for it.
    """
    again = f"`{command}`" if command.startswith("inv ") else "the same command"
    if holder is None:
        return LockedError(f"the lock of {environment} was lost", hint=f"run {again} again")
    verb = "was lost to" if lost else "is held by"
    wait = f", or let it wait: `{command} --wait`" if command.startswith("inv deploy ") and not lost else ""
    stop = "; `inv promote.stop` ends it and restores what it changed" if holder.host == PIPELINE_HOST else ""
    return LockedError(
        f"the lock of {environment} {verb} {holder.owner} (process {holder.pid}) since {holder.since}, "
        f"{ago(holder.since, now)} ago, for: {holder.work}",
        hint=f"run {again} again when that has ended{wait}{stop}; a holder that died is taken over when its lease "
        f"runs out, at {stamp(holder.expires + CLOCK_SKEW)}; `inv unlock {flags_of(environment)}` shows it",
    )
