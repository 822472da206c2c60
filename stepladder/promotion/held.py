"""A rung that a command holds: no promotion starts there, and its exit code is that of a held lock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from stepladder.ledger import locked_error
from stepladder.ledger.schema import PIPELINE_HOST
from stepladder.promotion.executions import Desk
from stepladder.releases.rung import Rung


def check_free(desk: Desk) -> None:
    """Raise `LockedError` while a command is at work on a rung, before anything is started."""
    rungs = [desk.at(name) for name in desk.rung.settings.ladder_environments]
    with ThreadPoolExecutor(max(1, len(rungs)), thread_name_prefix="promote") as pool:
        list(pool.map(_check_free, rungs))


def _check_free(rung: Rung) -> None:
    """Raise `LockedError` for a rung that a command holds.

    What another promotion holds is found out by its execution; of one that has ended it is recovered.
    """
    holder = rung.ledger.snapshot(rung.environment).lock
    if holder and holder.host == PIPELINE_HOST:
        rung.recover(holder)
    if holder and holder.host != PIPELINE_HOST and not rung.lock.is_over(holder):
        raise locked_error.locked(rung.environment, holder, rung.clock.now(), command="inv promote")
