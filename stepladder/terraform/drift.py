"""What was changed outside Terraform, beside what the code changed and nobody has applied yet.

Read from a plan without the state lock, whose file is thrown away. Nothing is written but files of this checkout.

| what Terraform's plan says | what it is |
|---|---|
| a data source is read, an output changes | nothing |
| an attribute changed that the code ignores: image, alias, weights | nothing: a release owns it |
| a resource or a value isn't there any more, and the plan sets it back | changed outside Terraform |
| anything else, where the inputs are those of the last apply that the ledger recorded | the same |
| anything else | a change of the code that was not applied |

`resource_drift` of a plan is what a refresh found changed since the state was written. Terraform lists every computed
attribute in it too, so only what the plan would act on counts.
https://developer.hashicorp.com/terraform/internals/json-format#plan-representation
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from stepladder.core.aws import Aws
from stepladder.core.step import Step
from stepladder.settings.load import Settings
from stepladder.terraform import foundation, locks, planning, redaction, roots, saved_plan, tainted
from stepladder.terraform.redaction import AttributeChange
from stepladder.terraform.runner import APPLY_DEADLINE, opened
from stepladder.terraform.secret_texts import SecretTexts

DELETED, CHANGED = "deleted", "changed"
_NOTHING = frozenset({"no-op", "read"})


@dataclass(frozen=True)
class ResourceDifference:
    """One resource that isn't as it should be.

    `how` is `deleted` or `changed` for what happened outside Terraform, else what an apply would do: create, update,
    replace, delete, forget, move or import. `attributes` go from what was applied to what is, or from what is to what
    the code says.
    """

    address: str
    type: str
    how: str
    attributes: tuple[AttributeChange, ...] = ()


@dataclass(frozen=True)
class RootDrift:
    """One root. `applied` is false where its state holds nothing: it was never applied, or its state is gone.

    `busy` says who holds the state's lock, when that may be a run that is still at work.
    """

    environment: str
    root: str
    outside: tuple[ResourceDifference, ...] = ()
    pending: tuple[ResourceDifference, ...] = ()
    applied: bool = True
    busy: str = ""
    notes: tuple[str, ...] = field(default=())


def find(
    settings: Settings, env: str, root: str, *, aws: Aws, recorded: str = "", step: Step | None = None
) -> RootDrift:
    """Compare a root's state and code with what is there. `recorded` is the hash of its last apply, empty for unknown.

    Needs no right to write. Raises as `terraform.plan`; `NoStateError` where the bucket of the states is missing.
    """
    at = roots.root(settings, env, root)
    with opened(at, aws=aws, step=step) as runner:
        out = at.work_dir / "drift.tfplan"
        saved_plan.check_account(aws, at)
        backend = foundation.backend_of(at, aws)
        planning.ready(runner, aws, backend, acting=False)
        lock = locks.read(aws, at) if backend == "s3" else None
        try:
            tainted.planned(runner, lambda: runner.plan(out, lock=False), acting=False)
            document = planning.shown(runner, out)
        finally:
            out.unlink(missing_ok=True)
        is_unchanged = bool(recorded) and recorded == roots.hash_of(at)
        outside, pending = classified(document, is_unchanged=is_unchanged)
        return RootDrift(
            env,
            root,
            outside,
            pending,
            applied=_holds_anything(document),
            busy=str(lock) if lock and _may_be_alive(lock) else "",
            notes=tuple(runner.notes),
        )


def classified(
    plan: Mapping[str, Any], *, is_unchanged: bool = False
) -> tuple[tuple[ResourceDifference, ...], tuple[ResourceDifference, ...]]:
    """Return what a plan in JSON shows as changed outside Terraform, and what its code changed.

    `is_unchanged`: the code is what was applied last, so nothing is a change of the code.
    """
    secrets = redaction.secrets_of(plan)
    drifted = {_key(change): change["change"] for change in _managed(plan.get("resource_drift"))}
    outside: list[ResourceDifference] = []
    pending: list[ResourceDifference] = []
    following: list[ResourceDifference] = []
    for change in _managed(plan.get("resource_changes")):
        actions = _actions(change)
        if set(actions) <= _NOTHING and not _moves(change):
            continue
        drift = drifted.pop(_key(change), None)
        if (drift and drift["actions"] == ["delete"]) or (is_unchanged and actions == ["create"]):
            outside.append(_difference(change, DELETED))
        elif not _keeps(actions):
            (outside if is_unchanged else pending).append(_difference(change, _how(change)))
        else:
            foreign, own, computed = _attributes(change, drift, secrets, is_unchanged=is_unchanged)
            if foreign:
                outside.append(_difference(change, CHANGED, foreign))
            if own:
                pending.append(_difference(change, _how(change), own))
            if not (foreign or own):
                following.append(_difference(change, CHANGED if is_unchanged else _how(change), computed))
    outside += [
        ResourceDifference(key[0], key[2], DELETED) for key, drift in drifted.items() if drift["actions"] == ["delete"]
    ]
    if following and not outside:  # else they follow from what is set back
        (outside if is_unchanged else pending).extend(following)
    return tuple(outside), tuple(pending)


def _attributes(
    change: Mapping[str, Any], drift: Mapping[str, Any] | None, secrets: SecretTexts, *, is_unchanged: bool
) -> tuple[list[AttributeChange], list[AttributeChange], list[AttributeChange]]:
    """Return the attributes that were changed outside Terraform, those that the code changes, and unknown ones."""
    drifted_attributes = {each.path: each for each in _changed(drift, secrets)} if drift else {}
    foreign: list[AttributeChange] = []
    own: list[AttributeChange] = []
    computed: list[AttributeChange] = []
    for planned in _changed(change["change"], secrets):
        seen = drifted_attributes.get(planned.path)
        is_known = planned.after != redaction.UNKNOWN
        if not is_known:
            computed.append(planned)
        elif is_unchanged or seen:
            foreign.append(seen or AttributeChange(planned.path, planned.after, planned.before))
        if is_known and not is_unchanged and (seen is None or seen.before != planned.after):
            own.append(planned)
    return foreign, own, computed


def _changed(change: Mapping[str, Any], secrets: SecretTexts) -> list[AttributeChange]:
    """Return the attributes that differ, by path. A tag counts once.

    The AWS provider shows it twice: `tags_all` also has what the provider itself adds.
    """
    changes = {each.path: each for each in redaction.attributes(change, secrets)}
    for path in [path for path in changes if path.startswith("tags_all.")]:
        each = changes.pop(path)
        name = path.replace("tags_all", "tags", 1)
        changes[name] = AttributeChange(name, each.before, each.after)
    return sorted(changes.values(), key=lambda each: each.path)


def _keeps(actions: list[str]) -> bool:
    """Say whether a change leaves an object of before that another one can be compared with."""
    return actions == ["update"] or len(actions) > 1


def _managed(changes: Iterable[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    return [change for change in changes or () if change.get("mode", "managed") == "managed"]


def _key(change: Mapping[str, Any]) -> tuple[str, str, str]:
    return str(change["address"]), str(change.get("deposed", "")), str(change.get("type", ""))


def _actions(change: Mapping[str, Any]) -> list[str]:
    return list(change["change"]["actions"])


def _moves(change: Mapping[str, Any]) -> bool:
    return bool(change.get("previous_address") or change["change"].get("importing"))


def _how(change: Mapping[str, Any]) -> str:
    """Return what an apply would do, in one word."""
    actions = _actions(change)
    if len(actions) > 1:
        return "replace"
    if actions[0] in _NOTHING:
        return "import" if change["change"].get("importing") else "move"
    return actions[0]


def _difference(change: Mapping[str, Any], how: str, changed: Iterable[AttributeChange] = ()) -> ResourceDifference:
    return ResourceDifference(str(change["address"]), str(change.get("type", "")), how, tuple(changed))


def _holds_anything(plan: Mapping[str, Any]) -> bool:
    """Say whether the state has a resource, or had one that was deleted outside Terraform."""
    values = (plan.get("prior_state") or {}).get("values") or {}
    return bool(_managed(plan.get("resource_drift"))) or _has_resource(values.get("root_module") or {})


def _has_resource(module: Mapping[str, Any]) -> bool:
    own = any(resource.get("mode") == "managed" for resource in module.get("resources", ()))
    return own or any(_has_resource(child) for child in module.get("child_modules", ()))


def _may_be_alive(lock: locks.StateLock) -> bool:
    """Say whether the run that holds a state's lock may still be at work: none lasts longer than an apply may."""
    return lock.created is not None and datetime.now(UTC) - lock.created < timedelta(seconds=APPLY_DEADLINE)
