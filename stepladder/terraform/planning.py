"""Make a plan: ready the snapshot, check what killed runs left, plan, and import what exists already.

A plan for review or a preview reads: what it would take to go on is printed, and done by the run that acts (`acting`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from stepladder.core.aws import Aws
from stepladder.core.errors import RefusedError
from stepladder.terraform import foundation, importing, locks, losses, roots, saved_plan, tainted
from stepladder.terraform.events import ResourceChange, Watch
from stepladder.terraform.failures import PLAN_STALE, TerraformError, stale
from stepladder.terraform.roots import Root
from stepladder.terraform.runner import IMPORTS, LOCK_TIMEOUT, Runner, opened
from stepladder.terraform.saved_plan import Inputs, SavedPlan

T = TypeVar("T")


class NoStateError(RefusedError):
    """A root whose state has no bucket yet: the foundation makes it, in the first deployment."""

    kind = "no-state"


@dataclass(frozen=True)
class Draft:
    """A plan file that was just made: from what, what it would do, and the types of what it has read."""

    inputs: Inputs
    backend: str
    changed: bool
    changes: tuple[ResourceChange, ...]
    needs_image: tuple[str, ...] = ()
    reads: frozenset[str] = frozenset()

    def made(self, at: Root, image_uri: str | None, images: Mapping[str, str] = roots.NO_IMAGES) -> SavedPlan:
        """Return the plan in the root's plan file, which this is the draft of."""
        return saved_plan.made(
            at,
            self.inputs,
            backend=self.backend,
            changed=self.changed,
            changes=self.changes,
            image_uri=image_uri,
            images=images,
            needs_image=self.needs_image,
        )


def draft(  # noqa: PLR0913 - a plan for review, a preview and an act differ in so many ways
    runner: Runner,
    aws: Aws,
    image_uri: str | None,
    *,
    images: Mapping[str, str] = roots.NO_IMAGES,
    out: Path,
    acting: bool,
    import_existing: bool,
    live: bool = False,
    lock: bool = True,
    lock_timeout: int = LOCK_TIMEOUT,
) -> Draft:
    """Plan into `out`; `look` for what exists already, and import it. Unless `acting`, nothing but files is written.

    With no image, or one that is `live`, the function was seen: where a plan would create it, the state has lost it.
    """
    at = runner.at
    account = saved_plan.check_account(aws, at)
    backend = foundation.backend_of(at, aws)
    free = ready(runner, aws, backend, acting=acting)
    inputs = saved_plan.inputs_now(
        at, account=account, image_uri=image_uri, images=images, terraform_version=runner.terraform.version
    )

    def make() -> tuple[bool, Watch]:
        return explained(runner, aws, lambda: runner.plan(out, lock=lock and free, lock_timeout=lock_timeout))

    changed, watch = tainted.planned(runner, make, acting=acting)
    created = {change.type for change in watch.changes if change.action in {"create", "replace"}}
    needs_image: tuple[str, ...] = ()
    lost = at.name == "service" and losses.may_lack_image(watch.changes, images, own=not live and bool(image_uri))
    if (import_existing or lost) and created & importing.FINDERS.keys():
        document = shown(runner, out)
        needs_image = losses.imageless(document)
        imported = importing.imports(aws, at.names, document)
        if imported:
            verb = "took" if acting else "takes"
            runner.notes.append(
                f"{verb} up what exists and the state had lost: " + ", ".join(existing.address for existing in imported)
            )
            text = "\n".join(existing.block() for existing in imported)
            runner.prepare(backend=backend, extra={IMPORTS: text})
            changed, watch = make()
            left = {change.address for change in watch.changes if change.action in {"create", "replace"}}
            needs_image = tuple(address for address in needs_image if address in left)
    return _seen(inputs, backend, changed, watch, needs_image)


def first(runner: Runner, inputs: Inputs, *, out: Path) -> Draft:
    """Plan a root that has no state yet, right after its `init`: without the lock of a state that nobody has."""
    runner.prepare(backend="local")  # an `init` of an earlier run is not repeated, and may have been for another state
    changed, watch = runner.plan(out, lock=False)
    return _seen(inputs, "local", changed, watch)


def _seen(inputs: Inputs, backend: str, changed: bool, watch: Watch, needs_image: tuple[str, ...] = ()) -> Draft:
    changes = tuple(change for change in watch.changes if change.action != "read")
    return Draft(inputs, backend, changed, changes, needs_image, frozenset(watch.reads))


def ready(runner: Runner, aws: Aws, backend: str, *, acting: bool) -> bool:
    """Prepare the snapshot; when acting, free a state lock that a dead run of this checkout left.

    Returns whether the state's lock is to be taken: False when such a lock is there and stays, since nothing acts.
    """
    try:
        runner.prepare(backend=backend)
    except TerraformError as error:
        if backend == "s3" and not foundation.bucket_exists(runner.at, aws):
            raise _too_early(runner) from error
        raise
    if backend != "s3":
        return True
    if not acting:
        lock = locks.left_by_us(runner, aws)
        if lock:
            left = f"our killed run left the state lock {lock.id} ({lock.verb})"
            runner.notes.append(f"{left}; `{runner.at.command}` frees it")
        return lock is None
    if runner.at.name == "foundation":
        foundation.archive_leftover(runner)
    if runner.held.died:
        locks.take_over(runner, aws)
    runner.held.settled = True
    return True


def shown(runner: Runner, plan: Path) -> dict[str, Any]:
    """Read a plan file (`terraform show -json`)."""
    return runner.document(["show", "-json", str(plan)])


def document(saved: SavedPlan) -> dict[str, Any]:
    """Read the plan that was just saved. It may hold secrets. Raises as Terraform's `show`."""
    with opened(saved.at, image_uri=saved.image_uri, images=saved.images) as runner:
        runner.prepare(backend=saved.backend)
        return shown(runner, saved.at.plan_file)


def explained(runner: Runner, aws: Aws, command: Callable[[], T]) -> T:
    """Run a command that takes the state lock, and say who holds it when that fails."""
    try:
        return command()
    except TerraformError as error:
        locked = locks.explain(error, runner, aws)
        if locked:
            raise locked from error
        if error.has(PLAN_STALE):
            raise stale(error, runner.at) from error
        raise


def _too_early(runner: Runner) -> NoStateError:
    at, env = runner.at, runner.at.environment.name
    return NoStateError(
        f"{at.label} has no state yet: its bucket {at.names.state_bucket} is made by the first deployment",
        hint=f"begin with `inv deploy --env {env}`; what it makes first: `inv tf.plan --env {env} --root foundation`",
    )
