"""`--dry-run`: tell what would be done, from real reads and real plans, or that it would be refused; change nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from stepladder.core.errors import RefusedError
from stepladder.ledger.schema import Holder
from stepladder.releases import drift, marks
from stepladder.releases.interfaces import Infrastructure
from stepladder.releases.plan import FOUNDATION, IMAGE, RELEASE, SERVICE, SMOKE, DeployPlan, EnvironmentState
from stepladder.releases.release import check_kind
from stepladder.releases.rung import Rung

_VERBS = {IMAGE: "build and push", RELEASE: "publish, test and move the alias"}


@contextlib.contextmanager
def foretold(*, dry_run: bool) -> Iterator[None]:
    """Say of a refusal that it would be one, when nothing but a look was asked for; it keeps its exit code."""
    try:
        yield
    except RefusedError as error:
        if not dry_run:
            raise
        raise RefusedError(f"would be refused: {error.message}", hint=error.hint) from error


def warn_of_lock(rung: Rung, holder: Holder | None) -> None:
    """Say that somebody is at work there: the same command without --dry-run would wait or end."""
    if holder and not rung.lock.is_over(holder):
        rung.console.warn(rung.lock.locked(holder).message)


def tell(
    rung: Rung,
    infra: Infrastructure,
    world: EnvironmentState,
    plan: DeployPlan,
    *,
    image: str = "",
    cases: int = 0,
    force: bool = False,
) -> None:
    """Tell each step of a deploy. Raises the first of the refusals that the deploy would meet, after all are told.

    `image` is the digest that would be released, when it is known without a build; `cases` how many smoke cases there
    are.
    """
    verbs = {**_VERBS, SMOKE: f"run {cases} smoke cases on the live version"}
    refused: list[RefusedError] = []
    for planned in plan.steps:
        with rung.console.step(planned.name) as step, _collected(refused) as said:
            if not planned.act:
                step.skip(f"nothing to do: {planned.why}")
            elif planned.name in (FOUNDATION, SERVICE) and world.ledger.exists:
                step.done(f"would apply: {infra.preview(planned.name, None, step)} ({planned.why})")
            elif planned.name == IMAGE and image:
                step.done(f"would release it as it is: {planned.why}")
            else:
                step.done(f"would {verbs.get(planned.name, 'apply')}: {planned.why}")
        if said:
            rung.console.line(f"  would be refused: {said[0].message}")
    for check in (_shift, _mark, _function):
        with _collected(refused):
            check(rung, world, plan, image=image, force=force)
    if refused:
        raise refused[0]


@contextlib.contextmanager
def _collected(refused: list[RefusedError]) -> Iterator[Sequence[RefusedError]]:
    own: list[RefusedError] = []
    try:
        yield own
    except RefusedError as error:
        own.append(error)
        refused.append(error)


def _shift(rung: Rung, world: EnvironmentState, _plan: DeployPlan, **_: object) -> None:
    if world.alias:
        rung.check_unshifted(world.alias, rung.active_deployment(), world.ledger.current)


def _mark(rung: Rung, world: EnvironmentState, plan: DeployPlan, *, image: str, force: bool) -> None:
    current = world.ledger.current
    digest = image or (current.digest if current and not plan.step(IMAGE).act else "")
    if digest and world.ledger.exists:
        marks.check(rung, digest, force=force, hint="change the code, release it with --force")


def _function(rung: Rung, world: EnvironmentState, plan: DeployPlan, **_: object) -> None:
    """Look at $LATEST, which a release would publish as it is; an apply before that puts it right."""
    if not world.alias or plan.step(SERVICE).act:
        return
    latest = rung.function.read()
    if latest is None:
        return
    check_kind(rung, latest)
    if drift.found(world.ledger, latest):
        told = drift.changes(rung, world.ledger, latest)
        if plan.infra == "never":
            raise drift.refused(rung, told, "--infra never forbids to set it back")
        rung.console.line(f"  would apply the service again: changed by hand: {'; '.join(told)}")
