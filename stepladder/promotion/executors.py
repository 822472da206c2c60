"""One plan of a promotion, two executors: one acts, one says what it would do (`preview`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from stepladder.aws_lambda import alias as aliases
from stepladder.core.errors import BadInputError, LockedError
from stepladder.core.names import target_key
from stepladder.core.release_facts import LATEST
from stepladder.promotion import frozen, held, infra, start
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.plan import PromotionPlan, plan_promotion
from stepladder.promotion.start import StartResult
from stepladder.promotion.subject import PromotionOptions
from stepladder.releases.rung import Rung
from stepladder.settings.functions import MAIN


class PromotionExecutor(Protocol):
    """What a plan is given to: a method for each kind of step."""

    def existing(self) -> StartResult | None:
        """Return the result of a plan that starts nothing: it is joined, or nothing is left to do."""
        ...

    def check_size(self) -> None:
        """Refuse a promotion of more functions than one execution takes."""
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

    def planned_again(self, applied: tuple[str, ...]) -> tuple[PromotionExecutor, PromotionPlan]:
        """Return what is to be promoted now that services of environments were applied, and its executor."""
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

    def check_size(self) -> None:
        """See `PromotionExecutor`."""
        start.check_size(self.machine, self.options, self.plan)

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

    def planned_again(self, applied: tuple[str, ...]) -> tuple[PromotionExecutor, PromotionPlan]:
        """See `PromotionExecutor`. The project's own function alone is promoted whatever it serves."""
        if self.machine.settings.function_names == ("",):
            return self, self.plan
        options = self.options
        if options.functions and not options.digest and not options.release:
            options = replace(options, functions=(*options.functions, *self._made(applied)))
        plan = plan_promotion(self.machine, options)
        return replace(self, options=options, plan=plan), plan

    def _made(self, applied: tuple[str, ...]) -> list[str]:
        """Return functions that weren't named, and that an apply has made: they have callers, and no release."""
        made = []
        for name in self.machine.settings.function_names:
            rungs = [self.machine.at(target_key(environment, name)) for environment in applied]
            if name not in self.options.functions and any(_is_unreleased(rung) for rung in rungs):
                self.machine.console.warn(f"{name or MAIN} is new there: the apply has made it, so it is promoted too")
                made.append(name)
        return made

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


def _is_unreleased(rung: Rung) -> bool:
    alias = aliases.read(rung.lambda_client, rung.names.function)
    return alias is not None and alias.version == LATEST


def carry_out(
    plan: PromotionPlan, options: PromotionOptions, executor: PromotionExecutor
) -> tuple[StartResult, tuple[str, ...], PromotionPlan]:
    """Give the plan to an executor; return what became of it, and the environments whose service was applied.

    An apply may change the configuration of functions that every rung served as it should. The plan that is returned
    has them, too.
    """
    started = None if options.infra else executor.existing()
    if started:
        return started, (), plan
    if plan.running:  # with --infra: what is under way is not changed beneath
        raise LockedError(
            "the promotion of this image is under way, and infrastructure isn't changed beneath it",
            kind="promotion-under-way",
            hint="join it with `inv promote`, or stop it with `inv promote.stop`",
        )
    executor.check_freezes()
    executor.check_free()
    executor.check_secrets()
    executor.check_size()
    applied = executor.prepare()
    if not applied:
        return executor.existing() or executor.start(), applied, plan
    then, now = executor.planned_again(applied)
    if now is plan:
        return then.start(), applied, plan
    started = then.existing()
    if not started:
        then.check_secrets()
        then.check_size()
    return started or then.start(), applied, now
