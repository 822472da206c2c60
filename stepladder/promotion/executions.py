"""The state machine of a project, and its executions. Every promotion command works with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, NotRequired, TypedDict

from stepladder.core import aws, console_links, names
from stepladder.core.aws import error_code
from stepladder.core.errors import BadInputError, NotReadyError
from stepladder.ledger.snapshot import Snapshot
from stepladder.promotion.contract import ExecutionInput, RungOutcome, TargetInput
from stepladder.releases.rung import Rung, clients
from stepladder.settings import locations

_MISSING = ("StateMachineDoesNotExist", "ExecutionDoesNotExist", "ResourceNotFound")


class ListedExecution(TypedDict):
    """One execution as Step Functions lists it; the keys that stepladder reads."""

    executionArn: str
    name: str
    status: str
    startDate: datetime
    stopDate: NotRequired[datetime]


@dataclass(frozen=True)
class Execution:
    """One execution of the state machine, as Step Functions describes it.

    `started` and `stopped` are in seconds since the epoch, the latter 0 while it runs. `output` is None unless it
    succeeded.
    """

    arn: str
    status: str
    input: ExecutionInput
    error: str = ""
    cause: str = ""
    started: float = 0.0
    output: list[RungOutcome] | None = None
    stopped: float = 0.0

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


class StateMachine:
    """The state machine of a project's primary location.

    `rung` is any environment of that location, with any of the project's functions.
    """

    def __init__(self, rung: Rung) -> None:
        locations.check(rung.settings)
        self.rung = rung
        self.settings = rung.settings.whole
        self.console = rung.console
        self._by_target = {rung.target: rung}
        self._clients = {rung.environment: rung.aws}

    def at(self, target: str) -> Rung:
        """Return a target as a rung, with the clients of its location. An environment's key is its own function's.

        An environment that the settings no longer have is taken to be in the primary location. So a promotion that
        began before can still be watched and stopped. A function that they no longer have keeps its names.
        """
        environment, function = names.split_target(target)
        if environment not in self.settings.environments:
            return self.rung
        if target not in self._by_target:
            view = replace(self.settings, name_of_function=function, view_of=self.settings) if function else None
            known = function in self.settings.function_names
            settings = self.settings.of_function(function) if known else view or self.settings
            aws = self._clients_of(environment)
            self._by_target[target] = replace(self.rung, settings=settings, environment=environment, aws=aws)
        return self._by_target[target]

    def _clients_of(self, environment: str) -> aws.Aws:
        """Return the clients of an environment's location: the same for all functions there."""
        if environment not in self._clients:
            wanted, current = self.settings.environment(environment), self.settings.environment(self.rung.environment)
            same = (wanted.region, wanted.role_arn) == (current.region, current.role_arn)
            self._clients[environment] = self.rung.aws if same else clients(self.settings, environment)
        return self._clients[environment]

    def targets(self, functions: Sequence[str] = ()) -> tuple[str, ...]:
        """Return the keys of all targets of some functions, or of all; lowest rung first."""
        wanted = functions or self.settings.function_names
        return tuple(names.target_key(each, name) for each in self.settings.ladder_environments for name in wanted)

    def snapshots(self, targets: Sequence[str] = ()) -> dict[str, Snapshot]:
        """Read the ledger of some targets, or of all: in each location all at once."""
        read: dict[str, Snapshot] = {}
        wanted = targets or self.targets()
        for representative in self.representatives:
            of_location = [key for key in wanted if self._location(key) == self._location(representative.environment)]
            read |= representative.ledger.snapshots(of_location) if of_location else {}
        return {key: read[key] for key in wanted}

    def _location(self, target: str) -> locations.Location:
        """Return the location of a target; of one that the settings no longer have, the primary one."""
        environment, _ = names.split_target(target)
        if environment in self.settings.environments:
            return locations.of(self.settings, environment)
        return locations.primary(self.settings)

    @cached_property
    def representatives(self) -> tuple[Rung, ...]:
        """One rung for each location of the ladder, the primary one first."""
        _, *others = locations.representatives(self.settings)
        return (self.rung, *map(self.at, others))

    def newest_release(self) -> str:
        """Return the id of the newest current release of any rung; empty without one."""
        entries = [snapshot.current for snapshot in self.snapshots().values()]
        return max((current.release_id for current in entries if current), default="")

    @cached_property
    def sfn(self) -> Any:
        """The client of Step Functions."""
        return self.rung.aws.client("stepfunctions")

    @property
    def arn(self) -> str:
        """The state machine's ARN."""
        return self.rung.names.state_machine_arn

    def execution_arn(self, name: str) -> str:
        """Return an execution's ARN."""
        return self.rung.names.execution_arn(name)

    def link(self, arn: str) -> str:
        """Return the address of an execution's page in the AWS console. A local cloud has none: empty."""
        if aws.endpoint():
            return ""
        return console_links.execution(self.rung.names, arn)

    def describe(self, arn: str) -> Execution | None:
        """Describe an execution. Return None for one that Step Functions doesn't know."""
        try:
            answer = self.sfn.describe_execution(executionArn=arn)
        except Exception as error:
            if error_code(error) in _MISSING:
                return None
            raise
        return Execution(
            arn=answer["executionArn"],
            status=answer["status"],
            input=json.loads(answer.get("input") or "{}"),
            error=answer.get("error", ""),
            cause=answer.get("cause", ""),
            started=answer["startDate"].timestamp(),
            output=json.loads(answer.get("output") or "null"),
            stopped=answer["stopDate"].timestamp() if answer.get("stopDate") else 0.0,
        )

    def executions(self, status: str = "", limit: int = 100, *, may_be_missing: bool = False) -> list[ListedExecution]:
        """List at most `limit` executions, newest first. An empty `status` is any.

        Raises `NotReadyError` while there is no state machine; returns none then if it `may_be_missing`.
        """
        request: dict[str, Any] = {"stateMachineArn": self.arn, "maxResults": limit}
        if status:
            request["statusFilter"] = status
        try:
            listed = self.sfn.list_executions(**request)["executions"]
        except Exception as error:
            if error_code(error) in _MISSING:
                if may_be_missing:
                    return []
                self.rung.check_caller()
                raise NotReadyError(
                    "the promotion state machine isn't there yet", kind="no-promotion", hint="`inv promote` makes it"
                ) from error
            raise
        return sorted(listed, key=lambda e: e["startDate"], reverse=True)

    def pick(self, name: str = "", *, running: bool = False) -> Execution:
        """Return an execution by name or ARN, or the newest one without.

        Raises `BadInputError` when there is none, and with `running` when it has ended.
        """
        if name:
            execution = self.describe(name if name.startswith("arn:") else self.execution_arn(name))
            if not execution:
                raise BadInputError(
                    f"there is no promotion {name!r}", kind="no-promotion", hint="`inv promote.watch` shows the newest"
                )
        else:
            listed = self.executions("RUNNING" if running else "", limit=20)
            execution = self.describe(listed[0]["executionArn"]) if listed else None
        if not execution or (running and not execution.is_running):
            raise BadInputError(
                f"promotion {name} has ended" if name else "no promotion is under way",
                kind="no-promotion",
                hint="`inv promote` starts one" if not name else "`inv promote.watch` shows how it went",
            )
        return execution
