"""Run the child executions of distributed Maps: as many at once as the state allows, until too many have failed."""

from __future__ import annotations

import json
import uuid
from typing import Any

from localcloud.callers import ServiceCaller
from localcloud.cloud import Cloud
from localcloud.scoped_store import ScopedStore
from localcloud.services.stepfunctions.asl.distributed import UNLIMITED, MapSettings, exceeds
from localcloud.services.stepfunctions.asl.errors import Aborted, StateError
from localcloud.services.stepfunctions.asl.interpreter import Interpreter
from localcloud.services.stepfunctions.asl.states import Branch, Checkpoint, check_size
from localcloud.services.stepfunctions.map_runs import MapRun
from localcloud.services.stepfunctions.model import MachineExecution
from localcloud.services.stepfunctions.runner import ExecutionRunner
from localcloud.services.stepfunctions.store import MachineStore

EXPRESS_SECONDS = 300.0
_POLL_SECONDS = 0.05
EXCEEDED = "The specified tolerated failure threshold was exceeded"


class MapDistributor:
    """Runs Map Runs. A redrive of the parent goes on with a failed one, and repeats no child that succeeded."""

    def __init__(self, cloud: Cloud, regions: ScopedStore[MachineStore], runner: ExecutionRunner) -> None:
        self._cloud = cloud
        self._regions = regions
        self._runner = runner
        runner.distributor = self

    def distribute(self, run: Interpreter, branch: Branch, settings: MapSettings) -> list[Any]:
        """Run the children of one state and return their outputs in the items' order."""
        states = self._states(str(run.context["Execution"]["Id"]))
        location = (*branch.where, settings.name)
        known = run.checkpoints.get(location)
        map_run = states.map_runs.get(str(known.data)) if known else None
        if map_run is not None and map_run.redrivable:
            self._redrive(run, branch, map_run)
        else:
            map_run = self._begin(run, states, settings)
            run.checkpoints[location] = Checkpoint(settings.name, map_run.arn)
            map_run.event = branch.previous = run.note("MapRunStarted", branch.previous, mapRunArn=map_run.arn)
        try:
            results = self._until_ended(run, branch, states, map_run)
            check_size(results, settings.name)
        except StateError as error:
            if not self._close(states, map_run, "FAILED", error.error):
                raise Aborted from None  # the parent was stopped meanwhile, and its children with it
            branch.previous = run.note("MapRunFailed", branch.previous, **error.details)
            raise
        self._close(states, map_run, "SUCCEEDED")
        branch.previous = run.note("MapRunSucceeded", branch.previous)
        return results

    def _states(self, arn: str) -> MachineStore:
        _, _, _, region, account = arn.split(":")[:5]
        return self._regions.of(account, region)

    def _begin(self, run: Interpreter, states: MachineStore, settings: MapSettings) -> MapRun:
        base = str(run.context["StateMachine"]["Id"]).partition("/")[0]
        label = settings.label or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{base}/{settings.name}"))
        name = f"{base.rpartition(':')[2]}/{label}"
        map_run = MapRun(
            arn=states.arn("mapRun", f"{name}:{uuid.uuid4()}"),
            execution=str(run.context["Execution"]["Id"]),
            machine=states.arn("stateMachine", name),
            definition=dict(settings.processor),
            inputs=[json.dumps(each.data) for each in settings.inputs],
            items=[each.items for each in settings.inputs],
            max_concurrency=settings.max_concurrency,
            tolerated_count=settings.tolerated_count,
            tolerated_percentage=settings.tolerated_percentage,
            started=self._cloud.clock.utcnow(),
            express=settings.express,
            waiting=list(range(len(settings.inputs))),
        )
        with self._regions.lock:
            states.map_runs[map_run.arn] = map_run
        return map_run

    def _redrive(self, run: Interpreter, branch: Branch, map_run: MapRun) -> None:
        executions = self._states(map_run.arn).executions
        with self._regions.lock:
            map_run.redrives += 1
            map_run.redriven = self._cloud.clock.utcnow()
            map_run.status, map_run.stopped, map_run.error = "RUNNING", None, ""
            map_run.waiting = [
                number
                for number in range(len(map_run.inputs))
                if number not in map_run.children or executions[map_run.children[number]].status != "SUCCEEDED"
            ]
        map_run.event = branch.previous = run.note(
            "MapRunRedriven", branch.previous, mapRunArn=map_run.arn, redriveCount=map_run.redrives
        )

    # -- children

    def _until_ended(self, run: Interpreter, branch: Branch, states: MachineStore, map_run: MapRun) -> list[Any]:
        role = str(run.context["Execution"]["RoleArn"])
        while True:
            seen = self._runner.ended
            if branch.abort.is_set() or map_run.status != "RUNNING":
                if self._close(states, map_run, "ABORTED"):  # a sibling failed; a parent that was stopped has done it
                    run.note("MapRunAborted", map_run.event)
                raise Aborted
            items, children = map_run.counts(states.executions)
            failed = items["failed"] + items["timedOut"] + items["aborted"]
            if exceeds(failed, sum(map_run.items), map_run.tolerated_count, map_run.tolerated_percentage):
                raise StateError("States.ExceedToleratedFailureThreshold", EXCEEDED)
            if not map_run.waiting and not children["running"]:
                return [self._result(states.executions[map_run.children[n]]) for n in range(len(map_run.inputs))]
            free = (map_run.max_concurrency or UNLIMITED) - children["running"]
            for _ in range(min(free, len(map_run.waiting))):
                self._launch(states, map_run, map_run.waiting[0], role)
                map_run.waiting.pop(0)
            self._runner.wait_for_end(seen, _POLL_SECONDS)

    def _launch(self, states: MachineStore, map_run: MapRun, number: int, role: str) -> None:
        old = states.executions.get(map_run.children.get(number, ""))
        if old is not None and not map_run.express:
            self._authorize(map_run, role, "states:RedriveExecution", old.arn)
            self._runner.redrive(old)
            return
        machine = map_run.machine.partition("/")[0]
        self._authorize(map_run, role, "states:StartExecution", machine)
        name = old.name if old else str(uuid.uuid4())
        labelled = map_run.machine.rpartition(":")[2]
        kind, name_in_arn = ("express", f"{name}:{uuid.uuid4()}") if map_run.express else ("execution", name)
        child = MachineExecution(
            arn=old.arn if old else states.arn(kind, f"{labelled}:{name_in_arn}"),
            name=name,
            machine=map_run.machine,
            definition=map_run.definition | ({"TimeoutSeconds": EXPRESS_SECONDS} if map_run.express else {}),
            role=role,
            input=map_run.inputs[number],
            started=self._cloud.clock.utcnow(),
            map_run=map_run.arn,
            items=map_run.items[number],
        )
        with self._regions.lock:
            states.executions[child.arn] = child
            map_run.children[number] = child.arn
        self._runner.start(child)

    def _authorize(self, map_run: MapRun, role: str, action: str, resource: str) -> None:
        """Refuse a child that the parent's role may not start."""
        machine = map_run.machine.partition("/")[0]
        caller = ServiceCaller("states.amazonaws.com", machine, machine.split(":")[4], role)
        if message := self._cloud.access.service_refusal(caller, action, resource):
            raise StateError("States.Permissions", message)

    @staticmethod
    def _result(child: MachineExecution) -> Any:
        """Return a child's output. A failure that is tolerated takes its location."""
        if child.output is not None:
            return json.loads(child.output)
        shown = {"Status": child.status, "Error": child.error, "Cause": child.cause}
        return {k: v for k, v in shown.items() if v is not None}

    # -- ends

    def abort_of(self, execution: MachineExecution) -> None:
        """Stop the Map Runs of an execution that has ended otherwise than well, with their children."""
        states = self._states(execution.arn)
        with self._regions.lock:
            own = [each for each in states.map_runs.values() if each.execution == execution.arn]
        for map_run in own:
            if self._close(states, map_run, "ABORTED"):
                execution.history.add("MapRunAborted", self._cloud.clock.utcnow(), map_run.event)

    def _close(self, states: MachineStore, map_run: MapRun, status: str, error: str = "") -> bool:
        """End a Map Run once, and what still runs of it. Return whether it was running."""
        with self._regions.lock:
            if map_run.status != "RUNNING":
                return False
            map_run.status, map_run.error = status, error
            map_run.stopped = self._cloud.clock.utcnow()
            running = [states.executions[arn] for arn in map_run.children.values()]
        for child in running:
            if child.status == "RUNNING":
                self._runner.stop(child)
        return True
