"""The last lines of a promotion: exceptions, the environments that moved, how to undo it, and one line of its end."""

from __future__ import annotations

from itertools import islice
from typing import TypedDict

from stepladder.core import aws
from stepladder.core.release_facts import short
from stepladder.ledger.schema import SUCCEEDED
from stepladder.promotion import exceptions
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.outcome import PromotionOutcome

_KIND = "promote"


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
    environments = []
    for target in execution.targets:
        name = target["environment"]
        if outcomes.get(name) == SUCCEEDED or (name not in outcomes and _is_released(machine, execution, name)):
            environments.append(name)
    return environments


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


def show_undo(machine: StateMachine, environments: list[str]) -> None:
    """Show the command that undoes each environment's release. A first release has nothing to go back to."""
    for environment in environments:
        if not _is_first(machine, environment):
            machine.console.line(f"undo: `inv rollback --env {environment}`")


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
    digest = short(execution.input["digest"])
    where = ", ".join(environments) or ", ".join(machine.rung.settings.rungs[-1])
    text = f"promoted {digest} to {where}" if environments else f"nothing had to move: {where} runs {digest} already"
    machine.console.line(machine.console.paint(text, "green"))
