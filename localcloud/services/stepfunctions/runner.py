"""Run executions: one thread each, from its start, or its redrive, to its end."""

from __future__ import annotations

import json
import sys
import threading
import traceback

from localcloud.cloud import Cloud
from localcloud.events import emit
from localcloud.scoped_store import ScopedStore
from localcloud.services.stepfunctions.asl.distributed import Distributor, NoDistributor
from localcloud.services.stepfunctions.asl.errors import Aborted, StateError
from localcloud.services.stepfunctions.asl.interpreter import Interpreter, TaskRunner
from localcloud.services.stepfunctions.asl.states import stamp
from localcloud.services.stepfunctions.model import MachineExecution
from localcloud.services.stepfunctions.store import MachineStore


class ExecutionRunner:
    """Runs the executions of all accounts and regions. `ended` counts those that have ended."""

    def __init__(self, cloud: Cloud, regions: ScopedStore[MachineStore], tasks: TaskRunner) -> None:
        self._cloud = cloud
        self._regions = regions
        self._tasks = tasks
        self._changed = threading.Condition()
        self.ended = 0
        self.distributor: Distributor = NoDistributor()

    def start(self, execution: MachineExecution) -> None:
        """Start an execution that is kept already."""
        execution.history.add(
            "ExecutionStarted",
            execution.started,
            input=execution.input,
            roleArn=execution.role,
            stateMachineVersionArn=execution.version_arn,
        )
        self._run(execution)

    def redrive(self, execution: MachineExecution) -> bool:
        """Go on with a failed execution from the state that failed. Return False for one that hasn't failed."""
        with self._regions.lock:
            if not execution.redrivable:
                return False
            execution.redrives += 1
            execution.redriven = self._cloud.clock.utcnow()
            execution.status, execution.stopped = "RUNNING", None
            execution.output = execution.error = execution.cause = None
            execution.abort = threading.Event()
        execution.history.add(
            "ExecutionRedriven", execution.redriven, len(execution.history), redriveCount=execution.redrives
        )
        self._run(execution)
        return True

    def stop(self, execution: MachineExecution, error: str | None = None, cause: str | None = None) -> None:
        """Stop an execution where it is. One that has ended stays as it ended."""
        self.end(execution, "ABORTED", error=error, cause=cause)
        execution.abort.set()

    def wait_for_end(self, seen: int, seconds: float) -> None:
        """Wait until more than `seen` executions have ended, `seconds` of real time at most."""
        with self._changed:
            if self.ended == seen:
                self._changed.wait(seconds)

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
        run = Interpreter(
            self._cloud.clock, execution.history, self._tasks, context, execution.checkpoints, self.distributor
        )
        abort = execution.abort
        try:
            output = run.machine(execution.definition, json.loads(execution.input), abort)
        except Aborted:
            return  # whoever said so has ended the execution
        except StateError as error:
            self.end(execution, "FAILED", abort, **error.details)
        except Exception as error:  # noqa: BLE001 - a bug must not leave an execution running for ever
            traceback.print_exc(file=sys.stderr)
            self.end(execution, "FAILED", abort, error="States.Runtime", cause=f"the local cloud broke: {error!r}")
        else:
            self.end(execution, "SUCCEEDED", abort, output=json.dumps(output))

    def end(
        self, execution: MachineExecution, status: str, abort: threading.Event | None = None, **how: str | None
    ) -> None:
        """End an execution once. `abort` belongs to the run that reports, which may be an old one."""
        with self._regions.lock:
            if execution.status != "RUNNING" or abort not in (None, execution.abort):
                return
            execution.status, execution.stopped = status, self._cloud.clock.utcnow()
            execution.output, execution.error, execution.cause = how.get("output"), how.get("error"), how.get("cause")
        if status != "SUCCEEDED":
            self.distributor.abort_of(execution)
        kind = {"SUCCEEDED": "Succeeded", "FAILED": "Failed", "ABORTED": "Aborted", "TIMED_OUT": "TimedOut"}[status]
        execution.history.add(f"Execution{kind}", execution.stopped, len(execution.history), **how)
        self._publish(execution)
        with self._changed:
            self.ended += 1
            self._changed.notify_all()

    def _publish(self, execution: MachineExecution) -> None:
        if ":express:" in execution.arn:
            return  # express executions have no events
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
            self.end(execution, "TIMED_OUT", error="States.Timeout", cause=None)
            execution.abort.set()
