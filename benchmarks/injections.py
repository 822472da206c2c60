"""The faults of the table of toughness: what each does to a deployment, and how a tool would name it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

UPDATE = ("lambda", ("UpdateFunctionCode",))
STACK = ("cloudformation", ("CreateChangeSet", "UpdateStack"))
STACK_BEGUN = ("cloudformation", ("ExecuteChangeSet", "UpdateStack"))
"""What a tool that deploys by a stack calls in the place of Lambda. CloudFormation itself meets no fault here."""

REASON = "NoEntryPoint"
"""Why an update fails: one word, which no tool breaks over two lines of a table."""
_PROGRESS = "The operation cannot be performed at this time. An update is in progress for resource"
_CONFLICT = {"kind": "error", "code": "ResourceConflictException", "status": 409, "message": _PROGRESS}
_STACK_BUSY = "Stack is in UPDATE_IN_PROGRESS state and can not be updated."
_BUSY = {"kind": "error", "code": "ValidationError", "status": 400, "message": _STACK_BUSY}
_UNAVAILABLE = {"kind": "error", "code": "ServiceUnavailableException", "status": 503, "message": "Service Unavailable"}
_LATE = {"kind": "delay", "seconds": 4.0}


@dataclass(frozen=True)
class Injection:
    """One fault. `cause` is a pattern of what names it in a tool's output.

    `rule` is put on the call that changes the code, `stack_rule` in its place on that of a stack, `registry` on the
    registry. `fails`: the update that is accepted ends as Failed. `kill`: the signal, once the call was made; the
    command then runs again. `twice`: two of the same command at once.
    """

    name: str
    cause: str
    rule: Mapping[str, Any] = field(default_factory=dict)
    stack_rule: Mapping[str, Any] = field(default_factory=dict)
    registry: Mapping[str, Any] = field(default_factory=dict)
    fails: bool = False
    kill: int = 0
    twice: bool = False

    def rules(self, *, by_stack: bool) -> list[dict[str, Any]]:
        """Return the rules for the local cloud."""
        if self.registry:
            return [{"service": "registry", **self.registry}]
        rule = {**self.rule, **(self.stack_rule if by_stack else {})}
        if not rule:
            return []
        service, actions = (STACK_BEGUN if self.kill else STACK) if by_stack else UPDATE
        return [{"service": service, "action": action, **rule} for action in actions]


INJECTIONS = (
    Injection("429 x3", r"429|Rate exceeded|TooManyRequests|[Tt]hrottl", {"kind": "throttle", "count": 3}),
    Injection("503 x3", r"503|Service ?Unavailable", {**_UNAVAILABLE, "count": 3}),
    Injection(
        "409, update in progress x2",
        r"in progress|IN_PROGRESS|ResourceConflict",
        {**_CONFLICT, "count": 2},
        {**_BUSY, "count": 2},
    ),
    Injection("update accepted, then Failed", REASON, fails=True),
    Injection(
        "registry: 503 on a blob's POST",
        r"503|Service Unavailable",
        registry={"action": "POST", "body": "/blobs/uploads/", "kind": "error", "status": 503},
    ),
    Injection(
        "registry: 500 on the manifest's PUT",
        r"500|Internal Server Error|internal error",
        registry={"action": "PUT", "body": "/manifests/", "kind": "error"},
    ),
    Injection(
        "registry: 429 on the manifest's PUT",
        r"429|[Tt]oo ?[Mm]any ?[Rr]equests|Rate exceeded",
        registry={"action": "PUT", "body": "/manifests/", "kind": "throttle"},
    ),
    Injection("SIGKILL after the update, run again", r"lock|progress", _LATE, kill=signal.SIGKILL),
    Injection("SIGINT after the update, run again", r"lock|progress", _LATE, kill=signal.SIGINT),
    Injection("two at once", r"(?i)lock|progress|conflict|already|another", twice=True),
)
