"""What every promotion command works with: the project's top rung, its state machine, its running promotion."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote

from stepladder.core import aws
from stepladder.core.aws import error_code
from stepladder.core.errors import BadInputError, NotReadyError
from stepladder.promotion.contract import ExecutionInput, RungOutcome, TargetInput
from stepladder.releases.rung import Rung, clients
from stepladder.settings import locations

_MISSING = ("StateMachineDoesNotExist", "ExecutionDoesNotExist", "ResourceNotFound")


@dataclass(frozen=True)
class Execution:
    """One execution of the state machine, as Step Functions describes it."""

    arn: str
    status: str
    input: ExecutionInput
    error: str = ""
    cause: str = ""
    started: float = 0.0
    output: list[RungOutcome] | None = None

    @property
    def name(self) -> str:
        """The execution's name."""
        return self.arn.rpartition(":")[2]

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status == "RUNNING"

    @property
    def targets(self) -> list[TargetInput]:
        """Every target, lowest rung first."""
        return [target for rung in self.input["rungs"] for target in rung["targets"]]


class Desk:
    """The state machine of a project. `rung` is any of its environments at home, where the lowest rung is."""

    def __init__(self, rung: Rung) -> None:
        locations.check(rung.settings)
        self.rung = rung
        self.console = rung.console
        self._rungs = {rung.environment: rung}

    def at(self, environment: str) -> Rung:
        """Return any environment of the ladder as a rung, with the clients of its place.

        One that the settings don't have (any more) is home: a promotion of before can still be watched and stopped.
        """
        settings = self.rung.settings
        if environment not in settings.environments:
            return self.rung
        if environment not in self._rungs:
            there, here = settings.environment(environment), settings.environment(self.rung.environment)
            same = (there.region, there.role_arn) == (here.region, here.role_arn)
            aws = self.rung.aws if same else clients(settings, environment)
            self._rungs[environment] = replace(self.rung, environment=environment, aws=aws)
        return self._rungs[environment]

    @cached_property
    def places(self) -> tuple[Rung, ...]:
        """One rung for each place of the ladder, home first."""
        _, *away = locations.representatives(self.rung.settings)
        return (self.rung, *map(self.at, away))

    def newest_release(self) -> str:
        """Return the id of the release that went live last on any rung; empty without one."""
        found = [self.at(name).ledger.snapshot(name).current for name in self.rung.settings.ladder_environments]
        return max((current.release_id for current in found if current), default="")

    @cached_property
    def sfn(self) -> Any:
        """The client of Step Functions."""
        return self.rung.aws.client("stepfunctions")

    @property
    def machine(self) -> str:
        """The state machine's ARN."""
        return self.rung.names.state_machine_arn

    def execution_arn(self, name: str) -> str:
        """Return an execution's ARN."""
        return self.rung.names.execution_arn(name)

    def link(self, arn: str) -> str:
        """Return an execution's page in the AWS console; empty where there is none, as in a local cloud."""
        if aws.endpoint():
            return ""
        region = self.rung.names.region
        host = {"aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com"}
        own = host.get(self.rung.names.partition, "console.aws.amazon.com")
        return f"https://{region}.{own}/states/home?region={region}#/v2/executions/details/{quote(arn, safe=':')}"

    def describe(self, arn: str) -> Execution | None:
        """Describe an execution; None when there is none."""
        try:
            found = self.sfn.describe_execution(executionArn=arn)
        except Exception as error:
            if error_code(error) in _MISSING:
                return None
            raise
        return Execution(
            arn=found["executionArn"],
            status=found["status"],
            input=json.loads(found.get("input") or "{}"),
            error=found.get("error", ""),
            cause=found.get("cause", ""),
            started=found["startDate"].timestamp(),
            output=json.loads(found.get("output") or "null"),
        )

    def executions(self, status: str = "", limit: int = 100, *, may_be_missing: bool = False) -> list[dict[str, Any]]:
        """List executions, newest first.

        Before there is a state machine that is an error, or none if it `may_be_missing`.
        """
        request: dict[str, Any] = {"stateMachineArn": self.machine, "maxResults": limit}
        if status:
            request["statusFilter"] = status
        try:
            found = self.sfn.list_executions(**request)["executions"]
        except Exception as error:
            if error_code(error) in _MISSING:
                if may_be_missing:
                    return []
                raise NotReadyError(
                    "the promotion state machine isn't there yet", kind="no-promotion", hint="`inv promote` makes it"
                ) from error
            raise
        return sorted(found, key=lambda e: e["startDate"], reverse=True)

    def pick(self, name: str = "", *, running: bool = False) -> Execution:
        """Return an execution by name or ARN, or the newest; with `running` only one that still runs."""
        if name:
            found = self.describe(name if name.startswith("arn:") else self.execution_arn(name))
            if not found:
                raise BadInputError(
                    f"there is no promotion {name!r}", kind="no-promotion", hint="`inv promote.watch` shows the newest"
                )
        else:
            listed = self.executions("RUNNING" if running else "", limit=20)
            found = self.describe(listed[0]["executionArn"]) if listed else None
        if not found or (running and not found.is_running):
            raise BadInputError(
                f"promotion {name} has ended" if name else "no promotion is under way",
                kind="no-promotion",
                hint="`inv promote` starts one" if not name else "`inv promote.watch` shows how it went",
            )
        return found
