"""Interpret a state machine: one thread for an execution, more for the branches of Parallel and Map.

Every branch notes where it is (`checkpoints`), so that RedriveExecution goes on from the state that failed, inside Maps
too, without repeating what succeeded.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from localcloud.clock import CloudClock
from localcloud.services.stepfunctions.asl import choice, intrinsics
from localcloud.services.stepfunctions.asl.distributed import Distributor, NoDistributor, is_distributed, settings_of
from localcloud.services.stepfunctions.asl.errors import Aborted, StateError, runtime_error
from localcloud.services.stepfunctions.asl.fail_and_wait import failure, wait_seconds
from localcloud.services.stepfunctions.asl.history import LIMIT, History
from localcloud.services.stepfunctions.asl.parallel import run_parallel
from localcloud.services.stepfunctions.asl.paths import Scope, put, template
from localcloud.services.stepfunctions.asl.states import (
    NO_TIMEOUT,
    Branch,
    Checkpoint,
    Task,
    Where,
    check_size,
    delay,
    matching,
    new_token,
    quantity,
    select,
    stamp,
)

MAP_THREADS = 40


class TaskRunner(Protocol):
    """What carries out the Task states."""

    def run(self, run: Interpreter, task: Task) -> Any:
        """Carry out a task and return its result. `StateError` when it fails, `Aborted` when it must stop."""


class Interpreter:
    """Interpret one execution. `checkpoints` may come from an earlier, failed run."""

    def __init__(
        self,
        clock: CloudClock,
        history: History,
        tasks: TaskRunner,
        context: dict[str, Any],
        checkpoints: dict[Where, Checkpoint],
        distributor: Distributor | None = None,
    ) -> None:
        self.clock = clock
        self.history = history
        self.tasks = tasks
        self.context = context
        self.checkpoints = checkpoints
        self.distributor: Distributor = distributor or NoDistributor()

    def machine(self, definition: Mapping[str, Any], data: Any, abort: threading.Event) -> Any:
        """Run a whole machine on its input and return its output."""
        branch = Branch((), definition, copy.deepcopy(self.context), {}, abort)
        return self._branch(branch, data)

    def note(self, kind: str, previous: int, **details: Any) -> int:
        """Add an event to the history. At the limit the execution fails, as on AWS."""
        if len(self.history) >= LIMIT:
            raise StateError("States.Runtime", f"The execution reached the maximum number of history events ({LIMIT}).")
        return self.history.add(kind, self.clock.utcnow(), previous, **details)

    # -- a chain of states

    def _branch(self, branch: Branch, data: Any) -> Any:
        name: str | None = branch.machine["StartAt"]
        known = self.checkpoints.get(branch.where)
        if known:
            if known.done:
                return known.data
            name, data, branch.variables = known.state, known.data, known.variables
        while name is not None:
            if branch.abort.is_set():
                raise Aborted
            self.checkpoints[branch.where] = Checkpoint(name, data, dict(branch.variables))
            name, data = self._state(branch, name, data)
        self.checkpoints[branch.where] = Checkpoint("", data, done=True)
        return data

    def _state(self, branch: Branch, name: str, data: Any) -> tuple[str | None, Any]:
        """Run one state. Return the next one's name (None at the end) and its input."""
        state = branch.machine["States"][name]
        kind = state["Type"]
        entered = self.clock.utcnow()
        context = {**branch.context, "State": {"Name": name, "EnteredTime": stamp(entered)}}
        if kind in ("Task", "Parallel", "Map"):  # recorded on AWS: a state that retries nothing has no count
            context["State"]["RetryCount"] = 0
        branch.previous = self.note(f"{kind}StateEntered", branch.previous, name=name, input=data)
        scope = Scope(data, context, branch.variables)
        try:
            following, output = self._with_retries(branch, name, state, scope)
        except StateError as error:
            following, output = self._caught(branch, state, scope, error)
        self._forget(branch.where, name)
        if kind != "Fail":
            branch.previous = self.note(f"{kind}StateExited", branch.previous, name=name, output=output)
        return following, output

    def _forget(self, where: Where, name: str) -> None:
        """Drop what was noted inside a state that is left: it may be entered again, afresh."""
        inside = (*where, name)
        for key in [k for k in list(self.checkpoints) if k[: len(inside)] == inside]:
            del self.checkpoints[key]

    def _with_retries(
        self, branch: Branch, name: str, state: Mapping[str, Any], scope: Scope
    ) -> tuple[str | None, Any]:
        used: dict[int, int] = {}
        while True:
            try:
                return self._once(branch, name, state, scope)
            except StateError as error:
                number = matching(state.get("Retry"), error)
                retrier = state["Retry"][number] if number is not None else {}
                tries = used.get(number or 0, 0)
                if number is None or tries >= retrier.get("MaxAttempts", 3):
                    raise
                used[number] = tries + 1
                self._sleep(delay(retrier, tries), branch.abort)
                self._forget(branch.where, name)
                scope.context["State"]["RetryCount"] += 1

    def _caught(
        self, branch: Branch, state: Mapping[str, Any], scope: Scope, error: StateError
    ) -> tuple[str | None, Any]:
        number = matching(state.get("Catch"), error)
        if number is None:
            raise error
        catcher = state["Catch"][number]
        result = {"Error": error.error, "Cause": error.cause}
        self._assign(branch, catcher, scope.with_data(result))
        return catcher["Next"], put(scope.data, catcher.get("ResultPath", "$"), result)

    def _sleep(self, seconds: float, abort: threading.Event) -> None:
        if not self.clock.sleep(seconds, cancel=abort):
            raise Aborted

    # -- one state

    def _once(self, branch: Branch, name: str, state: Mapping[str, Any], scope: Scope) -> tuple[str | None, Any]:
        selected = select(state.get("InputPath", "$"), scope)
        inner = scope.with_data(selected)
        kind = state["Type"]
        if kind == "Choice":
            return self._choose(branch, state, inner)
        if kind == "Fail":
            raise failure(state, inner)
        if kind in ("Task", "Pass", "Parallel", "Map"):
            result = getattr(self, f"_{kind.lower()}")(branch, name, state, inner)
            if "ResultSelector" in state:
                result = template(state["ResultSelector"], inner.with_data(result), intrinsics.evaluate)
            self._assign(branch, state, inner.with_data(result))
            output = put(scope.data, state.get("ResultPath", "$"), result)
        else:
            if kind == "Wait":
                self._wait(branch, state, inner)
            self._assign(branch, state, inner)
            output = selected
        output = select(state.get("OutputPath", "$"), inner.with_data(output))
        check_size(output, name)
        return state.get("Next"), output

    @staticmethod
    def _assign(branch: Branch, holder: Mapping[str, Any], scope: Scope) -> None:
        if "Assign" in holder:
            branch.variables |= template(holder["Assign"], scope, intrinsics.evaluate)

    def _choose(self, branch: Branch, state: Mapping[str, Any], scope: Scope) -> tuple[str, Any]:
        output = select(state.get("OutputPath", "$"), scope)
        for rule in state["Choices"]:
            if choice.is_met(rule, scope):
                self._assign(branch, rule, scope)
                return rule["Next"], output
        if "Default" not in state:
            raise StateError("States.NoChoiceMatched", "No choice rule matched, and there is no Default")
        self._assign(branch, state, scope)
        return state["Default"], output

    def _pass(self, _branch: Branch, _name: str, state: Mapping[str, Any], scope: Scope) -> Any:
        if "Result" in state:
            return copy.deepcopy(state["Result"])
        return self._parameters(state, scope)

    @staticmethod
    def _parameters(state: Mapping[str, Any], scope: Scope, key: str = "Parameters") -> Any:
        return template(state[key], scope, intrinsics.evaluate) if key in state else scope.data

    def _wait(self, branch: Branch, state: Mapping[str, Any], scope: Scope) -> None:
        self._sleep(wait_seconds(state, scope, self.clock.now()), branch.abort)

    def _task(self, branch: Branch, name: str, state: Mapping[str, Any], scope: Scope) -> Any:
        context = {**scope.context}
        if ".waitForTaskToken" in state["Resource"]:
            context["Task"] = {"Token": new_token()}
        inner = Scope(scope.data, context, scope.variables)
        heartbeat = quantity(state, "HeartbeatSeconds", inner)
        task = Task(
            name=name,
            resource=state["Resource"],
            parameters=self._parameters(state, inner),
            timeout=quantity(state, "TimeoutSeconds", inner) or NO_TIMEOUT,
            heartbeat=heartbeat,
            context=context,
            previous=branch.previous,
            abort=branch.abort,
        )
        try:
            return self.tasks.run(self, task)
        finally:
            branch.previous = task.previous

    def _parallel(self, branch: Branch, name: str, state: Mapping[str, Any], scope: Scope) -> list[Any]:
        data = self._parameters(state, scope)
        branch.previous = self.note("ParallelStateStarted", branch.previous)
        jobs: list[Callable[[threading.Event], Any]] = []
        for number, machine in enumerate(state["Branches"]):
            jobs.append(
                self._job(branch, (*branch.where, name, number), machine, copy.deepcopy(data), dict(scope.context))
            )
        try:
            results = run_parallel(jobs, len(jobs), branch.abort)
        except StateError as error:
            branch.previous = self.note("ParallelStateFailed", branch.previous, **error.details)
            raise
        branch.previous = self.note("ParallelStateSucceeded", branch.previous)
        return results

    def _map(self, branch: Branch, name: str, state: Mapping[str, Any], scope: Scope) -> list[Any]:
        items = scope.get(state["ItemsPath"]) if "ItemsPath" in state else scope.data
        if not isinstance(items, list):
            raise runtime_error(f'Reference path "{state.get("ItemsPath", "$")}" must point to array.')
        machine = state.get("ItemProcessor") or state["Iterator"]
        selector = "ItemSelector" if "ItemSelector" in state else "Parameters"
        branch.previous = self.note("MapStateStarted", branch.previous, length=len(items))
        inputs = []
        for number, item in enumerate(items):
            context = {**scope.context, "Map": {"Item": {"Index": number, "Value": item}}}
            inner = Scope(scope.data, context, scope.variables)
            inputs.append((self._parameters(state, inner, selector) if selector in state else item, context))
        try:
            if is_distributed(state):
                settings = settings_of(name, state, scope, [data for data, _ in inputs])
                results = self.distributor.distribute(self, branch, settings)
            else:
                jobs = [self._iteration(branch, name, n, machine, *each) for n, each in enumerate(inputs)]
                concurrency = int(quantity(state, "MaxConcurrency", scope) or MAP_THREADS)
                results = run_parallel(jobs, min(concurrency, MAP_THREADS), branch.abort)
        except StateError as error:
            branch.previous = self.note("MapStateFailed", branch.previous, **error.details)
            raise
        branch.previous = self.note("MapStateSucceeded", branch.previous)
        return results

    def _iteration(
        self, branch: Branch, name: str, number: int, machine: Mapping[str, Any], data: Any, context: dict[str, Any]
    ) -> Callable[[threading.Event], Any]:
        run = self._job(branch, (*branch.where, name, number), machine, data, context)

        def iterate(abort: threading.Event) -> Any:
            begun = self.note("MapIterationStarted", branch.previous, name=name, index=number)
            try:
                result = run(abort, begun)
            except Aborted:
                self.note("MapIterationAborted", begun, name=name, index=number)
                raise
            except StateError:
                self.note("MapIterationFailed", begun, name=name, index=number)
                raise
            self.note("MapIterationSucceeded", begun, name=name, index=number)
            return result

        return iterate

    def _job(
        self, parent: Branch, where: Where, machine: Mapping[str, Any], data: Any, context: dict[str, Any]
    ) -> Callable[..., Any]:
        def run(abort: threading.Event, begun: int = 0) -> Any:
            previous = begun or parent.previous  # the first state of an iteration follows its MapIterationStarted
            inner = Branch(where, machine, context, dict(parent.variables), abort, previous)
            return self._branch(inner, data)

        return run
