"""Plans that were reviewed, as they are kept: what was planned from what, and whether a new plan does just that.

A kept plan is never applied. A change request's job may write it, so its bytes prove nothing after the merge. The
deploying run plans anew, and applies its own plan when each of its actions was reviewed: the same resource, the same
action, the same new values (docs/decisions/2026-11-26-reviewed-plans.md).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from stepladder.core import shapes
from stepladder.core.files import canonical
from stepladder.terraform import roots, saved_plan
from stepladder.terraform.events import ResourceChange
from stepladder.terraform.roots import Root
from stepladder.terraform.saved_plan import Inputs

SCHEMA = 1
DAYS = 14
"""How long a review counts. The bucket's lifecycle rule deletes kept plans after as many days."""
_IDENTITY = ("schema", "project", "environment", "root", "account", "region")
_FILES = ("code", "modules", "lock", "variables", "terraform_version")
_CONTROL = r"[\x00-\x1f\x7f-\x9f\u2028\u2029]"
_RESUMED = {
    "create": {"replace", "import", "update"},
    "replace": {"create", "delete", "import"},
}
"""What a run that was cut off turns a reviewed action into, for the run that goes on."""


@dataclass(frozen=True)
class Action:
    """What a plan does to one resource. `attributes` are hashes of the new values; empty for one known after apply."""

    address: str
    action: str
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.address} ({self.action})"


@dataclass(frozen=True)
class KeptPlan:
    """A reviewed plan. `commits` are those whose merge brings it, `change` is the number of its change request."""

    schema: int
    project: str
    environment: str
    root: str
    account: str
    region: str
    code: str
    modules: str
    lock: str
    variables: str
    terraform_version: str
    plan_sha256: str
    created: str
    commits: tuple[str, ...]
    change: str
    job: str
    actions: tuple[Action, ...]

    @property
    def id(self) -> str:
        """The plan's short id, as manifests and messages have it."""
        return self.plan_sha256[:12]

    @property
    def files(self) -> str:
        """A hash of all that the plan was made from, whatever the commit: a squash or a rebase changes nothing."""
        own = asdict(self)
        return hashlib.sha256(canonical([own[name] for name in (*_IDENTITY, *_FILES)]).encode()).hexdigest()[:16]

    def text(self) -> str:
        """Return it as JSON."""
        return canonical(asdict(self))

    def __str__(self) -> str:
        request = f" of change {self.change}" if self.change else ""
        return f"plan {self.id}{request}, reviewed {self.created}"


@dataclass(frozen=True)
class PlanDifference:
    """How a new plan differs from the reviewed one. `unreviewed` is what it does that nobody has seen."""

    unreviewed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    resumed: tuple[str, ...] = ()


def keep(at: Root, inputs: Inputs, actions: Iterable[Action], **known: Any) -> KeptPlan:
    """Return a plan as it is kept. `known` are the other fields."""
    own = {name: getattr(inputs, name) for name in (*_IDENTITY, *_FILES)}
    own |= {"schema": SCHEMA, "variables": roots.kept_variables_hash(at)}
    return KeptPlan(**own, actions=tuple(actions), **known)


def read(raw: Mapping[str, Any]) -> KeptPlan:
    """Read one back. Raises `KeyError`, `TypeError` or `ValueError` for anything else.

    A change request's job may write what it likes, and a deployment's log shows parts of it. So each text has one line:
    one of several could give a command to the runner that shows it.
    """
    made = shapes.build(KeptPlan, {each.name: raw[each.name] for each in fields(KeptPlan)})
    for text in _texts(asdict(made)):
        text.encode()
        if re.search(_CONTROL, text):
            raise ValueError(f"{text[:40]!r} has more than one line")
    try:
        expires(made)
    except OverflowError as error:
        raise ValueError(str(error)) from None
    return made


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def reasons(kept: KeptPlan, now: KeptPlan) -> tuple[str, ...]:
    """Return why a kept plan doesn't hold for what is planned `now`: what changed, and that it is too old."""
    then, current = asdict(kept), asdict(now)
    changed = [
        saved_plan.difference(name, then[name], current[name])
        for name in (*_IDENTITY, *_FILES)
        if then[name] != current[name]
    ]
    if expires(kept) < datetime.fromisoformat(now.created):
        changed.append(f"it expired on {expires(kept):%Y-%m-%d}, {DAYS} days after its review")
    return tuple(changed)


def is_foreign(kept: KeptPlan, now: KeptPlan) -> bool:
    """Say whether a kept plan is of another project, environment, root, account or region."""
    return any(getattr(kept, name) != getattr(now, name) for name in _IDENTITY)


def expires(kept: KeptPlan) -> datetime:
    """Return when a review stops counting."""
    created = datetime.fromisoformat(kept.created)
    return (created if created.tzinfo else created.replace(tzinfo=UTC)) + timedelta(days=DAYS)


def actions_of(changes: Iterable[ResourceChange], document: Mapping[str, Any]) -> tuple[Action, ...]:
    """Return what a plan does, from its changes and `terraform show -json`."""
    attributes: dict[str, dict[str, str]] = {}
    for resource in document.get("resource_changes") or ():
        attributes.setdefault(str(resource.get("address", "")), {}).update(_new_values(resource.get("change") or {}))
    return tuple(Action(c.address, c.action, attributes.get(c.address, {})) for c in changes)


def _new_values(change: Mapping[str, Any]) -> dict[str, str]:
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    values = {
        name: "" if str(value).endswith(roots.NO_DIGEST) else hashlib.sha256(canonical(value).encode()).hexdigest()[:16]
        for name, value in after.items()
        if name not in before or before[name] != value
    }
    return {**values, **{name: "" for name, marks in unknown.items() if _any_true(marks)}}


def _any_true(marks: Any) -> bool:
    if isinstance(marks, Mapping):
        return any(map(_any_true, marks.values()))
    return any(map(_any_true, marks)) if isinstance(marks, list) else bool(marks)


def compare(kept: KeptPlan, now: KeptPlan) -> PlanDifference:
    """Compare a new plan with a reviewed one, action by action.

    Fewer actions are fine: they are done, or needless. So is what a run of the same files left half done.
    """
    reviewed = {(action.address, action.action): action for action in kept.actions}
    by_address: dict[str, set[str]] = {}
    for action in kept.actions:
        by_address.setdefault(action.address, set()).add(action.action)
    unreviewed, resumed = [], []
    for action in now.actions:
        same = reviewed.get((action.address, action.action))
        if same:
            other = sorted(name for name, value in action.attributes.items() if not _covers(same, name, value))
            unreviewed += [f"{action}: with other values than reviewed: {', '.join(other)}"] if other else []
            continue
        before = by_address.get(action.address, set())
        if kept.files == now.files and any(action.action in _RESUMED.get(each, ()) for each in before):
            resumed.append(str(action))
        else:
            unreviewed.append(f"{action}: reviewed as {', '.join(sorted(before))}" if before else str(action))
    current = {action.address for action in now.actions}
    gone = [str(action) for action in kept.actions if action.address not in current]
    return PlanDifference(tuple(unreviewed), tuple(gone), tuple(resumed))


def _covers(reviewed: Action, name: str, value: str) -> bool:
    """Say whether a new value was reviewed: as it is, or as known after apply, which it may be by now."""
    return name in reviewed.attributes and reviewed.attributes[name] in {"", value}
