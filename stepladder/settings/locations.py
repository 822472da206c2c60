"""The locations of a ladder: each account and region that holds environments of it.

The location of the lowest rung is the primary one. Every location has a delivery root of its own. The primary's state
machine runs the whole promotion, and asks the other locations' state machines to release what is there (docs/decisions,
child executions in other locations).
"""

from __future__ import annotations

from typing import Any

from stepladder.core.errors import BadInputError
from stepladder.core.records import dataclass
from stepladder.settings.load import Settings


@dataclass(frozen=True)
class Location:
    """An account and region."""

    account: str
    region: str

    def __str__(self) -> str:
        return f"{self.account} {self.region}"

    @property
    def variables(self) -> dict[str, str]:
        """The location as Terraform and the state machine's input have it."""
        return {"account": self.account, "region": self.region}


def of(settings: Settings, environment: str) -> Location:
    """Return the location of an environment. Raises `BadInputError` for an unknown one."""
    declared = settings.environment(environment)
    return Location(declared.account, declared.region)


def primary(settings: Settings) -> Location:
    """Return the location of the lowest rung."""
    return of(settings, settings.lowest)


def by_location(settings: Settings) -> dict[Location, tuple[str, ...]]:
    """Return the environments of the ladder by location: the primary first, and each one's lowest rung first."""
    environments: dict[Location, tuple[str, ...]] = {}
    for name in settings.ladder_environments:
        location = of(settings, name)
        environments[location] = (*environments.get(location, ()), name)
    return environments


def representatives(settings: Settings) -> tuple[str, ...]:
    """Return one environment for each location, that of the primary first: its highest."""
    return tuple(names[-1] for names in by_location(settings).values())


def check(settings: Settings) -> None:
    """Refuse a ladder over several AWS partitions: nothing in one may call another."""
    partitions = {settings.names(name).partition for name in settings.ladder_environments}
    if len(partitions) > 1:
        raise BadInputError(
            f"the rungs are in several AWS partitions: {', '.join(sorted(partitions))}",
            kind="bad-settings",
            hint="no account of one can reach the other; give each partition a ladder (`stepladder.rungs`) of its own",
        )


def variables(settings: Settings, environment: str) -> dict[str, Any]:
    """Return the ladder as the delivery root of an environment's location gets it.

    The primary location gets all of it. Any other location gets its own environments: the primary checks the rungs
    below them.
    """
    location, rungs = of(settings, environment), [list(rung) for rung in settings.rungs]
    remote = {name: other for name in settings.ladder_environments if (other := of(settings, name)) != location}
    if not remote:
        return {"rungs": rungs}
    if location == primary(settings):
        return {"rungs": rungs, "elsewhere": {name: other.variables for name, other in remote.items()}}
    local = [names for rung in rungs if (names := [name for name in rung if name not in remote])]
    if not local:
        raise BadInputError(
            f"no rung of the ladder is in {location}, where {environment} is",
            kind="bad-settings",
            hint=f"name an environment of the ladder under `--env`: {', '.join(settings.ladder_environments)}",
        )
    return {"rungs": local, "home": primary(settings).variables}
