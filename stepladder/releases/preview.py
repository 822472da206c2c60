"""`--dry-run`: print what would be done or refused, from real reads and real plans; change nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stepladder.core import names
from stepladder.core.errors import RefusedError
from stepladder.ledger.schema import Holder
from stepladder.releases import drift, marks, release_command, secret_check
from stepladder.releases.interfaces import Infrastructure
from stepladder.releases.plan import FOUNDATION, IMAGE, SERVICE, DeployPlan, EnvironmentState, PlannedStep, carry_out
from stepladder.releases.release import check_kind
from stepladder.releases.rung import Rung
from stepladder.releases.smoke_suite import Suite


def warn_of_lock(rung: Rung, holder: Holder | None) -> None:
    """Say that somebody is at work there: the same command without --dry-run would wait or end."""
    if holder and not rung.lock.is_over(holder):
        rung.console.warn(rung.lock.locked(holder).message)


@dataclass
class Description:
    """The executor that changes nothing: it says of each step what it would do, from real reads and real plans.

    `image` is the digest that would be released, when it is known without a build; `suite` are the smoke cases. What
    would be refused is collected, so that every step is printed before the first refusal is raised.
    """

    rung: Rung
    infra: Infrastructure
    state: EnvironmentState
    plan: DeployPlan
    suite: Suite
    image_digest: str = ""
    force: bool = False
    refused: list[RefusedError] = field(default_factory=list)

    def execute(self) -> None:
        """Print the plan. Raises the first of the refusals that the deploy would meet, after all are printed."""
        carry_out(self.plan, self)
        self._check()
        self.check_secrets([self.rung])
        if self.refused:
            raise self.refused[0]

    def function(self) -> None:
        """Print what would be done with this function alone, not with the roots that it shares; collect refusals."""
        for step in self.plan.steps:
            if step.act and step.name not in {FOUNDATION, SERVICE}:
                getattr(self, step.name)(step)
        self._check()

    def _check(self) -> None:
        for check in (self._check_alias, self._check_mark, self._check_configuration):
            with _collected(self.refused):
                check()

    def alias(self, step: PlannedStep) -> None:
        """Print the alias that would be restored."""
        self._show(step, f"put alias {names.ALIAS} back on {step.why}", why="it was lost")

    def foundation(self, step: PlannedStep) -> None:
        """Plan the foundation and print the changes."""
        self._root(step)

    def service(self, step: PlannedStep) -> None:
        """Plan the service and print the changes."""
        self._root(step)

    def image(self, step: PlannedStep) -> None:
        """Print what would be built or taken."""
        self._show(step, "release it as it is" if self.image_digest else "build and push")

    def release(self, step: PlannedStep) -> None:
        """Print the release."""
        command = release_command.of(self.rung.settings, self.rung.environment)
        limits = release_command.limits(self.rung.settings, self.rung.environment)
        sent = f"send release command {command.name} ({limits}) unless it was done for the image, " if command else ""
        self._show(step, f"publish, {sent}test and move the alias")

    def smoke(self, step: PlannedStep) -> None:
        """Print how many cases would be run."""
        self._show(step, f"run {len(self.suite.cases)} smoke cases on the live version")

    def _root(self, step: PlannedStep) -> None:
        if not step.act or not self.state.ledger.exists:  # no bucket for a state yet, so nothing to plan with
            self._show(step, "apply")
            return
        with self.rung.console.step(step.name) as shown, _collected(self.refused) as refused:
            shown.done(f"would apply: {self.infra.preview(step.name, None, shown)} ({step.why})")
        if refused:
            self.rung.console.line(f"  would be refused: {refused[0].message}")

    def _show(self, step: PlannedStep, verb: str, *, why: str = "") -> None:
        with self.rung.console.step(step.name) as shown:
            if step.act:
                shown.done(f"would {verb}: {why or step.why}")
            else:
                shown.skip(f"nothing to do: {step.why}")

    def _check_alias(self) -> None:
        if self.state.alias:
            self.rung.check_unshifted(self.state.alias, self.rung.active_deployment(), self.state.ledger.current)

    def _check_mark(self) -> None:
        current = self.state.ledger.current
        digest = self.image_digest or (current.digest if current and not self.plan.step(IMAGE).act else "")
        if digest and self.state.ledger.exists:
            marks.check_deploy(self.rung, digest, force=self.force)

    def check_secrets(self, rungs: Sequence[Rung]) -> None:
        """Collect the refusal of functions whose secrets have no value."""
        with _collected(self.refused):
            secret_check.check(rungs)

    def _check_configuration(self) -> None:
        """Check $LATEST, which a release would publish as it is; an apply before that puts it right."""
        latest = self.rung.function.read() if self.state.alias and not self.plan.step(SERVICE).act else None
        if latest is None:
            return
        check_kind(self.rung, latest)
        changed = drift.to_repair(self.rung, self.state.ledger, latest, infra=self.plan.infra)
        if changed:
            self.rung.console.line(f"  would apply the service again: changed by hand: {'; '.join(changed)}")


@contextlib.contextmanager
def _collected(refused: list[RefusedError]) -> Iterator[Sequence[RefusedError]]:
    own: list[RefusedError] = []
    try:
        yield own
    except RefusedError as error:
        own.append(error)
        refused.append(error)
