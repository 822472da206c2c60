"""Step Functions: standard workflows, run by an interpreter of our own (docs/decisions)."""

from __future__ import annotations

import json
import sys
import threading
import traceback
import uuid
from typing import Any

from localcloud.cloud import AwsRequest, Cloud, ServiceError, handles
from localcloud.events import emit
from localcloud.services.stepfunctions.asl.errors import Aborted, StateError
from localcloud.services.stepfunctions.asl.interpreter import Interpreter
from localcloud.services.stepfunctions.asl.states import stamp
from localcloud.services.stepfunctions.machines import Machines, check_name, definition_of
from localcloud.services.stepfunctions.model import MachineExecution, qualifier
from localcloud.services.stepfunctions.task_tokens import TaskTokens
from localcloud.services.stepfunctions.tasks import Tasks

INPUT_LIMIT = 262_144


class StepFunctions(Machines):
    """The handlers of executions and task tokens, and the threads that run them."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.tasks = Tasks(cloud)
        cloud.register("stepfunctions", self)
        cloud.on_ready(self._end_interrupted)

    def _end_interrupted(self) -> None:
        """End executions that the last process left: they can be redriven."""
        for states in self._regions:
            for execution in states.executions.values():
                if execution.status == "RUNNING":
                    self._end(execution, "FAILED", error="States.Runtime", cause="The local cloud was restarted.")

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
        execution.history.add(
            "ExecutionStarted",
            execution.started,
            input=text,
            roleArn=role,
            stateMachineVersionArn=execution.version_arn,
        )
        self._run(execution)
        return {"executionArn": execution.arn, "startDate": execution.started}

    def _run(self, execution: MachineExecution) -> None:
        self._publish(execution)
        limit, seconds, redrives = threading.Event(), execution.definition.get("TimeoutSeconds"), execution.redrives
        if seconds:
            limit = self._cloud.clock.call_later(seconds, lambda: self._time_out(execution, redrives))

        def work() -> None:
            self._work(execution)
            limit.set()  # it has ended: nothing is to be timed out any more

        threading.Thread(target=work, daemon=True, name=execution.name).start()

    def _work(self, execution: MachineExecution) -> None:
        context = {
            "Execution": {
                "Id": execution.arn,
                "Name": execution.name,
                "Input": json.loads(execution.input),
                "RoleArn": execution.role,
                "StartTime": stamp(execution.started),
                "RedriveCount": execution.redrives,
            },
            "StateMachine": {"Id": execution.machine, "Name": execution.machine.rpartition(":")[2]},
        }
        run = Interpreter(self._cloud.clock, execution.history, self.tasks, context, execution.checkpoints)
        abort = execution.abort
        try:
            output = run.machine(execution.definition, json.loads(execution.input), abort)
        except Aborted:
            return  # whoever said so has ended the execution
        except StateError as error:
            self._end(execution, "FAILED", abort, **error.details)
        except Exception as error:  # noqa: BLE001 - a bug must not leave an execution running for ever
            traceback.print_exc(file=sys.stderr)
            self._end(execution, "FAILED", abort, error="States.Runtime", cause=f"the local cloud broke: {error!r}")
        else:
            self._end(execution, "SUCCEEDED", abort, output=json.dumps(output))

    def _end(
        self, execution: MachineExecution, status: str, abort: threading.Event | None = None, **how: str | None
    ) -> None:
        """End an execution once. `abort` belongs to the run that reports, which may be an old one."""
        with self._regions.lock:
            if execution.status != "RUNNING" or abort not in (None, execution.abort):
                return
            execution.status, execution.stopped = status, self._cloud.clock.utcnow()
            execution.output, execution.error, execution.cause = how.get("output"), how.get("error"), how.get("cause")
        kind = {"SUCCEEDED": "Succeeded", "FAILED": "Failed", "ABORTED": "Aborted", "TIMED_OUT": "TimedOut"}[status]
        execution.history.add(f"Execution{kind}", execution.stopped, len(execution.history), **how)
        self._publish(execution)

    def _publish(self, execution: MachineExecution) -> None:
        detail = {
            "executionArn": execution.arn,
            "stateMachineArn": execution.machine,
            "stateMachineVersionArn": execution.version_arn,
            "stateMachineAliasArn": execution.alias_arn,
            "name": execution.name,
            "status": execution.status,
            "startDate": execution.started,
            "stopDate": execution.stopped,
            "input": execution.input,
            "output": execution.output,
            "error": execution.error,
            "cause": execution.cause,
            "redriveCount": execution.redrives,
        }
        _, _, _, region, account = execution.arn.split(":")[:5]
        emit(
            self._cloud, "aws.states", "Step Functions Execution Status Change", detail, region=region, account=account
        )

    def _time_out(self, execution: MachineExecution, redrives: int) -> None:
        if execution.redrives == redrives:
            self._end(execution, "TIMED_OUT", error="States.Timeout", cause=None)
            execution.abort.set()

    @handles
    def stop_execution(self, request: AwsRequest) -> dict[str, Any]:
        """Stop an execution where it is. One that has ended stays as it ended."""
        params = request.params
        execution = self._states(request).execution(params["executionArn"])
        self._end(execution, "ABORTED", error=params.get("error"), cause=params.get("cause"))
        execution.abort.set()
        return {"stopDate": execution.stopped}

    @handles
    def redrive_execution(self, request: AwsRequest) -> dict[str, Any]:
        """Go on with a failed execution from the state that failed."""
        execution = self._states(request).execution(request.params["executionArn"])
        with self._regions.lock:
            if not execution.redrivable:
                raise ServiceError(
                    "ExecutionNotRedrivable", f"Execution is not redrivable: {execution.status} '{execution.arn}'"
                )
            execution.redrives += 1
            execution.redriven = self._cloud.clock.utcnow()
            execution.status, execution.stopped = "RUNNING", None
            execution.output = execution.error = execution.cause = None
            execution.abort = threading.Event()
        execution.history.add(
            "ExecutionRedriven", execution.redriven, len(execution.history), redriveCount=execution.redrives
        )
        self._run(execution)
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
        shown = states.machine(execution.machine).describe()
        return {
            k: shown[k]
            for k in ("stateMachineArn", "name", "loggingConfiguration", "tracingConfiguration", "revisionId")
        } | {
            "definition": json.dumps(execution.definition),
            "roleArn": execution.role,
            "updateDate": execution.started,
        }

    @handles
    def list_executions(self, request: AwsRequest) -> dict[str, Any]:
        """List executions of a machine, a version or an alias, newest first."""
        params, states = request.params, self._states(request)
        arn = params["stateMachineArn"]
        machine = states.machine(arn)
        own = {"": "machine"}.get(qualifier(arn), "version_arn" if qualifier(arn).isdigit() else "alias_arn")
        executions = [
            e.summary()
            for e in reversed(states.executions.values())
            if e.machine == machine.arn
            and getattr(e, own) == arn
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

    @handles
    def list_map_runs(self, request: AwsRequest) -> dict[str, Any]:
        """List Map runs: inline Maps have none."""
        self._states(request).execution(request.params["executionArn"])
        return {"mapRuns": []}


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
