"""`inv aws.bootstrap`: from an empty account and a login to what the first green pipeline needs.

Reads what is there, says what it makes and what that costs, asks, and applies the foundation of each location that the
credentials reach. What it did is read from AWS at the next run, never remembered: killed anywhere, the same command
goes on (`stepladder/terraform/foundation.py`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from stepladder.commands import ci_settings, infra, prices
from stepladder.commands.bootstrap_location import (
    APPLIED,
    COMMAND,
    PLANNED,
    REMAINING,
    UNCHANGED,
    LocationState,
    OpenRung,
    reach,
)
from stepladder.commands.ci_settings import Proposal
from stepladder.core.clock import stamp
from stepladder.core.console import Console
from stepladder.core.errors import NotReadyError, RefusedError
from stepladder.doctor import identity
from stepladder.forge import remote as remotes
from stepladder.forge.remote import GITHUB
from stepladder.ledger.schema import InfraRecord
from stepladder.promotion import delivery
from stepladder.promotion.roots import ProjectRoots, Roots
from stepladder.releases.plan import FOUNDATION, SERVICE
from stepladder.releases.rung import Rung, clients
from stepladder.settings import locations, placeholder, previews
from stepladder.settings.load import Settings
from stepladder.settings.locations import Location
from stepladder.terraform.roots import LOCK_FILE

_HEAD = ("account", "makes", "name", "use in a month", "price")


@dataclass(frozen=True)
class BootstrapOptions:
    """What was typed."""

    environment: str = ""
    confirmed: bool = False
    dry_run: bool = False
    write_settings: bool = False


class Bootstrap:
    """One run."""

    def __init__(
        self,
        settings: Settings,
        console: Console,
        options: BootstrapOptions,
        open_rung: OpenRung,
        roots: Roots | None = None,
    ) -> None:
        self.settings = settings
        self.console = console
        self.options = options
        self.open_rung = open_rung
        self.roots = roots or ProjectRoots()
        self.proposal: Proposal | None = None

    def run(self) -> None:
        """Carry it out. Raises `NotReadyError` without credentials, `RefusedError` for a wrong account or no yes."""
        states = self._reached()
        self._settings()
        for each in states:
            self._plan(each)
        planned = [each for each in states if each.state == PLANNED]
        self._print_plan(states, planned)
        if planned and not self.options.dry_run:
            self._confirm(planned)
            for each in planned:
                self._apply(each)
            self._lock_providers(planned[0].rung)
        self._close(states)

    # read

    def _reached(self) -> list[LocationState]:
        """Return the locations, and which of them the credentials reach; none at all is an error."""
        wanted = self.options.environment
        previews.refuse(wanted, "have an account prepared")
        names = [wanted] if wanted else [*self.settings.ladder_environments, *self.settings.environments]
        by_location: dict[Location, str] = {}
        for name in names:
            by_location.setdefault(locations.of(self.settings, name), name)
        states = [reach(self.settings, location, name, self.open_rung) for location, name in by_location.items()]
        errors = [each.error for each in states if each.error]
        if len(errors) == len(states):
            raise next((error for error in errors if isinstance(error, NotReadyError)), errors[0])
        return states

    def _settings(self) -> None:
        """Propose the settings of the forge where the project has none, and write them when that is wanted."""
        remote = remotes.of_project(self.settings.root)
        if self.settings.ci.forges:
            if different := identity.mismatch(self.settings, remote):
                self.console.warn(f"{different}: jobs of the latter get no credentials")
            return
        if remote is None:
            self.console.line("there is no git remote on GitHub or GitLab yet, so nothing is made for its jobs")
            self.console.hint(f"add one: `git remote add origin <address>`, then run `{COMMAND}` again")
            return
        proposal = self.proposal = ci_settings.propose(remote)
        self.console.line(f"for the jobs of {remote.address}, add to invoke.yaml under `stepladder:`")
        for line in proposal.lines():
            self.console.line(line)
        if proposal.missing:
            self.console.hint(f"the ids of the repository belong beside it: `{proposal.missing}`")
        elif self.options.dry_run:
            self.settings = ci_settings.with_ci(self.settings, proposal)
            self.console.line("the plan and the cost are as with these settings")
        elif self._writes():
            after = ci_settings.with_ci(self.settings, proposal)
            path = ci_settings.write(self.settings.root, proposal)
            self.console.line(f"wrote it to {path.name}: commit it")
            self.settings = after
        else:
            self.console.hint(f"`{COMMAND} --write-settings` writes it")

    def _writes(self) -> bool:
        asks = not (self.options.write_settings or self.options.confirmed)
        return self.options.write_settings or (asks and self.console.ask("write it to invoke.yaml?") is True)

    def _plan(self, state: LocationState) -> None:
        if state.rung is None:
            return
        rung = state.rung = replace(state.rung, settings=self._settings_of(state.rung))
        snapshot = rung.ledger.snapshot(rung.environment)
        recorded = snapshot.foundation.input_hash if snapshot.foundation else ""
        with rung.console.step(f"plan {state.location}") as step:
            if recorded and recorded == self.roots.inputs_hash(rung, FOUNDATION):
                state.state = UNCHANGED
                step.skip("the foundation is as the settings say")
                return
            state.plan = self.roots.preview(rung, FOUNDATION, None, step)
            state.state = PLANNED
            step.done(state.plan)

    def _settings_of(self, rung: Rung) -> Settings:
        """Return the settings as they are now, with the credentials that reached the rung."""
        return replace(rung.settings, ci=self.settings.ci)

    # show and ask

    def _print_plan(self, states: list[LocationState], planned: list[LocationState]) -> None:
        if self.console.as_json or not planned:
            return
        rows = [
            (each.location.account, row.what, row.name, row.use, row.price)
            for each in planned
            for row in self._costs(each)
        ]
        self.console.table(_HEAD, rows)
        total = prices.amount(sum(row.dollars for each in planned for row in self._costs(each)))
        self.console.line(
            f"about {total} a month before the first deployment, at AWS's prices of us-east-1, "
            f"noted on {prices.NOTED_ON}: {', '.join(prices.SOURCES)}"
        )
        for each in states:
            if each.state == REMAINING:
                self.console.warn(f"{each.location} isn't reached: {each.problem}")

    def _costs(self, state: LocationState) -> list[prices.CostRow]:
        forges = len(self.settings.ci.forges)
        own = [n for n in self.settings.environments if locations.of(self.settings, n) == state.location]
        roles = 3 * len(own) + 1 if forges else 0
        return prices.foundation(self.settings.names(state.environment), roles=roles, providers=forges)

    def _confirm(self, planned: list[LocationState]) -> None:
        if self.options.confirmed:
            return
        where = " and ".join(str(each.location) for each in planned)
        answer = self.console.ask(f"make it in {where}?")
        if answer:
            return
        why = "nobody can be asked here" if answer is None else "the answer was no"
        raise RefusedError(
            f"the foundation was not made: {why}; nothing was changed in AWS",
            kind="not-confirmed",
            hint=f"make it without a question: `{COMMAND} --yes`; see it first: `{COMMAND} --dry-run`",
        )

    # act

    def _apply(self, state: LocationState) -> None:
        rung = state.rung
        if rung is None:
            return
        with infra.locked(rung), rung.console.step(f"apply {state.location}") as step:
            done = self.roots.ensure(rung, FOUNDATION, None, step)
            record = InfraRecord(input_hash=done.inputs_hash, plan_id=done.plan_id, applied_at=stamp(rung.clock.now()))
            rung.ledger.record_infra(None, record, rung.lock.holding)
            step.done(done.summary)
        for note in done.notes:
            rung.console.line(f"  {note}")
        state.state = APPLIED

    def _lock_providers(self, rung: Rung | None) -> None:
        """Let each root have its lock file: without it, each job would choose the providers for itself."""
        for root in (SERVICE, delivery.ROOT):
            if rung and not (self.settings.root / "terraform" / root / LOCK_FILE).is_file():
                for note in self.roots.init(rung, root):
                    self.console.line(f"  {note}")

    # report

    def _close(self, states: list[LocationState]) -> None:
        forges = tuple(self.settings.ci.forges)
        if self.console.as_json:
            self.console.json(self._record(states))
            return
        if all(each.state == UNCHANGED for each in states):
            self.console.line("nothing to do: every foundation is as the settings say")
        for each in states:
            if each.state == REMAINING:
                self.console.warn(f"what remains: the foundation of {each.location}")
                self.console.hint(f"with its credentials: `AWS_PROFILE=<profile> {COMMAND} --env {each.environment}`")
        for forge in forges:
            self._print_forge(forge)
        lowest = self.settings.lowest
        if self.options.dry_run:
            self.console.hint(f"a dry run changed nothing; make it: `{COMMAND}`")
        elif forges:
            self.console.hint(
                "next: run these commands, commit, and `git push`; `inv ci.identity` explains a job that is refused"
            )
        else:
            self.console.hint(f"next, from this machine: `inv deploy --env {lowest}`")

    def _print_forge(self, forge: str) -> None:
        self.console.line(f"what {forge} needs, once:")
        for command in ci_settings.environment_commands(self.settings, forge):
            self.console.data(command)
        for each in ci_settings.variables(self.settings, forge):
            self.console.data(each.command)
        approvals = [name for name in ci_settings.environments(self.settings) if name not in self.settings.environments]
        steps = [] if forge == GITHUB else [f"protect the branch {self.settings.ci.branch} and the environments"]
        steps += [f"give {' and '.join(approvals)} reviewers"] if approvals else []
        if steps:
            self.console.line(f"then, in the forge's settings: {', and '.join(steps)}")

    def _record(self, states: list[LocationState]) -> dict[str, object]:
        planned = [each for each in states if each.state in {PLANNED, APPLIED}]
        costs = [row for each in planned for row in self._costs(each)]
        return {
            "dry_run": self.options.dry_run,
            "environments": list(ci_settings.environments(self.settings)),
            "locations": [each.record() for each in states],
            "makes": [asdict(row) for row in costs],
            "monthly_dollars": round(sum(row.dollars for row in costs), 2),
            "prices": {"noted_on": prices.NOTED_ON, "region": "us-east-1", "sources": list(prices.SOURCES)},
            "settings": {self.proposal.forge: dict(self.proposal.values)} if self.proposal else {},
            "variables": [
                {**asdict(each), "forge": forge}
                for forge in self.settings.ci.forges
                for each in ci_settings.variables(self.settings, forge)
            ],
        }


def opener(settings: Settings, console: Console) -> OpenRung:
    """Return what opens a rung; the template's example account is refused on AWS before anything else."""
    placeholder.refuse(settings, settings.environments)
    return lambda changed, name: Rung(changed, name, clients(changed, name), console, f"{COMMAND} --env {name}")
