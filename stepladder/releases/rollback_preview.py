"""The executor of a rollback's plan that changes nothing: it says of each step what it would do."""

from __future__ import annotations

from dataclasses import dataclass

from stepladder.core import names
from stepladder.releases.plan import PlannedStep
from stepladder.releases.rollback_plan import RollbackPlan, carry_out
from stepladder.releases.rung import Rung


@dataclass(frozen=True)
class RollbackDescription:
    """A `rollback_plan.RollbackExecutor`. `asks`: a person who can be asked decides on the image's mark."""

    rung: Rung
    asks: bool

    def execute(self, plan: RollbackPlan) -> None:
        """Print every step that acts."""
        carry_out(plan, self)

    def deployment(self, step: PlannedStep) -> None:
        """Print the deployment that would be stopped."""
        if step.act:
            self._show(step, f"would stop {step.why} and wait until it has rolled back")

    def version(self, step: PlannedStep) -> None:
        """Print what the target would need before it gets traffic."""
        if step.act:
            self._show(step, f"would wake and test it: {step.why}")

    def alias(self, step: PlannedStep) -> None:
        """Print where the alias would go."""
        if step.act:
            self._show(step, f"would move {names.ALIAS} to {step.why}, verify and record it")

    def image(self, step: PlannedStep) -> None:
        """Print what would become of the image that is left."""
        if step.act:
            question = "; a person on a terminal is asked first if it looks healthy" if self.asks else ""
            self.rung.console.line(f"image {step.why} would be marked bad{question}")

    def _show(self, step: PlannedStep, text: str) -> None:
        with self.rung.console.step(step.name) as shown:
            shown.done(text)
