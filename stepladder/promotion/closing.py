"""The last lines of a promotion: exceptions, the environments that moved, how to undo it, and one line of its end."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypedDict

from stepladder.core import aws
from stepladder.core.names import flags_of, split_target
from stepladder.core.release_facts import short
from stepladder.ledger.schema import SUCCEEDED
from stepladder.promotion import exceptions
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.outcome import PromotionOutcome
from stepladder.promotion.subjects import promoted
from stepladder.releases import release_command

_KIND = "promote"
_AT_ONCE = 8  # targets whose release is read at once
_READ = 3  # functions of an environment that are read for a release before


class ExceptionRecord(TypedDict):
    """The first exception of a version, for `--json`."""

    environment: str
    version: str
    lines: list[str]


def moved(machine: StateMachine, execution: Execution, end: PromotionOutcome) -> list[str]:
    """Return the environments that serve this promotion's release now, lowest first: `inv rollback` undoes each.

    The outcome of a promotion that failed has the failed rung only. The ledger has the rungs below it.
    """
    outcomes = {target.get("environment"): target.get("outcome") for target in end.targets}
    keys = [target["environment"] for target in execution.targets]
    unknown = [key for key in keys if key not in outcomes]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="released") as pool:
        released = dict(zip(unknown, pool.map(lambda key: _is_released(machine, execution, key), unknown), strict=True))
    return [key for key in keys if outcomes.get(key) == SUCCEEDED or released.get(key)]


def _is_released(machine: StateMachine, execution: Execution, environment: str) -> bool:
    try:
        release = machine.at(environment).ledger.find(environment, execution.input["release_id"])
    except Exception as error:
        if aws.explain(error) is None:
            raise
        return False  # that ledger can't be read with these credentials
    return bool(release and release.result == SUCCEEDED and release.kind == _KIND)


def show_exceptions(machine: StateMachine, execution: Execution, end: PromotionOutcome) -> list[ExceptionRecord]:
    """Show the first exception of each version that was rolled back; return them for the JSON record."""
    raised = exceptions.find(machine, execution, end.targets)
    console = machine.console
    for exception in raised:
        console.line(console.paint(exception.headline, "bold" if exception.lines else "yellow"))
        for number, line in enumerate(exception.lines):
            console.line(f"  {line}" if number else console.paint(f"  {line}", "red"))
    return [
        {"environment": exception.environment, "version": exception.version, "lines": list(exception.lines)}
        for exception in raised
    ]


def show_commands(machine: StateMachine, execution: Execution, kept: list[str], *, refused: bool = False) -> None:
    """Warn of each release command that was sent on a target which was rolled back, or refused: it is not undone."""
    for target in execution.targets:
        name = target["environment"]
        if "command" not in target or name in kept:
            continue
        digest = (target.get("release") or execution.input)["digest"]
        try:
            rung = machine.at(name)
            lines = (
                release_command.done_by(rung, digest, execution.input["release_id"])
                if refused
                else release_command.left(rung, digest)
            )
        except Exception as error:
            if aws.explain(error) is None:
                raise
            continue  # that ledger can't be read with these credentials
        for line in lines:
            machine.console.warn(f"{name}: {line}")


def show_undo(machine: StateMachine, targets: list[str]) -> None:
    """Show the command that undoes each environment's release. A first release has nothing to go back to.

    Without `--function`, `inv rollback` returns all functions of the newest release.
    """
    by_environment: dict[str, list[str]] = {}
    for key in targets:
        by_environment.setdefault(split_target(key)[0], []).append(key)
    for environment, keys in by_environment.items():
        if not all(_is_first(machine, key) for key in keys[:_READ]):
            flags = flags_of(keys[0]) if len(keys) == 1 else f"--env {environment}"
            machine.console.line(f"undo: `inv rollback {flags}`")


def _is_first(machine: StateMachine, environment: str) -> bool:
    """Return whether an environment has no good release before the newest."""
    try:
        return len(list(islice(machine.at(environment).ledger.succeeded(environment), 2))) == 1
    except Exception as error:
        if aws.explain(error) is None:
            raise
        return False


def show_promoted(machine: StateMachine, execution: Execution, environments: list[str]) -> None:
    """Show in one line what was promoted where, or that nothing had to move."""
    if len(promoted(execution.input)) != 1:
        machine.console.line(machine.console.paint(_promoted_many(execution, environments), "green"))
        return
    digest = short(execution.input["digest"])
    where = ", ".join(environments) or ", ".join(machine.settings.rungs[-1])
    text = f"promoted {digest} to {where}" if environments else f"nothing had to move: {where} runs {digest} already"
    machine.console.line(machine.console.paint(text, "green"))


def _promoted_many(execution: Execution, targets: list[str]) -> str:
    """Return the line of a promotion of several functions: how many moved in each environment."""
    moved = Counter(split_target(key)[0] for key in targets)
    total = len(promoted(execution.input))
    if not moved:
        what = f"the {total} functions" if total else "what it should"
        return f"nothing had to move: every rung runs {what} already"
    counts = ", ".join(f"{environment} ({number})" for environment, number in moved.items())
    return f"promoted {total} functions to {counts}"
