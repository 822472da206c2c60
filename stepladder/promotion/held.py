"""Refuse a promotion while a command holds the lock of one of its rungs, or a rung lacks the value of a secret."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from stepladder.ledger import locked_error
from stepladder.ledger.schema import PIPELINE_HOST
from stepladder.promotion.executions import StateMachine
from stepladder.releases import secret_check
from stepladder.releases.rung import Rung


def check_secrets(machine: StateMachine) -> None:
    """Raise `RefusedError` that names the secrets without a value, of all rungs."""
    secret_check.check([machine.at(name) for name in machine.rung.settings.ladder_environments])


def check_free(machine: StateMachine) -> None:
    """Raise `LockedError` if a command holds the lock of any rung."""
    environments = [machine.at(name) for name in machine.rung.settings.ladder_environments]
    with ThreadPoolExecutor(max(1, len(environments)), thread_name_prefix="promote") as pool:
        list(pool.map(_check_free, environments))


def _check_free(rung: Rung) -> None:
    """Raise `LockedError` for a rung whose lock a command holds.

    A lock that a promotion holds is left to the state machine; of a promotion that has ended it is recovered.
    """
    holder = rung.ledger.snapshot(rung.environment).lock
    if holder and holder.host == PIPELINE_HOST:
        rung.recover(holder)
    if holder and holder.host != PIPELINE_HOST and not rung.lock.is_over(holder):
        raise locked_error.locked(rung.environment, holder, rung.clock.now(), command="inv promote")
