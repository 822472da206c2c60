"""What happens to a simulated project, one step at a time. A step prints as the line of a script that repeats it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulated_commands import ENVIRONMENTS, Ended
from simulated_project import SimulatedProject

COMMANDS: dict[str, Callable[..., Any]] = {
    "deploy good": lambda project, **how: project.deploy("staging", "good", **how),
    "deploy best": lambda project, **how: project.deploy("staging", "best", **how),
    "deploy to production": lambda project, **how: project.deploy("production", "better", skip=True, **how),
    "promote": lambda project, **how: project.promote(**how),
    "promote by canary": lambda project, **how: project.promote("by canary", detach=True, **how),
    "roll back production": lambda project, **how: project.rollback("production", bad=False, **how),
    "roll back staging": lambda project, **how: project.rollback("staging", bad=True, **how),
    "stop": lambda project, **how: project.stop(**how),
    "redrive": lambda project, **how: project.redrive(**how),
}
"""What one of two operators does."""


@dataclass(frozen=True)
class Deploy:
    """An operator deploys, after a change of a setting perhaps, here or on another machine."""

    environment: str = "staging"
    image: str = "good"
    cut: str = ""
    setting: str = "one"
    remote: bool = False
    force: bool = False

    def play(self, project: SimulatedProject) -> None:
        project.settings[self.environment] = self.setting
        skip = self.environment != ENVIRONMENTS[0]
        project.deploy(self.environment, self.image, self.cut, remote=self.remote, force=self.force, skip=skip)


@dataclass(frozen=True)
class Promote:
    """An operator promotes, an `image` that is deployed first, or whatever the lowest rung runs."""

    way: str = "at once"
    cut: str = ""
    detach: bool = False
    force: bool = False
    image: str = ""

    def play(self, project: SimulatedProject) -> None:
        if self.image:
            project.deploy(ENVIRONMENTS[0], self.image)
        project.promote(self.way, self.cut, detach=self.detach, force=self.force)


@dataclass(frozen=True)
class RollBack:
    """An operator rolls back."""

    environment: str = "production"
    cut: str = ""
    remote: bool = False
    bad: bool = False

    def play(self, project: SimulatedProject) -> None:
        project.rollback(self.environment, self.cut, remote=self.remote, bad=self.bad)


@dataclass(frozen=True)
class Intervene:
    """Somebody approves, rejects, stops, redrives, or aborts in the console."""

    what: str = "stop"
    cut: str = ""

    def play(self, project: SimulatedProject) -> None:
        acts: dict[str, Callable[[], Ended | None]] = {
            "approve": lambda: project.decide(self.cut, approve=True),
            "reject": lambda: project.decide(self.cut, approve=False),
            "stop": lambda: project.stop(self.cut),
            "redrive": lambda: project.redrive(self.cut),
            "abort": lambda: _healthy(project, project.abort),
        }
        acts[self.what]()


@dataclass(frozen=True)
class AtOnce:
    """Two operators are at work at the same time; `turns` says whose AWS call is next."""

    first: str
    other: str
    turns: tuple[int, ...] = ()

    def play(self, project: SimulatedProject) -> None:
        pair = (COMMANDS[self.first], COMMANDS[self.other])
        project.both(self.turns, *(lambda act=act, **how: act(project, **how) for act in pair))


@dataclass(frozen=True)
class Breaks:
    """The next calls of one action fail, get no answer, or are late, whoever makes them."""

    kind: str
    call: str
    skip: int = 0
    count: int = 1

    def play(self, project: SimulatedProject) -> None:
        project.fault(self.kind, self.call, skip=self.skip, count=self.count)


@dataclass(frozen=True)
class EditByHand:
    """A person moves an alias in the console, to one of the newest versions; `inv status` must say so."""

    environment: str = "production"
    back: int = 1

    def play(self, project: SimulatedProject) -> None:
        _healthy(project, lambda: project.edit(self.environment, self.back))


@dataclass(frozen=True)
class AlarmFires:
    """An alarm fires."""

    environment: str = "production"

    def play(self, project: SimulatedProject) -> None:
        _healthy(project, lambda: project.alarm(self.environment))


@dataclass(frozen=True)
class TimePasses:
    """Time passes; after a while AWS works again and alarms are silent."""

    seconds: int = 120

    def play(self, project: SimulatedProject) -> None:
        if self.seconds > 60:
            project.calm()
        project.advance(self.seconds)


@dataclass(frozen=True)
class Tidy:
    """Somebody prunes images, tags one, or removes its bad mark."""

    what: str = "prune"
    image: str = "good"

    def play(self, project: SimulatedProject) -> None:
        if self.what == "prune":
            project.prune()
        elif self.what == "tag":
            _healthy(project, lambda: project.tag(self.image, f"kept-{self.image.replace(' ', '-')}"))
        else:
            project.unmark(self.image)


def _healthy(project: SimulatedProject, act: Callable[[], None]) -> None:
    with project.healthy():
        act()


Step = Deploy | Promote | RollBack | Intervene | AtOnce | Breaks | EditByHand | AlarmFires | TimePasses | Tidy
