"""The places of a ladder: each account and region that holds rungs. The place of the lowest rung is home.

Every place has a delivery root of its own; home's state machine climbs the whole ladder, and asks the other places'
to release what is there (docs/decisions, climbs in other places).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from stepladder.core.errors import BadInputError
from stepladder.settings.load import Settings


@dataclass(frozen=True)
class Place:
    """An account and region."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.account} {self.region}"

    @property
    def variables(self) -> dict[str, str]:
        """The place as Terraform and the state machine's input have it."""
        return {"account": self.account, "region": self.region}


def of(settings: Settings, environment: str) -> Place:
    """Return where an environment is."""
    at = settings.environment(environment)
    return Place(at.account, at.region)


def home(settings: Settings) -> Place:
    """Return where the lowest rung is."""
    return of(settings, settings.rungs[0])


def every(settings: Settings) -> dict[Place, tuple[str, ...]]:
    """Return the environments of the ladder by place, home first, lowest rung first."""
    found: dict[Place, tuple[str, ...]] = {}
    for name in settings.rungs:
        place = of(settings, name)
        found[place] = (*found.get(place, ()), name)
    return found


def desks(settings: Settings) -> tuple[str, ...]:
    """Return one environment for each place, home first: its highest."""
    return tuple(names[-1] for names in every(settings).values())


def check(settings: Settings) -> None:
    """Refuse a ladder over several AWS partitions: nothing in one may call another."""
    partitions = {settings.names(name).partition for name in settings.rungs}
    if len(partitions) > 1:
        raise BadInputError(
            f"the rungs are in several AWS partitions: {', '.join(sorted(partitions))}",
            hint="no account of one can reach the other; give each partition a ladder of its own",
        )


def variables(settings: Settings, environment: str) -> dict[str, Any]:
    """Return what the delivery root of an environment's place is told of the ladder.

    Home knows all of it. Any other place knows its own environments: what is below them elsewhere, home looks at.
    """
    here, ladder = of(settings, environment), [list(rung) for rung in settings.ladder]
    away = {name: place for name in settings.rungs if (place := of(settings, name)) != here}
    if not away:
        return {"rungs": ladder}
    if here == home(settings):
        return {"rungs": ladder, "elsewhere": {name: place.variables for name, place in away.items()}}
    own = [kept for rung in ladder if (kept := [name for name in rung if name not in away])]
    if not own:
        raise BadInputError(
            f"no rung of the ladder is in {here}, where {environment} is",
            hint="the delivery root is applied where rungs are; name one of them under --env",
        )
    return {"rungs": own, "home": home(settings).variables}


def child_name(execution_arn: str, environment: str) -> str:
    """Name the climb by which another place releases an environment; the relay names it so (a test compares)."""
    return f"{environment}-{hashlib.sha256(execution_arn.encode()).hexdigest()[:40]}"
