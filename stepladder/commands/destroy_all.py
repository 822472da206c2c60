"""`inv destroy`, with `--env` or with `--all`: previews, rungs from the top down, delivery, then each foundation.

What credentials don't reach stays, is named before anybody is asked, and again at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from stepladder.commands import destroy
from stepladder.commands.bootstrap_location import LocationState, reach
from stepladder.commands.destroy import DestroyOptions, DestroyReport
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError
from stepladder.destroy import refusals
from stepladder.destroy.environment import EnvironmentDestroyer
from stepladder.destroy.location import LocationDestroyer
from stepladder.destroy.report import DRY_RUN, Asset, DestroyAllRecord, DestroyRecord
from stepladder.releases.rung import Rung, clients
from stepladder.settings import locations, placeholder, previews
from stepladder.settings.load import Settings
from stepladder.settings.locations import Location

COMMAND = "inv destroy --all"
Record = DestroyRecord | DestroyAllRecord
"""What `inv destroy --json` prints."""


def run(
    settings: Settings, console: Console, options: DestroyOptions, environment: str, *, everything: bool
) -> dict[str, Any]:
    """Destroy an environment or everything, and return the record that `--json` prints."""
    if everything == bool(environment):
        raise BadInputError(
            "say what to destroy: --env with an environment's name, or --all",
            kind="bad-arguments",
            hint=f"one environment: `inv destroy --env {settings.whole.lowest}`; the whole project: `{COMMAND}`",
        )
    if everything:
        return DestroyAll(settings.whole, console, options).run()
    return destroy.one(settings, environment, console, options).record()


@dataclass
class LocationWork:
    """One account and region with the environments that are there, the highest rung first, previews before all."""

    state: LocationState
    environments: list[EnvironmentDestroyer] = field(default_factory=list)
    shared: LocationDestroyer | None = None


class DestroyAll:
    """One run of `inv destroy --all`."""

    def __init__(self, settings: Settings, console: Console, options: DestroyOptions) -> None:
        self.settings, self.console, self.options = settings, console, options

    def run(self) -> dict[str, Any]:
        """Show everything, ask for the project's name, destroy, and return the record."""
        placeholder.refuse(self.settings, self.settings.environments)
        every = [self._reach(location, names) for location, names in _by_location(self.settings).items()]
        reached = [each for each in every if each.shared]
        if not reached:
            raise every[0].state.error or AssertionError("what isn't reached has a reason")
        project = self.settings.project
        if not any(each.shared and (self._parts(each) or each.shared.is_present) for each in reached):
            self.console.line(f"nothing of {project} is left")
            return self._record([], every)
        for each in reached:
            self._check(each)
            if not self.console.as_json:
                self.console.line(str(each.state.location))
            destroy.show(self.console, self._parts(each))
        self._say_remaining(every)
        if self.options.dry_run:
            self.console.hint(f"a dry run changed nothing; destroy it: `{COMMAND}`")
            return self._record([], every)
        destroy.confirm(self.console, project, self.options.confirm, "--all")
        reports = list(self._destroyed(reached))
        for report in reports:
            destroy.close(self.console, report)
        self._say_remaining(every)
        if len(reached) == len(every):
            self.console.hint(f"{project} is out of AWS; its files stay here, and `{self._again}` makes it again")
        return self._record(reports, every)

    @property
    def _again(self) -> str:
        return f"inv deploy --env {self.settings.lowest}"

    def _reach(self, location: Location, names: list[str]) -> LocationWork:
        state = reach(self.settings, location, names[0], self._open)
        work = LocationWork(state)
        if state.rung is None:
            return work
        whole, rung = state.rung.settings, state.rung
        refusals.check_caller(rung, preview=False)
        base = previews.base_name(self.settings)
        if base in names:
            listed = rung.ledger.previews()
            work.environments += [self._environment(rung, destroy.with_previews(whole, n), n) for n in listed]
        work.environments += [self._environment(rung, whole, name) for name in names]
        work.shared = LocationDestroyer(rung)
        return work

    def _environment(self, rung: Rung, settings: Settings, name: str) -> EnvironmentDestroyer:
        return EnvironmentDestroyer(replace(rung, settings=settings, environment=name, command=COMMAND))

    def _open(self, changed: Settings, name: str) -> Rung:
        return Rung(changed, name, clients(changed, name), self.console, COMMAND)

    def _parts(self, work: LocationWork) -> list[Asset]:
        shared = work.shared.inventory() if work.shared else []
        return [part for each in work.environments for part in each.inventory] + shared

    def _check(self, work: LocationWork) -> None:
        """Refuse what stands in the way of any, before anything has changed."""
        for each in work.environments:
            each.check_state()
            each.check_tools()
            refusals.check_idle(each.rung, each.targets)
        if work.shared:
            work.shared.check_state([each.rung.environment for each in work.environments])

    def _destroyed(self, reached: list[LocationWork]) -> Iterator[DestroyReport]:
        """Destroy every environment, from the top rung of all down, then what each location shares."""
        order = [name for rung in self.settings.rungs for name in rung]
        every = [each for work in reached for each in work.environments if each.is_present]
        every.sort(key=lambda each: _height(each.rung.environment, order), reverse=True)
        for environment in every:
            self.console.heading(environment.rung.environment)
            yield environment.run()
        shared = [work.shared for work in reached if work.shared]
        for each in sorted(shared, key=lambda each: each.makes_provider):  # others' plans read the provider
            self.console.heading(each.report.environment)
            yield each.run()

    def _say_remaining(self, every: list[LocationWork]) -> None:
        for each in every:
            if each.shared is None:
                self.console.warn(f"{each.state.location} isn't reached: {each.state.problem}")
                self.console.hint(f"with its credentials: `AWS_PROFILE=<profile> {COMMAND}`")

    def _record(self, reports: list[DestroyReport], every: list[LocationWork]) -> dict[str, Any]:
        result = DRY_RUN if self.options.dry_run else "destroyed" if reports else "unchanged"
        remaining = [each.state.location.variables for each in every if each.shared is None]
        record = {
            "project": self.settings.project,
            "remaining": remaining,
            "reports": [report.record() for report in reports],
            "result": result,
        }
        if self.options.dry_run:
            record["gone"] = [vars(part) for each in every if each.shared for part in self._parts(each)]
        return record


def _height(environment: str, order: list[str]) -> int:
    """Return how late an environment goes: previews and those off the ladder first, then from the top rung down."""
    return order.index(environment) if environment in order else len(order)


def _by_location(settings: Settings) -> dict[Location, list[str]]:
    """Return all environments by location, on the ladder or not, each location's highest rung first."""
    order = list(settings.ladder_environments)
    every: dict[Location, list[str]] = {}
    for name in sorted(settings.environments, key=lambda name: _height(name, order), reverse=True):
        every.setdefault(locations.of(settings, name), []).append(name)
    return every
