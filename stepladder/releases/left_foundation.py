"""A foundation that a CI job leaves to a person: it holds the job's own roles, which no job may change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stepladder.core.ci import in_ci
from stepladder.core.console import Console
from stepladder.releases.plan import FOUNDATION, PlannedStep
from stepladder.releases.rung import Rung
from stepladder.settings.load import Settings

if TYPE_CHECKING:
    from stepladder.releases.interfaces import Infrastructure

_NOTHING = "0 to add, 0 to change, 0 to destroy"


def is_left(settings: Settings, mode: str = "auto") -> bool:
    """Say whether changes of the foundation aren't this run's to apply; `always` asks for it all the same."""
    return bool(settings.ci.forges) and mode != "always" and in_ci()


def skip(rung: Rung, infra: Infrastructure, planned: PlannedStep) -> None:
    """Say why a step has nothing to do, or what of it is left to a person."""
    if planned.left:
        read(rung, infra, planned)
        return
    with rung.console.step(planned.name) as step:
        step.skip(planned.why)


def read(rung: Rung, infra: Infrastructure, step: PlannedStep) -> None:
    """Plan the foundation, and name who applies it and how when it has changes. Changes nothing."""
    with rung.console.step(step.name) as shown:
        changes = infra.preview(FOUNDATION, None, shown)
        if changes == _NOTHING:
            shown.skip("nothing to change, though its inputs changed")
            return
        shown.done(f"{changes}, left to a person")
    warn(rung.console, rung.environment)


def warn(console: Console, environment: str) -> None:
    """Name the commands that apply a changed foundation."""
    where = f"--env {environment} --root {FOUNDATION}"
    console.warn("the foundation has changes, and it holds this job's own roles: a person applies it")
    console.hint(f"with credentials of your own: `inv tf.plan {where}`, then `inv tf.apply {where}`")
