"""The accounts and regions of a project, and by which credentials `inv aws.bootstrap` reaches each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from stepladder.core.aws import known_error
from stepladder.core.errors import RefusedError, StepladderError
from stepladder.releases.rung import Rung
from stepladder.settings.load import Settings
from stepladder.settings.locations import Location

UNCHANGED, PLANNED, APPLIED, REMAINING = "unchanged", "planned", "applied", "remaining"
COMMAND = "inv aws.bootstrap"

OpenRung = Callable[[Settings, str], Rung]
"""Returns the rung of an environment, by settings whose `role_arn` of it may have been left out."""


@dataclass
class LocationState:
    """One account and region: the environment it is worked on by, and what becomes of it."""

    location: Location
    environment: str
    state: str = REMAINING
    plan: str = ""
    problem: str = ""
    error: StepladderError | None = field(default=None, repr=False)
    rung: Rung | None = field(default=None, repr=False)

    def record(self) -> dict[str, object]:
        """Return it as data."""
        return {
            **self.location.variables,
            "environment": self.environment,
            "plan": self.plan,
            "problem": self.problem,
            "state": self.state,
        }


def reach(settings: Settings, location: Location, name: str, open_rung: OpenRung) -> LocationState:
    """Find credentials for a location: the environment's role, or else the credentials at hand as they are.

    The role may be one of the things that nobody has made yet. What stands in the way is the state's `error`.
    """
    state = LocationState(location, name)
    environment = settings.environment(name)
    candidates = [environment, replace(environment, role_arn="")] if environment.role_arn else [environment]
    for candidate in candidates:
        changed = replace(settings, environments={**settings.environments, name: candidate})
        try:
            rung = open_rung(changed, name)
            _check_account(rung)
        except Exception as error:
            known = known_error(error)
            if known is None:
                raise
            state.error = state.error or known
            continue
        state.error, state.rung = None, rung
        return state
    state.problem = state.error.message if state.error else ""
    return state


def _check_account(rung: Rung) -> None:
    account = rung.aws.account()
    if account != rung.names.account:
        raise RefusedError(
            f"the credentials belong to account {account}, but {rung.environment} is in {rung.names.account}",
            kind="wrong-account",
            hint=f"use that account's credentials: `AWS_PROFILE=<profile> {COMMAND} --env {rung.environment}`; "
            f"or fix `stepladder.environments.{rung.environment}.account`",
        )
