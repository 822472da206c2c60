"""Bring a root to what its code and settings say: init, plan saved with its manifest, apply of that file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from stepladder.aws import Aws
from stepladder.console import Step
from stepladder.errors import RefusedError, StepladderError
from stepladder.promotion import packages
from stepladder.settings import Settings
from stepladder.terraform import adopt, events, files, foundation, locks, plans, roots, tainted
from stepladder.terraform.events import Change, Counts
from stepladder.terraform.plans import SavedPlan
from stepladder.terraform.runner import IMPORTS, LOCK_TIMEOUT, PLAN_STALE, Runner, TerraformError, opened, stale

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What became of a root: `outputs` by name (sensitive ones left out), `notes` as lines for the person.

    `inputs_hash` is taken afterwards: the first `init` writes the lock file, which is part of it.
    """

    root: str
    applied: bool
    counts: Counts
    changes: tuple[Change, ...]
    outputs: dict[str, Any]
    plan_id: str
    inputs_hash: str
    seconds: float
    notes: tuple[str, ...] = field(default=())


def ensure(
    settings: Settings,
    env: str,
    root: str,
    *,
    aws: Aws,
    step: Step | None = None,
    image_uri: str | None = None,
    allow_destroy: bool = False,
    lock_timeout: int = LOCK_TIMEOUT,
) -> Outcome:
    """Plan a root and apply exactly that plan; do nothing when it changes nothing.

    `image_uri` (`<repository url>@sha256:...`) is needed when the service's function doesn't exist yet. Whether
    Terraform must run at all is the caller's to know: compare `inputs_hash`. Raises `NotReadyError` (no Terraform, no
    mirror), `RefusedError` (wrong account, a destroy, a name that is taken), `LockedError` (who holds the state lock,
    since when), `TerraformError` (Terraform's own words).
    """
    at = roots.root(settings, env, root)
    started = time.monotonic()
    with opened(at, step=step, image_uri=image_uri) as runner:
        saved = _plan(runner, aws, image_uri, lock_timeout=lock_timeout, look=bool(runner.held.died))
        try:
            found = _apply(runner, aws, saved, allow_destroy=allow_destroy, lock_timeout=lock_timeout)
        except TerraformError as error:
            if not _left_behind(runner, aws, saved, error):
                raise
            saved = _plan(runner, aws, image_uri, lock_timeout=lock_timeout, look=True)
            found = _apply(runner, aws, saved, allow_destroy=allow_destroy, lock_timeout=lock_timeout)
        return _outcome(runner, saved, found, started)


def plan(
    settings: Settings,
    env: str,
    root: str,
    *,
    aws: Aws,
    step: Step | None = None,
    image_uri: str | None = None,
    lock: bool = True,
    lock_timeout: int = LOCK_TIMEOUT,
) -> tuple[SavedPlan, tuple[str, ...]]:
    """Save a plan and its manifest under `.stepladder/<env>/`; return it with notes for the person.

    `lock=False` is for a read-only role (a pull request's plan). Raises as `ensure`.
    """
    at = roots.root(settings, env, root)
    with opened(at, step=step, image_uri=image_uri) as runner:
        saved = _plan(runner, aws, image_uri, lock=lock, lock_timeout=lock_timeout, look=True)
        return saved, tuple(runner.notes)


def apply(
    settings: Settings,
    env: str,
    root: str,
    *,
    aws: Aws,
    step: Step | None = None,
    allow_destroy: bool = False,
    lock_timeout: int = LOCK_TIMEOUT,
) -> Outcome:
    """Apply the saved plan and nothing else; `RefusedError` when its manifest no longer holds. Raises as `ensure`."""
    at = roots.root(settings, env, root)
    saved = plans.load(at)
    started = time.monotonic()
    with opened(at, step=step, image_uri=saved.image_uri) as runner:
        account = plans.check_account(aws, at)
        plans.check(
            saved,
            plans.inputs_now(
                at, account=account, image_uri=saved.image_uri, terraform_version=runner.terraform.version
            ),
        )
        plans.check_destroys(saved, allow_destroy=allow_destroy)
        _ready(runner, aws, saved.backend)
        found = _apply(runner, aws, saved, allow_destroy=allow_destroy, lock_timeout=lock_timeout)
        return _outcome(runner, saved, found, started)


def outputs(settings: Settings, env: str, root: str, *, aws: Aws, step: Step | None = None) -> dict[str, Any]:
    """Return a root's outputs by name, read from its state; sensitive ones are left out."""
    at = roots.root(settings, env, root)
    with opened(at, step=step) as runner:
        plans.check_account(aws, at)
        _ready(runner, aws, foundation.backend_of(at, aws))
        return _read_outputs(runner)


def init(settings: Settings, env: str, root: str, *, aws: Aws, step: Step | None = None) -> tuple[str, ...]:
    """Write a root's inputs and run `init` when needed; return notes for the person."""
    at = roots.root(settings, env, root)
    with opened(at, step=step) as runner:
        runner.prepare(backend=foundation.backend_of(at, aws))
        return tuple(runner.notes)


def unlock(settings: Settings, env: str, root: str, lock_id: str, *, aws: Aws) -> locks.StateLock:
    """Take the state lock with this id away from its holder, and return it. `RefusedError` for any other id."""
    at = roots.root(settings, env, root)
    with opened(at) as runner:
        plans.check_account(aws, at)
        runner.prepare()
        return locks.unlock(runner, aws, lock_id)


def _ready(runner: Runner, aws: Aws, backend: str) -> None:
    """Prepare the snapshot, and free a state lock that a dead run of this checkout left."""
    runner.prepare(backend=backend)
    if backend == "s3":
        if runner.at.name == "foundation":
            foundation.archive_leftover(runner)
        if runner.held.died:
            locks.take_over(runner, aws)
        runner.held.settled = True


def _plan(
    runner: Runner, aws: Aws, image_uri: str | None, *, lock_timeout: int, look: bool, lock: bool = True
) -> SavedPlan:
    """Plan and save; `look` for what exists already, and import it."""
    at = runner.at
    at.manifest.unlink(missing_ok=True)
    account = plans.check_account(aws, at)
    backend = foundation.backend_of(at, aws)
    _ready(runner, aws, backend)
    inputs = plans.inputs_now(at, account=account, image_uri=image_uri, terraform_version=runner.terraform.version)

    def make() -> tuple[bool, events.Watch]:
        return runner.plan(at.plan_file, lock=lock, lock_timeout=lock_timeout)

    changed, watch = tainted.planned(runner, lambda: _explained(runner, aws, make), lock=lock)
    created = {change.type for change in watch.changes if change.action == "create"}
    # A function to create and no image: deploy saw it live, so it is the state that has lost it.
    if (
        look or (at.name == "service" and not image_uri and "aws_lambda_function" in created)
    ) and created & adopt.FINDERS.keys():
        taken = adopt.imports(aws, at.names, _shown(runner))
        if taken:
            runner.notes.append(
                "took up what exists and the state had lost: " + ", ".join(found.address for found in taken)
            )
            text = "\n".join(found.block() for found in taken)
            runner.prepare(backend=backend, extra={IMPORTS: text})
            changed, watch = _explained(runner, aws, make)
    changes = tuple(change for change in watch.changes if change.action != "read")
    return plans.save(at, inputs, backend=backend, changed=changed, changes=changes, image_uri=image_uri)


def _left_behind(runner: Runner, aws: Aws, saved: SavedPlan, error: TerraformError) -> bool:
    """Say whether an apply failed on something that exists already and is ours: a killed run's, on another machine.

    Looking before every apply would cost each first deployment two seconds (`terraform show` starts the provider).
    """
    created = {change.address for change in saved.changes if change.action == "create"}
    failed = error.failed & created
    if not failed:
        return False
    try:
        return bool(adopt.imports(aws, runner.at.names, _shown(runner), only=frozenset(failed)))
    except RefusedError as refused:
        # Not a refusal any more: the apply has changed other things already.
        raise StepladderError(refused.message, hint=refused.hint) from error


def _shown(runner: Runner) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(runner.stdout(["show", "-json", str(runner.at.plan_file)]))
    return shown


def _apply(runner: Runner, aws: Aws, saved: SavedPlan, *, allow_destroy: bool, lock_timeout: int) -> dict[str, Any]:
    plans.check_destroys(saved, allow_destroy=allow_destroy)
    found: dict[str, Any] | None = None
    if saved.changed:
        total = events.operations(saved.changes)
        if runner.at.name == "delivery":  # its functions are created from objects that must lie there
            packages.upload(aws.client("s3"), runner.at.names.artifacts_bucket)

        def act() -> events.Watch:
            return runner.apply(saved.at.plan_file, total=total, lock_timeout=lock_timeout)

        found = _explained(runner, aws, act).outputs
    if saved.backend == "local":
        foundation.migrate(runner, aws)
        runner.held.settled = True
    saved.at.plan_file.unlink(missing_ok=True)  # applied: it can't be applied again, and it may hold secrets
    saved.at.manifest.unlink(missing_ok=True)
    return found if found is not None else _read_outputs(runner)


def _explained(runner: Runner, aws: Aws, command: Callable[[], T]) -> T:
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


def _read_outputs(runner: Runner) -> dict[str, Any]:
    # Warnings can come before the document (field experience: a deprecation broke `terraform output -json | jq`).
    text = runner.stdout(["output", "-json"])
    try:
        raw = json.loads(text[text.index("{") :])
    except ValueError as error:
        raise StepladderError(f"terraform output of {runner.at.label} answered no JSON: {text[:200]}") from error
    return {name: output["value"] for name, output in raw.items() if not output.get("sensitive")}


def _outcome(runner: Runner, saved: SavedPlan, found: dict[str, Any], started: float) -> Outcome:
    files.write_json(runner.at.build_dir / f"{runner.at.name}.outputs.json", found, mode=0o600)
    return Outcome(
        root=runner.at.name,
        applied=saved.changed,
        counts=saved.counts,
        changes=saved.changes,
        outputs=found,
        plan_id=saved.id,
        inputs_hash=roots.hash_of(runner.at),
        seconds=time.monotonic() - started,
        notes=tuple(runner.notes),
    )
