"""One plan of a promotion, two executors: one acts, one says what it would do (`preview`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stepladder.core.errors import BadInputError, LockedError
from stepladder.promotion import frozen, held, infra, start
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.plan import PromotionPlan
from stepladder.promotion.start import StartResult
from stepladder.promotion.subject import PromotionOptions


class PromotionExecutor(Protocol):
    """What a plan is given to: a method for each kind of step."""

    def existing(self) -> StartResult | None:
        """Return the result of a plan that starts nothing: it is joined, or nothing is left to do."""
        ...

    def check_freezes(self) -> None:
        """Refuse a promotion that would reach a rung while it is frozen."""
        ...

    def check_free(self) -> None:
        """Refuse while a command holds the lock of a rung."""
        ...

    def check_secrets(self) -> None:
        """Refuse while a rung lacks the value of a secret."""
        ...

    def prepare(self) -> tuple[str, ...]:
        """Apply the infrastructure, and copy the image; return the environments whose service was applied."""
        ...

    def start(self) -> StartResult:
        """Start the promotion."""
        ...


@dataclass(frozen=True)
class PromotionActs:
    """The executor that acts."""

    machine: StateMachine
    options: PromotionOptions
    plan: PromotionPlan

    def existing(self) -> StartResult | None:
        """See `PromotionExecutor`."""
        return start.existing(self.machine, self.options, self.plan)

    def check_freezes(self) -> None:
        """See `PromotionExecutor`."""
        frozen.check(self.machine, self.options, self.plan)

    def check_free(self) -> None:
        """See `PromotionExecutor`."""
        held.check_free(self.machine, tuple(self.plan.subjects))

    def check_secrets(self) -> None:
        """See `PromotionExecutor`."""
        held.check_secrets(self.machine, tuple(self.plan.subjects))

    def prepare(self) -> tuple[str, ...]:
        """See `PromotionExecutor`."""
        return infra.prepare(self.machine, self.plan.missing, self.plan.digests, infra=self.options.infra)

    def start(self) -> StartResult:
        """See `PromotionExecutor`."""
        return start.start(self.machine, self.options, self.plan)


@dataclass(frozen=True)
class PromotionPreparation(PromotionActs):
    """The executor that does everything but the start: something else starts the execution, with the input in `file`.

    It joins nothing. A promotion of the image that is under way is refused. One that is done is prepared again: its
    execution finds nothing to release.
    """

    file: Path

    def existing(self) -> StartResult | None:
        """See `PromotionExecutor`."""
        return None

    def start(self) -> StartResult:
        """Write the input that `PromotionActs` starts the execution with."""
        release, text = start.compose(self.machine, self.options, self.plan)
        try:
            self.file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise BadInputError(
                f"the promotion's input can't be written to {self.file}: {error.strerror}",
                kind="bad-arguments",
                hint="name a file in a folder that may be written to: `inv promote --prepare promotion.json`",
            ) from error
        return StartResult("prepared", release)


def carry_out(
    plan: PromotionPlan, options: PromotionOptions, executor: PromotionExecutor
) -> tuple[StartResult, tuple[str, ...]]:
    """Give the plan to an executor; return what became of it, and the environments whose service was applied."""
    started = None if options.infra else executor.existing()
    if started:
        return started, ()
    if plan.running:  # with --infra: what is under way is not changed beneath
        raise LockedError(
            "the promotion of this image is under way, and infrastructure isn't changed beneath it",
            kind="promotion-under-way",
            hint="join it with `inv promote`, or stop it with `inv promote.stop`",
        )
    executor.check_freezes()
    executor.check_free()
    executor.check_secrets()
    applied = executor.prepare()
    return (None if applied else executor.existing()) or executor.start(), applied
