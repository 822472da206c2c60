"""What Step Functions keeps: machines with versions and aliases, executions."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localcloud.services.stepfunctions.asl.history import History
from localcloud.services.stepfunctions.asl.states import Checkpoint, Where

MACHINE_FIELDS = ("definition", "roleArn", "loggingConfiguration", "tracingConfiguration", "encryptionConfiguration")


@dataclass
class Machine:
    """A state machine. `versions` holds copies of `given`, frozen."""

    arn: str
    name: str
    type: str
    created: datetime
    given: dict[str, Any]
    revision: str = field(default_factory=lambda: str(uuid.uuid4()))
    versions: dict[int, dict[str, Any]] = field(default_factory=dict)
    last_version: int = 0
    aliases: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def describe(self, version: int | None = None) -> dict[str, Any]:
        """Return the machine, or one of its versions, as DescribeStateMachine does."""
        settings = self.versions[version] if version else self.given
        shown = {
            "stateMachineArn": f"{self.arn}:{version}" if version else self.arn,
            "name": self.name,
            "status": "ACTIVE",
            "type": self.type,
            "creationDate": settings.get("creationDate", self.created),
            "revisionId": settings.get("revisionId", self.revision),
            "loggingConfiguration": {"level": "OFF", "includeExecutionData": False},
            "tracingConfiguration": {"enabled": False},
            "encryptionConfiguration": {"type": "AWS_OWNED_KEY"},
        }
        shown |= {k: settings[k] for k in (*MACHINE_FIELDS, "description") if settings.get(k) is not None}
        return shown

    def publish(self, description: str | None, at: datetime) -> int:
        """Freeze what the machine is now. The same revision gives the same version."""
        for number, version in self.versions.items():
            if version["revisionId"] == self.revision:
                return number
        self.last_version += 1
        self.versions[self.last_version] = {
            **self.given,
            "description": description,
            "creationDate": at,
            "revisionId": self.revision,
        }
        return self.last_version


@dataclass
class MachineExecution:
    """One execution of a machine, and how far it is."""

    arn: str
    name: str
    machine: str
    definition: dict[str, Any]
    role: str
    input: str
    started: datetime
    version_arn: str | None = None
    alias_arn: str | None = None
    status: str = "RUNNING"
    stopped: datetime | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    redrives: int = 0
    redriven: datetime | None = None
    trace: str | None = None
    map_run: str | None = None
    """The Map Run that started it, and how many items it has of it."""
    items: int = 0
    history: History = field(default_factory=History)
    checkpoints: dict[Where, Checkpoint] = field(default_factory=dict)
    abort: threading.Event = field(default_factory=threading.Event)

    def summary(self) -> dict[str, Any]:
        """Return the execution as ListExecutions does."""
        shown = {
            "executionArn": self.arn,
            "stateMachineArn": self.machine,
            "name": self.name,
            "status": self.status,
            "startDate": self.started,
            "stopDate": self.stopped,
            "stateMachineVersionArn": self.version_arn,
            "stateMachineAliasArn": self.alias_arn,
            "redriveCount": self.redrives,
            "redriveDate": self.redriven,
            "mapRunArn": self.map_run,
            "itemCount": self.items if self.map_run else None,
        }
        return {k: v for k, v in shown.items() if v is not None}

    def describe(self) -> dict[str, Any]:
        """Return the execution as DescribeExecution does."""
        shown: dict[str, Any] = {
            "input": self.input,
            "inputDetails": {"included": True},
            "output": self.output,
            "outputDetails": {"included": True} if self.output is not None else None,
            "error": self.error,
            "cause": self.cause,
            "traceHeader": self.trace,
            "redriveStatus": "REDRIVABLE" if self.redrivable else "NOT_REDRIVABLE",
        }
        if not self.redrivable:
            done = "RUNNING" if self.status == "RUNNING" else "SUCCEEDED"
            shown["redriveStatusReason"] = f"Execution is {done} and cannot be redriven"
        summary = {k: v for k, v in self.summary().items() if k != "itemCount"}
        return summary | {k: v for k, v in shown.items() if v is not None}

    @property
    def redrivable(self) -> bool:
        """Say whether RedriveExecution may go on with it."""
        return self.status in ("FAILED", "ABORTED", "TIMED_OUT")


def qualifier(arn: str) -> str:
    """Return the version or alias at the end of a machine's ARN, or an empty text when it is unqualified."""
    parts = arn.split(":")
    return parts[7] if len(parts) > 7 else ""  # noqa: PLR2004 - arn:aws:states:region:account:stateMachine:name:qualifier
