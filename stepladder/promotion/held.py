"""Refuse a promotion while a command holds the lock of one of its rungs, or a rung lacks the value of a secret."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from stepladder.ledger import locked_error
from stepladder.ledger.schema import PIPELINE_HOST, Holder
from stepladder.promotion.executions import StateMachine
from stepladder.releases import secret_check
from stepladder.releases.rung import Rung

_AT_ONCE = 8  # locks that are recovered at once


def check_secrets(machine: StateMachine, functions: Sequence[str] = ()) -> None:
    """Raise `RefusedError` that names the secrets without a value, of some functions, or of all, on all rungs."""
    secret_check.check([machine.at(key) for key in machine.targets(functions)])


def check_free(machine: StateMachine, functions: Sequence[str] = ()) -> None:
    """Raise `LockedError` if a command holds the lock of a rung, for some functions or for all.

    Under an environment's own lock Terraform is at work, on all functions.
    """
    keys = dict.fromkeys((*machine.settings.ladder_environments, *machine.targets(functions)))
    locks = {key: snapshot.lock for key, snapshot in machine.snapshots(tuple(keys)).items()}
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="promote") as pool:
        list(pool.map(lambda key: _check_free(machine.at(key), locks[key]), (key for key in locks if locks[key])))


def _check_free(rung: Rung, holder: Holder | None) -> None:
    """Raise `LockedError` for a rung whose lock a command holds.

    A lock that a promotion holds is left to the state machine; of a promotion that has ended it is recovered.
    """
    if holder and holder.host == PIPELINE_HOST:
        rung.recover(holder)
    if holder and holder.host != PIPELINE_HOST and not rung.lock.is_over(holder):
        raise locked_error.locked(rung.target, holder, rung.clock.now(), command="inv promote")
