"""Destroy all that a root's state has, past its guards. `inv destroy` calls this, and nothing else does.

A destroy that is cut off leaves the state with what is left; the next one goes on there. What somebody deleted by hand
is noticed by Terraform's own refresh.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stepladder.core.aws import Aws
from stepladder.core.step import Step
from stepladder.settings.load import Settings
from stepladder.terraform import (
    cli,
    distributions,
    emptying,
    foundation,
    guards,
    planning,
    references,
    roots,
    saved_plan,
    state_file,
)
from stepladder.terraform.events import ResourceChange
from stepladder.terraform.failures import TerraformError
from stepladder.terraform.runner import Runner, opened
from stepladder.terraform.state_file import StateResource

_TRIES = 2
"""Times that a destroy is begun: what wrote into a bucket, or was throttled, may have ended since."""


@dataclass(frozen=True)
class DestroyOutcome:
    """What was destroyed, and which objects were left because somebody else needs them."""

    destroyed: tuple[ResourceChange, ...] = ()
    forgotten: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def _none(_resource: StateResource) -> bool:
    """Leave nothing."""
    return False


def check_tools(settings: Settings, env: str, root: str) -> None:
    """Refuse to begin where a destroy of a root could not go on. Raises `NotReadyError`, or `BadInputError`."""
    at = roots.root(settings, env, root)
    cli.find(at.settings.root, distributions.of(at.settings.terraform_distribution))
    references.check(at)


def destroy(
    settings: Settings,
    env: str,
    root: str,
    *,
    aws: Aws,
    step: Step,
    leave: Callable[[StateResource], bool] = _none,
) -> DestroyOutcome:
    """Destroy what the state of a root has, but for what `leave` names: that is taken out of the state, and stays.

    Nothing is destroyed when there is no state. Raises as `terraform.ensure`.
    """
    at = roots.root(settings, env, root)
    state = state_file.read(aws, at)
    if not state:
        return DestroyOutcome()
    with opened(at, aws=aws, step=step) as runner:
        saved_plan.check_account(aws, at)
        left = tuple(each.address for each in state if leave(each))
        owned = [each for each in state if each.address not in left]
        for turn in range(_TRIES):
            try:
                destroyed = _once(runner, aws, left, lambda: guards.lift(aws, at, owned, step))
            except TerraformError:
                if turn == _TRIES - 1:
                    raise
            else:
                break
        return DestroyOutcome(destroyed, left, tuple(runner.notes))


def _once(runner: Runner, aws: Aws, left: Iterable[str], lift: Callable[[], None]) -> tuple[ResourceChange, ...]:
    """Plan, lift what AWS keeps, and apply: where no plan can be made, no bucket has been emptied."""
    at = runner.at
    planning.ready(runner, aws, foundation.backend_of(at, aws), acting=True)
    guards.lift_in_code(at.snapshot_dir.parent)
    remaining = [address for address in left if address in _addresses(runner, aws)]
    if remaining:
        planning.explained(runner, aws, lambda: runner.forget(remaining))
    at.manifest.unlink(missing_ok=True)
    try:
        changed, watch = planning.explained(runner, aws, lambda: runner.plan(at.plan_file, destroy=True))
        changes = tuple(change for change in watch.changes if change.action == "delete")
        if changed:
            lift()
            planning.explained(runner, aws, lambda: runner.apply(at.plan_file, total=len(changes)))
    finally:
        at.plan_file.unlink(missing_ok=True)  # it may hold secrets
    return changes


def _addresses(runner: Runner, aws: Aws) -> set[str]:
    return {each.address for each in state_file.read(aws, runner.at) or ()}


def delete_states(settings: Settings, env: str, *, aws: Aws) -> int:
    """Delete every version of an environment's states, which may hold secrets, and its reviewed plans; return how many.

    Raises `StepladderError` when S3 keeps some.
    """
    names = settings.names(env)
    deleted = emptying.bucket(aws, names.artifacts_bucket, names.account, prefix=f"plans/{env}/")
    # By the key: what else begins with the environment's name may be a state of Terraform that isn't ours.
    return deleted + emptying.bucket(aws, names.state_bucket, names.account, prefix=names.state_key("service"))


def forget_files(settings: Settings, env: str, root: str) -> None:
    """Delete what this checkout keeps of a root: variables and plans, which may hold secrets."""
    at = roots.root_of(settings, env, root)
    for path in (at.tfvars, at.backend, at.plan_file, at.manifest, at.build_dir / f"{root}.outputs.json"):
        path.unlink(missing_ok=True)
