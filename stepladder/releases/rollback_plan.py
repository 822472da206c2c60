"""What a rollback will do, as data. One plan has two executors: one acts, one says what it would do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol

from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.core.release_facts import short
from stepladder.ledger import schema
from stepladder.ledger.schema import ReleaseEntry
from stepladder.releases.plan import PlannedStep
from stepladder.releases.rollback_target import RollbackState

DEPLOYMENT, VERSION, ALIAS, IMAGE = "deployment", "version", "alias", "image"


@dataclass(frozen=True)
class RollbackReport:
    """How a rollback ended. `result` is rolled_back, unchanged or dry_run. `left` has what it does not undo."""

    environment: str
    result: str
    version: str
    previous_version: str
    digest: str
    marked_bad: str
    target_release: str
    release_id: str = ""
    differences: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def record(self) -> dict[str, object]:
        """Return the one record that `--json` prints."""
        return asdict(self)


@dataclass(frozen=True)
class RollbackPlan:
    """The steps of one rollback, in the order of their execution, and what they are about."""

    state: RollbackState
    target: ReleaseEntry
    version: FunctionState
    report: RollbackReport
    steps: tuple[PlannedStep, ...]


class RollbackExecutor(Protocol):
    """What a plan is given to: a method for each kind of step, which gets the step whether it acts or not."""

    def deployment(self, step: PlannedStep) -> None:
        """Stop the CodeDeploy deployment under way, and wait until it and its rollback have ended."""
        ...

    def version(self, step: PlannedStep) -> None:
        """Wake a target that sleeps, and test one that nobody knows to have been tested."""
        ...

    def alias(self, step: PlannedStep) -> None:
        """Move the alias to the target, verify and record it; a mark is recorded in the same call."""
        ...

    def image(self, step: PlannedStep) -> None:
        """Print what becomes of the image that is left."""
        ...


def make(state: RollbackState, target: ReleaseEntry, version: FunctionState, report: RollbackReport) -> RollbackPlan:
    """Return the plan of a rollback from what was read."""
    sleeps, untested = version.state != "Active", target.result == schema.UNKNOWN
    why = " and ".join([*(["it sleeps"] if sleeps else []), *(["nobody knows its tests"] if untested else [])])
    steps = (
        PlannedStep(DEPLOYMENT, act=bool(state.deployment), why=state.deployment or "none is under way"),
        PlannedStep(VERSION, act=sleeps or untested, why=why or "it is ready"),
        PlannedStep(ALIAS, act=True, why=f"version {target.version}"),
        PlannedStep(IMAGE, act=bool(report.marked_bad), why=short(report.marked_bad) or "it is not marked bad"),
    )
    return RollbackPlan(state, target, version, report, steps)


def carry_out(plan: RollbackPlan, executor: RollbackExecutor) -> None:
    """Give every step of the plan to the executor, in the plan's order."""
    for step in plan.steps:
        getattr(executor, step.name)(step)
