"""Step Functions: standard workflows, run by an interpreter of our own (docs/decisions)."""

from __future__ import annotations

import json
import uuid
from typing import Any

from localcloud.cloud import AwsRequest, Cloud, ServiceError, handles
from localcloud.services.stepfunctions.machines import Machines, check_name, definition_of
from localcloud.services.stepfunctions.map_distributor import MapDistributor
from localcloud.services.stepfunctions.model import MachineExecution, qualifier
from localcloud.services.stepfunctions.runner import ExecutionRunner
from localcloud.services.stepfunctions.task_tokens import TaskTokens
from localcloud.services.stepfunctions.tasks import Tasks

INPUT_LIMIT = 262_144


class StepFunctions(Machines):
    """The handlers of executions and Map Runs."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.tasks = Tasks(cloud)
        self.runner = ExecutionRunner(cloud, self._regions, self.tasks)
        MapDistributor(cloud, self._regions, self.runner)
        cloud.register("stepfunctions", self)
        cloud.on_ready(self._end_interrupted)

    def _end_interrupted(self) -> None:
        """End executions that the last process left: they can be redriven."""
        for states in self._regions:
            for execution in states.executions.values():
                if execution.status == "RUNNING":
                    self.runner.end(execution, "FAILED", error="States.Runtime", cause="The local cloud was restarted.")

    # -- executions

    @handles
    def start_execution(self, request: AwsRequest) -> dict[str, Any]:
        """Start an execution. The name is an idempotency key: AWS keeps it for 90 days, this cloud for good."""
        params, states = request.params, self._states(request)
        text = params.get("input") or "{}"
        name = params.get("name") or str(uuid.uuid4())
        check_name(name)
        _check_input(text)
        arn = params["stateMachineArn"]
        with self._regions.lock:
            machine = states.machine(arn)
            version, alias_arn = self.resolve(machine, arn)
            execution_arn = states.arn("execution", f"{machine.name}:{name}")
            old = states.executions.get(execution_arn)
            if old:
                if old.status == "RUNNING" and json.loads(old.input) == json.loads(text):
                    return {"executionArn": old.arn, "startDate": old.started}
                raise ServiceError("ExecutionAlreadyExists", f"Execution Already Exists: '{execution_arn}'")
            definition, role = definition_of(machine, version)
            execution = MachineExecution(
                arn=execution_arn,
                name=name,
                machine=machine.arn,
                definition=definition,
                role=role,
                input=text,
                started=self._cloud.clock.utcnow(),
                version_arn=f"{machine.arn}:{version}" if version else None,
                alias_arn=alias_arn,
                trace=params.get("traceHeader"),
            )
            states.executions[execution_arn] = execution
        self.runner.start(execution)
        return {"executionArn": execution.arn, "startDate": execution.started}

    @handles
    def stop_execution(self, request: AwsRequest) -> dict[str, Any]:
        """Stop an execution where it is. One that has ended stays as it ended."""
        params = request.params
        execution = self._states(request).execution(params["executionArn"])
        self.runner.stop(execution, params.get("error"), params.get("cause"))
        return {"stopDate": execution.stopped}

    @handles
    def redrive_execution(self, request: AwsRequest) -> dict[str, Any]:
        """Go on with a failed execution from the state that failed."""
        execution = self._states(request).execution(request.params["executionArn"])
        if not self.runner.redrive(execution):
            raise ServiceError(
                "ExecutionNotRedrivable", f"Execution is not redrivable: {execution.status} '{execution.arn}'"
            )
        return {"redriveDate": execution.redriven}

    @handles
    def describe_execution(self, request: AwsRequest) -> dict[str, Any]:
        """Return an execution."""
        return self._states(request).execution(request.params["executionArn"]).describe()

    @handles
    def describe_state_machine_for_execution(self, request: AwsRequest) -> dict[str, Any]:
        """Return the machine as the execution began with it."""
        states = self._states(request)
        execution = states.execution(request.params["executionArn"])
        base, _, label = execution.machine.partition("/")
        shown = states.machine(base).describe()
        of_map_run = {"mapRunArn": execution.map_run, "label": label} if execution.map_run else {}
        return {
            k: shown[k]
            for k in ("stateMachineArn", "name", "loggingConfiguration", "tracingConfiguration", "revisionId")
        } | {
            **of_map_run,
            "definition": json.dumps(execution.definition),
            "roleArn": execution.role,
            "updateDate": execution.started,
        }

    @handles
    def list_executions(self, request: AwsRequest) -> dict[str, Any]:
        """List executions of a machine, a version, an alias or a Map Run, newest first."""
        params, states = request.params, self._states(request)
        arn, map_run = params.get("stateMachineArn", ""), params.get("mapRunArn", "")
        if bool(arn) == bool(map_run):
            raise ServiceError("ValidationException", "Exactly one of stateMachineArn and mapRunArn must be given")
        if arn:
            machine = states.machine(arn)
            own = {"": "machine"}.get(qualifier(arn), "version_arn" if qualifier(arn).isdigit() else "alias_arn")
        elif states.map_run(map_run).express:
            raise ServiceError("StateMachineTypeNotSupported", "Executions of type EXPRESS are not listed")
        with self._regions.lock:
            every = list(states.executions.values())
        executions = [
            e.summary()
            for e in reversed(every)
            if (e.map_run == map_run if map_run else e.machine == machine.arn and getattr(e, own) == arn)
            and params.get("statusFilter") in (None, e.status)
            and _is_redriven(e, params.get("redriveFilter"))
        ]
        return _page("executions", executions, params)

    @handles
    def get_execution_history(self, request: AwsRequest) -> dict[str, Any]:
        """Return the events of an execution."""
        params = request.params
        events = list(self._states(request).execution(params["executionArn"]).history.events)
        if params.get("reverseOrder"):
            events.reverse()
        if params.get("includeExecutionData") is False:
            events = [_without_data(event) for event in events]
        return _page("events", events, params)

    # -- Map Runs

    @handles
    def list_map_runs(self, request: AwsRequest) -> dict[str, Any]:
        """List the Map Runs of an execution, newest first."""
        states = self._states(request)
        arn = states.execution(request.params["executionArn"]).arn
        with self._regions.lock:
            every = list(states.map_runs.values())
        runs = [each.summary() for each in reversed(every) if each.execution == arn]
        return _page("mapRuns", runs, request.params)

    @handles
    def describe_map_run(self, request: AwsRequest) -> dict[str, Any]:
        """Return a Map Run, with what its items and children have come to."""
        states = self._states(request)
        return states.map_run(request.params["mapRunArn"]).describe(states.executions)

    @handles
    def update_map_run(self, request: AwsRequest) -> dict[str, Any]:
        """Change how many children run at once, and how many may fail, while a Map Run runs."""
        params = request.params
        map_run = self._states(request).map_run(params["mapRunArn"])
        if map_run.status != "RUNNING":
            raise ServiceError("ValidationException", f"Map Run is not running: '{map_run.arn}'")
        map_run.max_concurrency = params.get("maxConcurrency", map_run.max_concurrency)
        map_run.tolerated_count = params.get("toleratedFailureCount", map_run.tolerated_count)
        map_run.tolerated_percentage = params.get("toleratedFailurePercentage", map_run.tolerated_percentage)
        return {}


def _check_input(text: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        raise ServiceError("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{error}'") from error
    if len(text.encode()) > INPUT_LIMIT:
        raise ServiceError("InvalidExecutionInput", "Invalid State Machine Execution Input: over 262144 bytes")


def _is_redriven(execution: MachineExecution, filter_: str | None) -> bool:
    return filter_ is None or (filter_ == "REDRIVEN") == bool(execution.redrives)


def _page(key: str, items: list[dict[str, Any]], params: dict[str, Any]) -> dict[str, Any]:
    start = int(params.get("nextToken") or 0)
    end = start + int(params.get("maxResults") or 1000)
    return {key: items[start:end]} | ({"nextToken": str(end)} if end < len(items) else {})


def _without_data(event: dict[str, Any]) -> dict[str, Any]:
    hidden = ("input", "output", "parameters")
    return {k: {a: b for a, b in v.items() if a not in hidden} if isinstance(v, dict) else v for k, v in event.items()}


def install(cloud: Cloud) -> None:
    """Register the actions."""
    api = StepFunctions(cloud)
    TaskTokens(cloud, api.tasks)
