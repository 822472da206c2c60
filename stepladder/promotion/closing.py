"""The last lines of a promotion: what was raised, what was moved and how to undo it, and one line of how it ended."""

from __future__ import annotations

from itertools import islice
from typing import Any

from stepladder.core import aws
from stepladder.ledger.schema import SUCCEEDED
from stepladder.ledger.table import short
from stepladder.promotion import exceptions
from stepladder.promotion.executions import Desk, Execution
from stepladder.promotion.outcome import Verdict

_KIND = "promote"


def moved(desk: Desk, execution: Execution, judged: Verdict) -> list[str]:
    """Return the environments that serve this promotion's release now, lowest first: `inv rollback` undoes each.

    A promotion that failed on a rung tells of that rung only; the ledger knows those below it.
    """
    outcomes = {target.get("environment"): target.get("outcome") for target in judged.targets}
    found = []
    for target in execution.targets:
        name = target["environment"]
        if outcomes.get(name) == SUCCEEDED or (name not in outcomes and _is_released(desk, execution, name)):
            found.append(name)
    return found


def _is_released(desk: Desk, execution: Execution, environment: str) -> bool:
    try:
        release = desk.at(environment).ledger.find(environment, execution.input["release_id"])
    except Exception as error:
        if aws.explain(error) is None:
            raise
        return False  # that ledger can't be read from here
    return bool(release and release.result == SUCCEEDED and release.kind == _KIND)


def show_exceptions(desk: Desk, execution: Execution, judged: Verdict) -> list[dict[str, Any]]:
    """Show the first exception of each version that was stopped; return them for the record."""
    found = exceptions.find(desk, execution, judged.targets)
    console = desk.console
    for one in found:
        console.line(console.paint(one.headline, "bold" if one.lines else "yellow"))
        for number, line in enumerate(one.lines):
            console.line(f"  {line}" if number else console.paint(f"  {line}", "red"))
    return [{"environment": one.environment, "version": one.version, "lines": list(one.lines)} for one in found]


def show_undo(desk: Desk, environments: list[str]) -> None:
    """Name the command that undoes each rung that was moved; there is none for a rung's first release."""
    for environment in environments:
        if not _is_first(desk, environment):
            desk.console.line(f"undo: `inv rollback --env {environment}`")


def _is_first(desk: Desk, environment: str) -> bool:
    """Say whether an environment had no good release before the newest."""
    try:
        return len(list(islice(desk.at(environment).ledger.succeeded(environment), 2))) == 1
    except Exception as error:
        if aws.explain(error) is None:
            raise
        return False


def show_promoted(desk: Desk, execution: Execution, environments: list[str]) -> None:
    """Say in one line what was promoted where; when nothing had to move, that."""
    digest = short(execution.input["digest"])
    where = ", ".join(environments) or ", ".join(desk.rung.settings.rungs[-1])
    text = f"promoted {digest} to {where}" if environments else f"nothing had to move: {where} runs {digest} already"
    desk.console.line(desk.console.paint(text, "green"))
