"""What a reviewer has to know of a saved plan: counts, what is lost, and which attributes change. It holds no secret.

Made from `terraform show -json` of the plan file, which itself may hold secrets and is never published.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stepladder.terraform import events, functions, losses, redaction
from stepladder.terraform.events import Counts, ResourceChange
from stepladder.terraform.redaction import AttributeChange
from stepladder.terraform.secret_texts import SecretTexts

_ACTIONS = {
    ("create",): "create",
    ("create", "delete"): "replace",
    ("create", "forget"): "create",
    ("delete",): "delete",
    ("delete", "create"): "replace",
    ("forget",): "remove",
    ("update",): "update",
}
_ORDER = ("delete", "replace", "remove", "create", "update", "import", "move")
_PREFIXES = ("replace_because_", "delete_because_")
_MOST = 40
"""Attributes of one resource. More are counted; Terraform's own plan shows them."""


@dataclass(frozen=True)
class ReviewedChange:
    """One resource: `guarded` says that its loss is refused unless it is allowed by name.

    `reason` is Terraform's: tainted, cannot_update, no_resource_config. `left_out` counts attributes not listed.
    """

    address: str
    action: str
    type: str
    reason: str = ""
    guarded: bool = False
    own: bool = False
    previous_address: str = ""
    import_id: str = ""
    attributes: tuple[AttributeChange, ...] = ()
    left_out: int = 0

    @property
    def is_loss(self) -> bool:
        """Whether something that exists is destroyed."""
        return self.action in {"delete", "replace"}


@dataclass(frozen=True)
class RootReview:
    """The review of one root's plan."""

    root: str
    plan_id: str
    counts: Counts
    changes: tuple[ReviewedChange, ...] = ()
    notes: tuple[str, ...] = ()

    def changes_function(self, name: str = "") -> bool:
        """Whether the configuration of a function changes, so that a release would publish a new version.

        The project's own function has no name: any that is in no module of a function with a name counts as its.
        """
        changed = [each.address for each in self.changes if each.type == losses.FUNCTION and each.action != "move"]
        named = f"{functions.address(name)}." if name else ""
        others = f"module.{functions.MODULE}["
        return any(at.startswith(named) if named else not at.startswith(others) for at in changed)

    def record(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


def review(root: str, plan_id: str, document: Mapping[str, Any], notes: tuple[str, ...] = ()) -> RootReview:
    """Return the review of a plan, from its JSON; what is lost comes first."""
    secrets = redaction.secrets_of(document)
    resources = [
        _reviewed(root, resource, secrets)
        for resource in document.get("resource_changes") or ()
        if resource.get("mode", "managed") == "managed"
    ]
    changes = sorted(
        (change for change in resources if change), key=lambda change: (_ORDER.index(change.action), change.address)
    )
    planned = tuple(ResourceChange(c.address, c.action, c.type, c.reason) for c in changes)
    imported = tuple(
        ResourceChange(c.address, "import", c.type) for c in changes if c.import_id and c.action != "import"
    )
    return RootReview(root, plan_id, events.count((*planned, *imported)), tuple(changes), notes)


def _reviewed(root: str, resource: Mapping[str, Any], secrets: SecretTexts) -> ReviewedChange | None:
    change = resource.get("change") or {}
    address, previous = str(resource.get("address", "")), str(resource.get("previous_address") or "")
    import_id = str((change.get("importing") or {}).get("id") or "")
    action = _ACTIONS.get(tuple(change.get("actions") or ()), "")
    action = action or ("import" if change.get("importing") else "move" if previous and previous != address else "")
    if not action:
        return None
    reason = str(resource.get("action_reason") or "")
    for prefix in _PREFIXES:
        reason = reason.removeprefix(prefix)
    kind = str(resource.get("type", ""))
    planned = ResourceChange(address, action, kind, reason)
    listed = [] if action in {"delete", "remove", "import", "move"} else redaction.attributes(change, secrets)
    return ReviewedChange(
        address,
        action,
        kind,
        reason,
        guarded=bool(losses.destroyed((planned,))),
        own=events.is_own(planned, root),
        previous_address=previous if previous != address else "",
        import_id=import_id,
        attributes=tuple(listed[:_MOST]),
        left_out=max(len(listed) - _MOST, 0),
    )


def check(made: RootReview) -> None:
    """Raise `ValueError` when a review that was read holds an action that this version doesn't know."""
    unknown = next((change for change in made.changes if change.action not in _ORDER), None)
    if unknown:
        raise ValueError(f"the action {unknown.action!r} of {unknown.address} is unknown")
