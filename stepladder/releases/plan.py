"""What a deploy will do, as data, from what was read. No AWS here: every decision can be tested by itself.

One plan has two executors: `acts.Acts` carries it out, `preview.Description` says of each step what it would do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.alias import Alias
from stepladder.core.errors import RefusedError
from stepladder.core.names import is_preview
from stepladder.core.records import dataclass
from stepladder.core.release_facts import short
from stepladder.ledger.environment_items import InfraRecord
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases.smoke_outputs import cases_of

if TYPE_CHECKING:
    from stepladder.releases.ladder_guard import Pin

ALIAS, FOUNDATION, SERVICE, IMAGE = "alias", "foundation", "service", "image"
RELEASE, SMOKE = "release", "smoke"


@dataclass(frozen=True)
class Wanted:
    """What the working tree asks for, hashed offline; no `smoke_key` when no smoke case is to run."""

    input_key: str
    foundation_hash: str
    service_hash: str
    smoke_key: str = ""


@dataclass(frozen=True)
class EnvironmentState:
    """What is there: the alias and the ledger's view of the environment."""

    alias: Alias | None
    ledger: Snapshot


@dataclass(frozen=True)
class PlannedStep:
    """One step: whether it acts, and why or why not. One that is `left` is a person's to do."""

    name: str
    act: bool
    why: str
    left: bool = False


@dataclass(frozen=True)
class DeployPlan:
    """The steps in the order of their execution. The first deployment needs the image before the service.

    The alias is a step only where it was lost, the smoke cases only where no release runs them.
    """

    steps: tuple[PlannedStep, ...]
    infra: str = "auto"

    def step(self, name: str) -> PlannedStep:
        """Return a step by name."""
        return next(step for step in self.steps if step.name == name)

    @property
    def acts(self) -> bool:
        """Whether anything is to be done."""
        return any(step.act for step in self.steps)

    @property
    def only_tests(self) -> bool:
        """Whether the smoke cases are to run, and nothing else is to be done."""
        return {step.name for step in self.steps if step.act} == {SMOKE}

    @property
    def first(self) -> bool:
        """Whether the function is yet to be made."""
        names = [step.name for step in self.steps]
        return names.index(IMAGE) < names.index(SERVICE)


class DeployExecutor(Protocol):
    """What a plan is given to: a method for each kind of step, which gets the step whether it acts or not."""

    def alias(self, step: PlannedStep) -> None:
        """Put the alias back on the version that was released."""
        ...

    def foundation(self, step: PlannedStep) -> None:
        """Apply the foundation."""
        ...

    def service(self, step: PlannedStep) -> None:
        """Apply the service."""
        ...

    def image(self, step: PlannedStep) -> None:
        """Build and push the image, or fetch the one that the rung is bound to."""
        ...

    def release(self, step: PlannedStep) -> None:
        """Publish a version, test it, move the alias and record the release."""
        ...

    def smoke(self, step: PlannedStep) -> None:
        """Run the smoke cases on the live version."""
        ...


def carry_out(plan: DeployPlan, executor: DeployExecutor) -> None:
    """Give every step of the plan to the executor, in the plan's order."""
    for step in plan.steps:
        getattr(executor, step.name)(step)


def make(
    state: EnvironmentState,
    wanted: Wanted,
    infra: str,
    pin: Pin | None = None,
    again: str = "",
    *,
    environment: str,
    lost_alias: str = "",
    leave_foundation: bool = False,
) -> DeployPlan:
    """Return the plan. `infra` is auto, always or never; a `pin` is the one image that may be released.

    `again` says why the service is to be applied though its inputs are as they were; `lost_alias` is the version that
    the alias has to be restored to, which `world` shows as done. With `leave_foundation` a changed foundation is a
    person's to apply.

    Raises `RefusedError` when `never` forbids what the environment can't do without.
    """
    foundation, service = roots(state, wanted, infra, again, environment=environment, leave_foundation=leave_foundation)
    return assembled(state, wanted, infra, (foundation, service), pin, lost_alias=lost_alias)


def roots(
    state: EnvironmentState,
    wanted: Wanted,
    infra: str,
    again: str = "",
    *,
    environment: str,
    leave_foundation: bool = False,
) -> tuple[PlannedStep, PlannedStep]:
    """Return the steps of the foundation and the service; arguments and errors as those of `make`."""
    if infra == "never":
        _check_applied(environment, {FOUNDATION: state.ledger.exists, SERVICE: state.alias is not None})
    foundation = _root(FOUNDATION, state.ledger.foundation, wanted.foundation_hash, infra, exists=state.ledger.exists)
    if is_preview(environment):
        foundation = PlannedStep(FOUNDATION, act=False, why="shared by all, which a preview leaves as it is")
    if leave_foundation and foundation.act and state.ledger.exists:
        foundation = PlannedStep(FOUNDATION, act=False, why=f"{foundation.why}; left to a person", left=True)
    service = _root(SERVICE, state.ledger.infra, wanted.service_hash, infra, exists=state.alias is not None)
    if again and infra != "never":
        service = PlannedStep(SERVICE, act=True, why=again)
    return foundation, service


def assembled(
    state: EnvironmentState,
    wanted: Wanted,
    infra: str,
    roots: tuple[PlannedStep, PlannedStep],
    pin: Pin | None = None,
    *,
    lost_alias: str = "",
) -> DeployPlan:
    """Return the plan of one function, given what becomes of the roots that it may share with others."""
    foundation, service = roots
    image = _image(state, wanted, pin)
    release = _release(state, image, service)
    order = (service, image) if state.alias else (image, service)
    alias = (PlannedStep(ALIAS, act=True, why=f"version {lost_alias}"),) if lost_alias else ()
    return DeployPlan((*alias, foundation, *order, release, *_smoke(state, wanted, release)), infra)


def _check_applied(environment: str, exists: dict[str, bool]) -> None:
    for name in (name for name, applied in exists.items() if not applied):
        raise RefusedError(
            f"the {name} of {environment} has not been applied, and --infra never forbids it",
            kind="not-applied",
            hint=f"let it be applied: `inv deploy --env {environment} --infra auto`",
        )


def _root(name: str, applied: InfraRecord | None, wanted: str, infra: str, *, exists: bool) -> PlannedStep:
    if infra == "never":
        same = applied and applied.input_hash == wanted
        return PlannedStep(
            name, act=False, why="unchanged" if same else "differs from the last apply, left (--infra never)"
        )
    if not exists:
        return PlannedStep(name, act=True, why="not there yet")
    if infra == "always":
        return PlannedStep(name, act=True, why="--infra always")
    if applied is None:
        return PlannedStep(name, act=True, why="the ledger knows of no apply")
    if applied.input_hash != wanted:
        return PlannedStep(name, act=True, why=f"its inputs changed since the apply of {applied.applied_at}")
    return PlannedStep(name, act=False, why=f"unchanged since {applied.applied_at}")


def _image(state: EnvironmentState, wanted: Wanted, pin: Pin | None) -> PlannedStep:
    current = state.ledger.current
    if pin:
        kept = bool(current and state.alias and current.digest == pin.digest)
        return PlannedStep(IMAGE, act=not kept, why=f"{pin.why}, nothing is built")
    if current is None or state.alias is None:
        return PlannedStep(IMAGE, act=True, why="nothing is live here yet")
    if current.input_key != wanted.input_key:
        return PlannedStep(IMAGE, act=True, why=f"its inputs differ from those of {short(current.digest)}")
    return PlannedStep(IMAGE, act=False, why=f"unchanged, {short(current.digest)}")


def _release(state: EnvironmentState, image: PlannedStep, service: PlannedStep) -> PlannedStep:
    why = _why_release(state, image, service)
    if not why and state.alias:
        return PlannedStep(RELEASE, act=False, why=f"version {state.alias.version} serves the wanted image")
    return PlannedStep(RELEASE, act=True, why=why)


def _smoke(state: EnvironmentState, wanted: Wanted, release: PlannedStep) -> tuple[PlannedStep, ...]:
    """Return the step that runs the smoke cases on the live version: where they aren't those that it passed."""
    current = state.ledger.current
    if release.act or current is None or not wanted.smoke_key:
        return ()
    if cases_of(wanted.smoke_key) == cases_of(current.smoke_key):
        return ()
    why = "they changed since the live version passed them" if current.smoke_key else "the live version ran none so far"
    return (PlannedStep(SMOKE, act=True, why=why),)


def _why_release(state: EnvironmentState, image: PlannedStep, service: PlannedStep) -> str:
    """Return the first reason for a release, or for looking closer whether one is needed; empty without any."""
    alias, current = state.alias, state.ledger.current
    if alias is None:
        return "first release"
    if current is None:
        return "the ledger knows of no release"
    applied = state.ledger.infra.input_hash if state.ledger.infra else ""
    reasons = (
        (bool(alias.weights), f"version {alias.version}{aliases.weighted(alias)}"),
        (image.act, "new image"),
        (alias.version != current.version, f"the alias serves {alias.version}, not {current.version} as released"),
        (service.act or current.infra_hash != applied, "the configuration may have changed"),
        (alias.revision != current.alias_revision, "the alias was touched since the release"),
    )
    return next((why for holds, why in reasons if holds), "")
