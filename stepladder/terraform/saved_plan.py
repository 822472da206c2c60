"""Saved plans with a manifest: what was planned, from what, and whether it may still be applied.

Terraform itself refuses a plan whose state has moved on; the manifest also holds commit, code, variables, providers,
account and Terraform's version, so that exactly what was reviewed is applied or nothing (diggerhq/digger#553).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stepladder.core import git
from stepladder.core.aws import Aws
from stepladder.core.display import cut
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.terraform import events, files, losses, roots
from stepladder.terraform.allowed import Allowed
from stepladder.terraform.events import Counts, ResourceChange
from stepladder.terraform.roots import Root

SCHEMA = 1

_WORDS = {
    "account": "the AWS account",
    "code": "the root's code",
    "environment": "the environment",
    "git_commit": "the commit",
    "git_dirty": "the uncommitted changes",
    "image_digest": "the image",
    "lock": "the provider lock file",
    "modules": "the modules",
    "plan_sha256": "the plan file",
    "project": "the project",
    "region": "the region",
    "root": "the root",
    "schema": "the manifest's schema",
    "terraform_version": "Terraform's version",
    "variables": "the variables",
}


@dataclass(frozen=True)
class Inputs:
    """All that a plan was made from. Hashes are SHA-256 in hex; empty where there is nothing to hash.

    `git_dirty` names the files of `terraform/` and `invoke.yaml` that differ from the commit.
    """

    schema: int
    project: str
    environment: str
    root: str
    account: str
    region: str
    git_commit: str
    git_dirty: str
    code: str
    modules: str
    lock: str
    variables: str
    image_digest: str
    terraform_version: str


@dataclass(frozen=True)
class SavedPlan:
    """A plan file with its manifest. `image_uri` is None when the plan was made before there was an image.

    `images` are those of the functions beside the project's own one, by name. `needs_image` are the functions that
    would be created from none all the same.
    """

    at: Root
    inputs: Inputs
    plan_sha256: str
    backend: str
    created: str
    changed: bool
    changes: tuple[ResourceChange, ...]
    image_uri: str | None
    needs_image: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """A short id for ledgers and messages."""
        return self.plan_sha256[:12]

    @property
    def counts(self) -> Counts:
        """How much it changes."""
        return events.count(self.changes)

    @property
    def destroyed(self) -> tuple[ResourceChange, ...]:
        """What it destroys or replaces and nobody may lose unasked."""
        return losses.destroyed(self.changes)

    def manifest(self) -> dict[str, Any]:
        """Return the manifest: never a value of a resource."""
        return {
            **asdict(self.inputs),
            "backend": self.backend,
            "changed": self.changed,
            "changes": [asdict(change) for change in self.changes],
            "counts": self.counts.as_dict(),
            "created": self.created,
            "id": self.id,
            "image_uri": self.image_uri,
            **({"images": dict(self.images)} if self.images else {}),
            "needs_image": list(self.needs_image),
            "plan_sha256": self.plan_sha256,
        }


def inputs_now(
    at: Root,
    *,
    account: str,
    image_uri: str | None,
    terraform_version: str,
    images: Mapping[str, str] = roots.NO_IMAGES,
) -> Inputs:
    """Read all that a plan made now would be made from."""
    code, modules = roots.code_hashes(at)
    commit = git.commit(at.settings.root, ("terraform", "invoke.yaml", "policies"))
    return Inputs(
        schema=SCHEMA,
        project=at.settings.project,
        environment=at.environment.name,
        root=at.name,
        account=account,
        region=at.environment.region,
        git_commit=commit.sha,
        git_dirty=commit.changed if commit.sha else "",
        code=code,
        modules=modules,
        lock=files.sha256_file(at.lock_file),
        variables=files.sha256_mapping(roots.planned_variables(at, image_uri, images)),
        image_digest=(image_uri or "").partition("@")[2],
        terraform_version=terraform_version,
    )


def made(
    at: Root,
    inputs: Inputs,
    *,
    backend: str,
    changed: bool,
    changes: tuple[ResourceChange, ...],
    image_uri: str | None,
    images: Mapping[str, str] = roots.NO_IMAGES,
    needs_image: tuple[str, ...] = (),
) -> SavedPlan:
    """Return the plan whose file was just made. No other command finds it before it is saved."""
    return SavedPlan(
        at=at,
        inputs=inputs,
        plan_sha256=files.sha256_file(at.plan_file),
        backend=backend,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        changed=changed,
        changes=changes,
        image_uri=image_uri,
        needs_image=needs_image,
        images=images,
    )


def save(saved: SavedPlan) -> SavedPlan:
    """Write the plan's manifest: `load` finds it from then on. Return the plan."""
    files.write_json(saved.at.manifest, saved.manifest(), mode=0o600)
    return saved


def load(at: Root) -> SavedPlan:
    """Read the saved plan of a root. `RefusedError` when there is none, or none that can be trusted."""
    raw = files.read_json(at.manifest)
    if not raw or not at.plan_file.is_file():
        raise RefusedError(
            f"there is no saved plan of {at.label}",
            kind="plan-stale",
            hint=f"make one: `inv tf.plan --env {at.environment.name} --root {at.name}`",
        )
    return _read(at, raw)


def take(at: Root, file: Path) -> None:
    """Make a plan file from elsewhere, `<name>.tfplan` with `<name>.plan.json` beside it, the saved plan of a root.

    Raises `BadInputError` when one of the two isn't there, and `RefusedError` when they are of another plan or root.
    """
    manifest = file.parent / f"{file.name.removesuffix('.tfplan')}.plan.json"
    missing = next((needed for needed in (file, manifest) if not _is_file(needed)), None)
    if missing:
        raise BadInputError(
            f"there is no plan file {cut(str(missing), 200)}",
            kind="bad-arguments",
            hint=f"name the plan file of `inv tf.plan --env {at.environment.name}`, with its manifest beside it; "
            "`--plan reviewed` takes what was reviewed",
        )
    saved = _read(at, files.read_json(manifest))
    own = {"environment": at.environment.name, "root": at.name, "project": at.settings.project}
    own |= {"account": at.environment.account, "plan_sha256": files.sha256_file(file)}
    then = {**asdict(saved.inputs), "plan_sha256": saved.plan_sha256}
    other = [difference(key, then[key], value) for key, value in own.items() if then[key] != value]
    if other:
        raise RefusedError(
            f"{file} is no plan of {at.label}: {'; '.join(other)}",
            kind="plan-stale",
            hint=f"make one: `inv tf.plan --env {at.environment.name} --root {at.name}`",
        )
    if file.resolve() != at.plan_file.resolve():
        at.build_dir.mkdir(parents=True, exist_ok=True)
        for source, target in ((file, at.plan_file), (manifest, at.manifest)):
            target.unlink(missing_ok=True)
            target.touch(mode=0o600)
            target.write_bytes(source.read_bytes())


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, or a folder that may not be read
        return False


def _read(at: Root, raw: Mapping[str, Any]) -> SavedPlan:
    try:
        return SavedPlan(
            at=at,
            inputs=Inputs(**{field.name: raw[field.name] for field in fields(Inputs)}),
            plan_sha256=str(raw["plan_sha256"]),
            backend=str(raw["backend"]),
            created=str(raw["created"]),
            changed=bool(raw["changed"]),
            changes=tuple(ResourceChange(**change) for change in raw["changes"]),
            image_uri=raw["image_uri"],
            needs_image=tuple(raw["needs_image"]),
            images={str(name): str(image) for name, image in raw.get("images", {}).items()},
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise RefusedError(
            f"the manifest {at.manifest.name} of {at.label} can't be read ({error!r})",
            kind="plan-stale",
            hint=f"make a new plan: `inv tf.plan --env {at.environment.name} --root {at.name}`",
        ) from error


def check(saved: SavedPlan, now: Inputs) -> None:
    """Refuse a plan whose manifest doesn't hold any more, with each difference: from what to what."""
    stale = differences(saved, now)
    if stale:
        raise RefusedError(
            f"the saved plan of {saved.at.label} no longer holds: {'; '.join(stale)}",
            kind="plan-stale",
            hint=f"make a new one: `inv tf.plan --env {saved.at.environment.name} --root {saved.at.name}`",
        )


def differences(saved: SavedPlan, now: Inputs) -> list[str]:
    """Say what differs now from what a plan was made from: from what to what."""
    then = {**asdict(saved.inputs), "plan_sha256": saved.plan_sha256}
    current = {**asdict(now), "plan_sha256": files.sha256_file(saved.at.plan_file)}
    return [difference(key, then[key], current[key]) for key in then if then[key] != current[key]]


def check_destroys(saved: SavedPlan, *, allow_destroy: Allowed) -> None:
    """Refuse to lose data or callers unasked, and to create a function from no image."""
    losses.check(saved.at, saved.changes, saved.image_uri, saved.images, allow_destroy=allow_destroy)
    if saved.needs_image:
        raise RefusedError(
            f"the plan of {saved.at.label} creates {', '.join(saved.needs_image)} and was made without an image of it",
            kind="plan-stale",
            hint=imageless(saved),
        )


def imageless(saved: SavedPlan) -> str:
    """Return what to do with a plan that would create a function from no image."""
    return f"deploy plans {', '.join(saved.needs_image)} with an image: `inv deploy --env {saved.at.environment.name}`"


def check_account(aws: Aws, at: Root) -> str:
    """Return the caller's account; `RefusedError` when it isn't the environment's (one `sts:GetCallerIdentity`)."""
    account = aws.account()
    if account != at.environment.account:
        raise RefusedError(
            f"the credentials belong to account {account}, but {at.environment.name} is in {at.environment.account}",
            kind="wrong-account",
            hint="use the credentials of that account (`AWS_PROFILE`), or fix "
            f"`stepladder.environments.{at.environment.name}.account`",
        )
    return account


def difference(key: str, then: object, now: object) -> str:
    """Say what an input of a plan changed from, and to."""
    return f"{_WORDS[key]} changed from {_short(then)} to {_short(now)}"


def _short(value: object) -> str:
    text = str(value)
    if not text:
        return "none"
    prefix, _, rest = text.rpartition(":")
    is_hash = len(rest) >= 40 and all(c in "0123456789abcdef" for c in rest)  # noqa: PLR2004 - SHA-1 and up, in hex
    return f"{prefix}:{rest[:12]}".lstrip(":") if is_hash else text


def summary(saved: SavedPlan, *, own: bool | None = None) -> Mapping[str, list[str]]:
    """Return the addresses of a plan by action, sorted; only those of the project's `own` code, or only the others."""
    by_action: dict[str, list[str]] = {}
    for change in saved.changes:
        if own is not None and own is not events.is_own(change, saved.at.name):
            continue
        by_action.setdefault(change.action, []).append(change.address)
    return {action: sorted(addresses) for action, addresses in sorted(by_action.items())}
