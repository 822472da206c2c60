"""All of Step Functions in one account and region."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from localcloud.cloud import ServiceError
from localcloud.services.stepfunctions.map_runs import MapRun
from localcloud.services.stepfunctions.model import Machine, MachineExecution
from stepladder.core.names import partition_of

_ARN = r"arn:aws[a-z-]*:states:[a-z0-9-]+:\d{12}:"
_MACHINE = re.compile(_ARN + r"stateMachine:[^:\s]+(:[^:\s]+)?")
_EXECUTION = re.compile(_ARN + r"execution:[^:\s]+:[^:\s]+")
_MAP_RUN = re.compile(_ARN + r"mapRun:[^:\s]+/[^:\s]+:[^:\s]+")


@dataclass
class MachineStore:
    """All of Step Functions in one account and region."""

    account: str
    region: str
    machines: dict[str, Machine] = field(default_factory=dict)
    executions: dict[str, MachineExecution] = field(default_factory=dict)
    map_runs: dict[str, MapRun] = field(default_factory=dict)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was saved, also by a version that knew no Map Runs."""
        self.__dict__.update({"map_runs": {}, **state})

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of a stateMachine or an execution (`<machine>:<name>`)."""
        return f"arn:{partition_of(self.region)}:states:{self.region}:{self.account}:{kind}:{name}"

    def machine(self, arn: str) -> Machine:
        """Return a machine by its unqualified ARN, or raise the service's error."""
        if not _MACHINE.fullmatch(arn):
            raise _invalid(arn)
        machine = self.machines.get(":".join(arn.split(":")[:7]))
        if machine is None:
            raise ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        return machine

    def execution(self, arn: str) -> MachineExecution:
        """Return an execution, or raise the service's error."""
        if not _EXECUTION.fullmatch(arn):
            raise _invalid(arn)
        if arn not in self.executions:
            raise ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return self.executions[arn]

    def map_run(self, arn: str) -> MapRun:
        """Return a Map Run, or raise the service's error."""
        if not _MAP_RUN.fullmatch(arn):
            raise _invalid(arn)
        if arn not in self.map_runs:
            raise ServiceError("ResourceNotFound", f"Resource not found: '{arn}'")
        return self.map_runs[arn]


def _invalid(arn: str) -> ServiceError:
    """Return the error of an ARN that is none, or one of another kind."""
    return ServiceError("InvalidArn", f"Invalid Arn: '{'' if arn.startswith('arn:') else 'Invalid ARN prefix: '}{arn}'")
