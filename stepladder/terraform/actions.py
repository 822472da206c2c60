"""Bring a root to what its code and settings say: init, plan saved with its manifest, apply of that file."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stepladder.core.aws import Aws
from stepladder.core.errors import RefusedError, StepladderError
from stepladder.core.step import Step
from stepladder.settings.load import Settings
from stepladder.terraform import (
    events,
    files,
    foundation,
    function_packages,
    importing,
    locks,
    losses,
    planning,
    reviewing,
    roots,
    saved_plan,
    tainted,
)
from stepladder.terraform.allowed import Allowed, flags
from stepladder.terraform.early import EarlyRoot
from stepladder.terraform.events import Counts, ResourceChange
from stepladder.terraform.failures import TerraformError
from stepladder.terraform.reviewing import WHATEVER, Review
from stepladder.terraform.runner import LOCK_TIMEOUT, Runner, opened
from stepladder.terraform.saved_plan import SavedPlan


@dataclass(frozen=True)
class ApplyOutcome:
    """What became of a root: `outputs` by name (sensitive ones left out), `notes` as lines for the person.

    `inputs_hash` is taken afterwards: the first `init` writes the lock file, which is part of it.
    """

    root: str
    applied: bool
    counts: Counts
    changes: tuple[ResourceChange, ...]
    outputs: dict[str, Any]
    plan_id: str
    inputs_hash: str
    seconds: float
    notes: tuple[str, ...] = field(default=())


def ensure(  # noqa: PLR0913 - all but three are left out by most callers
    settings: Settings,
    env: str,
    root: str,
    *,
    aws: Aws,
    step: Step | None = None,
    image_uri: str | None = None,
    images: Mapping[str, str] = roots.NO_IMAGES,
    live: bool = False,
    allow_destroy: Allowed = False,
    review: Review = WHATEVER,
    lock_timeout: int = LOCK_TIMEOUT,
    early: EarlyRoot | None = None,
) -> ApplyOutcome:
    """Plan a root and apply exactly that plan; do nothing when it changes nothing.

    `image_uri` (`<repository url>@sha256:...`) is needed when the service's function doesn't exist yet, and one of
    `images` for each of several functions, by its name. `live` says that the own one does and has this image, from
    which a second function may be made. `review` says whether the plan must be what was reviewed. `early` is
    the root as it was made ready beside something else: its plan is taken if it is what would be planned now.
    Whether Terraform must run at all is the caller's to know: compare `inputs_hash`. Raises `NotReadyError` (no
    Terraform, no mirror), `RefusedError` (wrong account, a destroy, a name that is taken), `LockedError` (who holds the
    state lock, since when), `TerraformError` (Terraform's own words).
    """
    at = roots.root(settings, env, root)
    started = time.monotonic()
    with opened(at, aws=aws, step=step, image_uri=image_uri, images=images) as runner:
        runner.on_made = early.made if early else runner.on_made
        saved = early.usable(runner, image_uri) if early else None
        saved = saved or _plan(
            runner,
            aws,
            image_uri,
            images,
            acting=True,
            import_existing=bool(runner.held.died),
            live=live,
            lock_timeout=lock_timeout,
        )
        reviewing.check(runner, saved, aws, review)
        try:
            outputs = _apply(runner, aws, saved, allow_destroy=allow_destroy, lock_timeout=lock_timeout)
        except TerraformError as error:
            if not _left_behind(runner, aws, saved, error):
                raise
            saved = _plan(runner, aws, image_uri, images, acting=True, import_existing=True, lock_timeout=lock_timeout)
            reviewing.check(runner, saved, aws, review)
            outputs = _apply(runner, aws, saved, allow_destroy=allow_destroy, lock_timeout=lock_timeout)
        return _outcome(runner, saved, outputs, started)


def plan(  # noqa: PLR0913 - all but three are left out by most callers
    settings: Settings,
    env: str,
    root: str,
    *,
    aws: Aws,
    step: Step | None = None,
    image_uri: str | None = None,
    images: Mapping[str, str] = roots.NO_IMAGES,
    lock: bool = True,
    lock_timeout: int = LOCK_TIMEOUT,
) -> tuple[SavedPlan, tuple[str, ...]]:
    """Save a plan and its manifest under `.stepladder/<env>/`; return it with notes for the person.

    Nothing in the cloud changes. What killed runs left is printed, and recovered by the run that acts. `lock=False` is
    for a read-only role (a pull request's plan). Raises as `ensure`.
    """
    at = roots.root(settings, env, root)
    with opened(at, aws=aws, step=step, image_uri=image_uri, images=images) as runner:
        saved = _plan(
            runner, aws, image_uri, images, acting=False, import_existing=True, lock=lock, lock_timeout=lock_timeout
        )
        return saved, tuple(runner.notes)


def plan_to_apply(
    settings: Settings,
    env: str,
    root: str,
    *,
    aws: Aws,
    step: Step | None = None,
    image_uri: str | None = None,
    images: Mapping[str, str] = roots.NO_IMAGES,
    review: Review = WHATEVER,
) -> tuple[SavedPlan, tuple[str, ...]]:
    """Save a plan that is applied right afterwards: what killed runs left is recovered, as `ensure` does.

    Nothing else in the cloud changes. Raises as `ensure`.
    """
    at = roots.root(settings, env, root)
    with opened(at, aws=aws, step=step, image_uri=image_uri, images=images) as runner:
        saved = _plan(runner, aws, image_uri, images, acting=True, import_existing=True)
        reviewing.check(runner, saved, aws, review)
        return saved, tuple(runner.notes)


def apply(
    settings: Settings,
    env: str,
    root: str,
    *,
    aws: Aws,
    step: Step | None = None,
    allow_destroy: Allowed = False,
    lock_timeout: int = LOCK_TIMEOUT,
) -> ApplyOutcome:
    """Apply the saved plan and nothing else; `RefusedError` when its manifest no longer holds. Raises as `ensure`."""
    at = roots.root(settings, env, root)
    saved = saved_plan.load(at)
    started = time.monotonic()
    with opened(at, aws=aws, step=step, image_uri=saved.image_uri, images=saved.images) as runner:
        account = saved_plan.check_account(aws, at)
        saved_plan.check(
            saved,
            saved_plan.inputs_now(
                at,
                account=account,
                image_uri=saved.image_uri,
                images=saved.images,
                terraform_version=runner.terraform.version,
            ),
        )
        losses.check_names(saved.changes, allow_destroy, f"the plan of {at.label}")
        saved_plan.check_destroys(saved, allow_destroy=allow_destroy)
        if allow_destroy is True and saved.destroyed:
            named = flags(losses.names_of(saved.destroyed))
            runner.notes.append(f"--allow-destroy without a name allows all of this plan; with names it is: {named}")
        planning.ready(runner, aws, saved.backend, acting=True)
        outputs = _apply(runner, aws, saved, allow_destroy=allow_destroy, lock_timeout=lock_timeout)
        return _outcome(runner, saved, outputs, started)


def outputs(settings: Settings, env: str, root: str, *, aws: Aws, step: Step | None = None) -> dict[str, Any]:
    """Return a root's outputs by name, read from its state; sensitive ones are left out."""
    at = roots.root(settings, env, root)
    with opened(at, aws=aws, step=step) as runner:
        saved_plan.check_account(aws, at)
        planning.ready(runner, aws, foundation.backend_of(at, aws), acting=False)
        return _read_outputs(runner)


def init(settings: Settings, env: str, root: str, *, aws: Aws, step: Step | None = None) -> tuple[str, ...]:
    """Write a root's inputs and run `init` when needed; return notes for the person."""
    at = roots.root(settings, env, root)
    with opened(at, aws=aws, step=step) as runner:
        saved_plan.check_account(aws, at)
        runner.prepare(backend=foundation.backend_of(at, aws))
        return tuple(runner.notes)


def unlock(settings: Settings, env: str, root: str, lock_id: str, *, aws: Aws) -> locks.StateLock:
    """Take the state lock with this id away from its holder, and return it. `RefusedError` for any other id."""
    at = roots.root(settings, env, root)
    with opened(at, aws=aws) as runner:
        saved_plan.check_account(aws, at)
        runner.prepare()
        return locks.unlock(runner, aws, lock_id)


def _plan(  # noqa: PLR0913 - as planning.draft
    runner: Runner,
    aws: Aws,
    image_uri: str | None,
    images: Mapping[str, str],
    *,
    acting: bool,
    import_existing: bool,
    live: bool = False,
    lock: bool = True,
    lock_timeout: int = LOCK_TIMEOUT,
) -> SavedPlan:
    """Plan and save."""
    at = runner.at
    at.manifest.unlink(missing_ok=True)
    draft = planning.draft(
        runner,
        aws,
        image_uri,
        images=images,
        out=at.plan_file,
        acting=acting,
        import_existing=import_existing,
        live=live,
        lock=lock,
        lock_timeout=lock_timeout,
    )
    return saved_plan.save(draft.made(at, image_uri, images))


def _left_behind(runner: Runner, aws: Aws, saved: SavedPlan, error: TerraformError) -> bool:
    """Say whether an apply failed on something that exists already and is ours: a killed run's, on another machine.

    Looking before every apply would cost each first deployment two seconds (`terraform show` starts the provider).
    """
    created = {change.address for change in saved.changes if change.action == "create"}
    failed = error.failed & created
    if not failed:
        return False
    try:
        return bool(
            importing.imports(aws, runner.at.names, planning.shown(runner, runner.at.plan_file), only=frozenset(failed))
        )
    except RefusedError as refused:
        # Not a refusal any more: the apply has changed other things already.
        raise StepladderError(refused.message, kind=refused.kind, hint=refused.hint) from error


def _apply(runner: Runner, aws: Aws, saved: SavedPlan, *, allow_destroy: Allowed, lock_timeout: int) -> dict[str, Any]:
    saved_plan.check_destroys(saved, allow_destroy=allow_destroy)
    outputs: dict[str, Any] | None = None
    if saved.changed:
        total = events.operations(saved.changes)
        if runner.at.name == "delivery":  # its functions are created from objects that must lie there
            function_packages.upload(aws.client("s3"), runner.at.names.artifacts_bucket)

        def act() -> events.Watch:
            return runner.apply(saved.at.plan_file, total=total, lock_timeout=lock_timeout)

        tainted.begin(runner.at, saved.changes)
        try:
            outputs = planning.explained(runner, aws, act).outputs
        except TerraformError as error:
            tainted.end(runner.at, error.failed)
            raise
        tainted.end(runner.at)
    if saved.backend == "local":
        foundation.migrate(runner, aws)
        runner.held.settled = True
    saved.at.plan_file.unlink(missing_ok=True)  # applied: it can't be applied again, and it may hold secrets
    saved.at.manifest.unlink(missing_ok=True)
    return outputs if outputs is not None else _read_outputs(runner)


def _read_outputs(runner: Runner) -> dict[str, Any]:
    raw = runner.document(["output", "-json"])
    return {name: output["value"] for name, output in raw.items() if not output.get("sensitive")}


def _outcome(runner: Runner, saved: SavedPlan, values: dict[str, Any], started: float) -> ApplyOutcome:
    files.write_json(runner.at.build_dir / f"{runner.at.name}.outputs.json", values, mode=0o600)
    awaits = roots.awaits_release(runner.at, values)
    later = (f"provisioned concurrency begins with the first apply after a release: `{runner.at.again}`",)
    return ApplyOutcome(
        root=runner.at.name,
        applied=saved.changed,
        counts=saved.counts,
        changes=saved.changes,
        outputs=values,
        plan_id=saved.id,
        inputs_hash=roots.hash_of(runner.at, unfinished=awaits),
        seconds=time.monotonic() - started,
        notes=(*runner.notes, *(later if awaits else ())),
    )
