"""The images that functions are created from when their service is applied: those promoted, or the lowest rung's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stepladder.core.names import split_target
from stepladder.promotion.executions import StateMachine
from stepladder.releases.rung import Rung


@dataclass(frozen=True)
class ServiceImages:
    """The digests of a project's functions, and which targets lack their function."""

    digests: Mapping[str, str]
    missing: frozenset[str] = frozenset()
    lowest: Mapping[str, str] = field(default_factory=dict)

    def own(self, rung: Rung) -> str | None:
        """Return the image of the project's own function; None where none is needed."""
        return self._uri(rung, "") if self.is_new(rung) else None

    def named(self, rung: Rung) -> dict[str, str]:
        """Return the images of the named functions that an apply may create, by their names."""
        if not any(split_target(key)[0] == rung.environment for key in self.missing):
            return {}
        images = {name: self._uri(rung, name) for name in rung.settings.function_names if name}
        return {name: image for name, image in images.items() if image}

    def is_new(self, rung: Rung) -> bool:
        """Say whether the project's own function isn't there yet: its key is the environment's name."""
        return rung.environment in self.missing

    def _uri(self, rung: Rung, function: str) -> str | None:
        digest = self.digests.get(function) or self.lowest.get(function)
        return f"{rung.names.registry}/{rung.names.repository}@{digest}" if digest else None


def read(machine: StateMachine, missing: frozenset[str], digests: Mapping[str, str]) -> ServiceImages:
    """Return the images for an apply. A service has all functions of its environment, also those not promoted."""
    rest = [name for name in machine.settings.function_names if name not in digests]
    lowest: dict[str, str] = {}
    if missing and rest:
        for key, snapshot in machine.snapshots([k for k in machine.targets(rest) if _is_lowest(machine, k)]).items():
            if snapshot.current:
                lowest[split_target(key)[1]] = snapshot.current.digest
    return ServiceImages(digests, missing, lowest)


def _is_lowest(machine: StateMachine, key: str) -> bool:
    return split_target(key)[0] == machine.settings.lowest
