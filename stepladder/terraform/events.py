"""Read Terraform's machine-readable output: one JSON object a line, from `init`, `plan` and `apply -json`.

https://developer.hashicorp.com/terraform/internals/machine-readable-ui. Attribute values aren't in these events, so
neither are secrets; a diagnostic's snippet may quote code and is not kept.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from stepladder.core.step import Step

_DONE = {"apply_complete", "apply_errored"}
_VERBS = {"create": "creating", "update": "changing", "delete": "destroying", "read": "reading"}
_COUNTED = ("create", "update", "replace", "delete")
_TEXT_ERROR = r"^[\s│╷]*Error: (.+)$"  # commands without -json draw a box


@dataclass(frozen=True)
class ResourceChange:
    """One planned change: what Terraform would do to one resource, never to what values.

    `action` is create, update, replace, delete, import, move, remove (forget without destroying) or read.
    """

    address: str
    action: str
    type: str
    reason: str = ""


@dataclass(frozen=True)
class Diagnostic:
    """One error or warning of Terraform."""

    severity: str
    summary: str
    detail: str = ""
    address: str = ""
    location: str = ""

    @property
    def brief(self) -> str:
        """Return summary, first sentence of the detail, and where."""
        first = self.detail.strip().split("\n\n", 1)[0].replace("\n", " ")[:300].rstrip(". ")
        text = f"{self.summary.rstrip('.')}: {first}" if first else self.summary.rstrip(".")
        where = self.address or self.location
        return f"{text} ({where})" if where else text


@dataclass
class Counts:
    """How many resources a plan adds, changes and destroys; a replacement is one of each of the outer two."""

    add: int = 0
    change: int = 0
    destroy: int = 0
    imported: int = 0

    def __str__(self) -> str:
        imported = f"{self.imported} to import, " if self.imported else ""
        return f"{imported}{self.add} to add, {self.change} to change, {self.destroy} to destroy"

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return asdict(self)


def is_own(change: ResourceChange, root: str) -> bool:
    """Say whether a change of a root is of the project's own code: stepladder's module is called as the root is.

    It is called once more for the functions beside the project's own one. With an index it was, or is, one of several.
    """
    modules = (root, "functions") if root == "service" else (root,)
    return not change.address.startswith(tuple(f"module.{name}{end}" for name in modules for end in (".", "[")))


def count(changes: tuple[ResourceChange, ...]) -> Counts:
    """Count planned changes."""
    actions = [change.action for change in changes]
    replaced = actions.count("replace")
    return Counts(
        add=actions.count("create") + replaced,
        change=actions.count("update"),
        destroy=actions.count("delete") + replaced,
        imported=actions.count("import"),
    )


class Watch:
    """Follow one command's output: pass each line to `line`, from any thread, then read what was collected.

    `failed` holds the addresses that an apply could not change, `outputs` the values of outputs that aren't sensitive,
    `reads` the types of what was read, data sources and resources. `on_made` gets the id of each resource as an apply
    is done with it.
    `verb` begins what is shown of how far it is: `applying 3 of 25: creating ...`, `planning, 12 read: ...`.
    """

    def __init__(
        self,
        step: Step | None = None,
        *,
        total: int = 0,
        verb: str = "",
        on_made: Callable[[str], None] = lambda _id: None,
    ) -> None:
        self.changes: list[ResourceChange] = []
        self.failed: set[str] = set()
        self.reads: set[str] = set()
        self.diagnostics: list[Diagnostic] = []
        self.outputs: dict[str, Any] = {}
        self.messages: list[str] = []
        self._on_made = on_made
        self._step = step
        self._total = total
        self._verb = verb
        self._done = 0
        self._read = 0
        self._lock = threading.Lock()

    @property
    def errors(self) -> list[Diagnostic]:
        """The diagnostics that made the command fail."""
        return [diagnostic for diagnostic in self.diagnostics if diagnostic.severity == "error"]

    def line(self, text: str) -> None:
        """Take in one line."""
        with self._lock:
            event = _event(text)
            if event is None:
                self._plain(text)
            else:
                self._take(event)

    def _plain(self, text: str) -> None:
        self.messages.append(text)
        match = re.match(_TEXT_ERROR, text)
        if match:
            self.diagnostics.append(Diagnostic("error", match[1].strip()))

    def _take(self, event: dict[str, Any]) -> None:
        kind = str(event.get("type", ""))
        self.messages.append(f"{event.get('@timestamp', '')} {event.get('@message', '')}")
        if kind == "diagnostic":
            diagnostic = _diagnostic(event.get("diagnostic") or {})
            self.diagnostics.append(diagnostic)
            self.messages.extend(f"    {line}" for line in diagnostic.detail.splitlines())
        elif kind == "planned_change":
            self._planned(event.get("change") or {})
        elif kind == "outputs":
            values = event.get("outputs") or {}
            self.outputs |= {name: o["value"] for name, o in values.items() if "value" in o and not o.get("sensitive")}
        elif kind.startswith(("apply_", "refresh_")):
            self._progress(kind, event.get("hook") or {})

    def _planned(self, change: dict[str, Any]) -> None:
        resource = change.get("resource") or {}
        action = str(change.get("action", ""))
        if change.get("importing"):
            self.changes.append(
                ResourceChange(str(resource.get("addr", "")), "import", str(resource.get("resource_type", "")))
            )
        if action not in {"noop", "import"}:
            self.changes.append(
                ResourceChange(
                    str(resource.get("addr", "")),
                    action,
                    str(resource.get("resource_type", "")),
                    str(change.get("reason", "")),
                )
            )

    def _progress(self, kind: str, hook: dict[str, Any]) -> None:
        address = str((hook.get("resource") or {}).get("addr", ""))
        if kind in _DONE:
            self._done += 1
        if kind == "apply_complete":
            self._on_made(str(hook.get("id_value", "")))
        if kind == "apply_errored":
            self.failed.add(address)
        if kind == "refresh_start" or hook.get("action") == "read":
            self.reads.add(str((hook.get("resource") or {}).get("resource_type", "")))
        if kind == "refresh_complete" or (kind == "apply_complete" and not self._total):
            self._read += 1
        if not self._step:
            return
        if kind == "refresh_start":
            self._show(f"reading {address}")
        elif kind in {"apply_start", "apply_progress"}:
            verb = _VERBS.get(str(hook.get("action", "")), "working on")
            seconds = hook.get("elapsed_seconds")
            took = f" ({seconds} s)" if seconds else ""
            self._show(f"{verb} {address}{took}")
        elif kind in _DONE and self._verb and self._total:
            self._show(f"{'done with' if kind == 'apply_complete' else 'failed at'} {address}")

    def _show(self, what: str) -> None:
        """Show what Terraform is at, after how far it is."""
        how_far = self._verb
        if self._total:
            at = min(self._done + 1, self._total)
            how_far = f"{self._verb} {at} of {self._total}".lstrip()
        elif self._verb and self._read:
            how_far = f"{self._verb}, {self._read} read"
        if self._step:
            self._step.progress(f"{how_far}: {what}" if how_far else what)


def operations(changes: tuple[ResourceChange, ...]) -> int:
    """Return how many apply events a plan will make: a replacement is two."""
    return sum(2 if change.action == "replace" else change.action in _COUNTED for change in changes)


def _event(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) and "@message" in value else None


def _diagnostic(raw: dict[str, Any]) -> Diagnostic:
    location = ""
    if raw.get("range"):
        location = f"{raw['range'].get('filename', '')}:{(raw['range'].get('start') or {}).get('line', '')}"
    return Diagnostic(
        severity=str(raw.get("severity", "")),
        summary=str(raw.get("summary", "")),
        detail=str(raw.get("detail", "")),
        address=str(raw.get("address", "")),
        location=location,
    )
