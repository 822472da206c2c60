"""Execution environments: one sandbox each, one invocation at a time, reused while warm.

The life of one is AWS's (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html): init, any
number of invocations, shutdown. A timeout, a crash or a failed init ends it. So does a change of its function's code or
configuration, and idleness.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from uuid import uuid4

from localcloud.launchers.interface import Ended, Launcher, LaunchError, Sandbox, SandboxSpec
from localcloud.launchers.runtime_api import TOO_LARGE, Invocation, InvocationOutcome, RuntimeApi
from localcloud.services.lambda_.execution.logs import Journal, iso
from localcloud.services.lambda_.execution.streams import ResponseStream

LONGEST_SECONDS = 14_400.0
INIT_SECONDS = 10.0  # AWS's limit of the init phase; a slower one goes on at the invocation's expense


@dataclass(frozen=True)
class InvocationWork:
    """An invocation that still has no environment."""

    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str
    client_context: str = ""
    stream: ResponseStream | None = None
    """Takes the response while it is written; without one it is kept until it is whole."""


@dataclass(frozen=True)
class InvocationReport:
    """How an invocation went: times in milliseconds, `init` None when the environment was warm. The log's last 4 KB."""

    outcome: InvocationOutcome
    duration: float
    init: float | None
    tail: bytes


class NotDelivered(Exception):  # noqa: N818 - an answer, not an error
    """A warm runtime ended before it took the invocation: another environment can have it."""


class ExecutionEnvironment:
    """One execution environment. Not started before its first invocation.

    `spec` makes the sandbox's specification for a Runtime API's address. `choose` finds the launcher for it.
    `provisioned` is how many environments of its revision are kept ready; the pool decides whether it is one of them.
    """

    def __init__(
        self,
        choose: Callable[[SandboxSpec], Launcher],
        spec: Callable[[str], SandboxSpec],
        journal: Journal,
        timeout: int,
        provisioned: int = 0,
    ) -> None:
        self.provisioned = provisioned
        self.uid = ""
        self.kept_ready = False
        self.dead = False
        self.busy = False
        self.idle_since = 0.0
        self._made = time.monotonic()
        self._choose = choose
        self._spec = spec
        self._journal = journal
        self._timeout = timeout
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._sandbox: Sandbox | None = None
        self._api: RuntimeApi | None = None
        self._memory = 0
        self._used = 0
        self._ready = False
        self._delivered = ""
        self._work: InvocationWork | None = None
        self._muted = False
        self._cheap = False  # to ask how much memory is used

    @property
    def is_old(self) -> bool:
        """Say whether it is to end, as Lambda ends each every few hours: its credentials don't last for ever."""
        return time.monotonic() - self._made > LONGEST_SECONDS

    def run(self, work: InvocationWork) -> InvocationReport:
        """Run one invocation to its end, whatever that is."""
        init = None
        failed: InvocationOutcome | None = None
        if self._sandbox is None:
            started = time.monotonic()
            failed = self._start(work)
            init = (time.monotonic() - started) * 1000
        began = time.monotonic()
        if failed:
            self._journal.start(work.request_id)
        outcome = failed or self._invoke(work)
        duration = (time.monotonic() - began) * 1000
        sandbox = self._sandbox
        if sandbox is not None:
            sandbox.drain()
            if self._cheap or not self._used:
                self._used = max(self._used, sandbox.memory_mb())
        # what the function itself raised is an outcome like any other to the platform
        own = outcome.error_type if self.dead else ""
        self._journal.report(
            work.request_id, duration=duration, init=init, memory=self._memory, used=self._used, error=own
        )
        if self.dead:
            self.kill()
        return InvocationReport(outcome, duration, init, self._journal.tail())

    def start(self) -> InvocationOutcome | None:
        """Start the sandbox ahead of its first invocation; return why it could not be."""
        failed = self._start(InvocationWork(str(uuid4()), b"", "", ""))
        if failed and self._sandbox is not None:
            self._sandbox.drain()
        return failed

    def kill(self) -> None:
        """End the sandbox and its Runtime API."""
        self.dead = self._muted = True
        if self._sandbox is not None:
            self._sandbox.kill()
        if self._api is not None:
            self._api.close()

    def enforce_memory(self) -> None:
        """Enforce the memory limit, by looking: Linux would kill the sandbox of AWS at once."""
        sandbox = self._sandbox
        if sandbox is None or self.dead:
            return
        self._used = max(self._used, sandbox.memory_mb())
        if self._memory and self._used > self._memory:
            sandbox.kill()

    def _start(self, work: InvocationWork) -> InvocationOutcome | None:
        probe = self._spec("")
        self._memory = probe.memory_mb
        try:
            launcher = self._choose(probe)
            self._cheap = launcher.name == "process"
            self._api = RuntimeApi(
                on_ready=self._on_ready,
                on_delivered=self._on_delivered,
                on_init_error=lambda outcome: self._events.put(("init_error", outcome)),
                on_outcome=lambda request_id, outcome: self._events.put(("outcome", (request_id, outcome))),
                on_stream=self._on_stream,
                host=launcher.host,
            )
            spec = self._spec(self._api.address)
            self._sandbox = launcher.start(spec, on_line=self._on_line, on_end=self._on_end)
        except LaunchError as error:
            self.dead = True
            message = f"RequestId: {work.request_id} Error: {error}"
            self._journal.line(f"{message}\t{error.error_type}")
            return InvocationOutcome.failed(error.error_type, message)
        limit = INIT_SECONDS + self._timeout
        kind, value = self._event(limit)
        if kind == "ready":
            return None
        self.dead = True
        if kind == "init_error":
            return cast(InvocationOutcome, value)
        return self._failure(work, kind, value, limit)

    def _invoke(self, work: InvocationWork) -> InvocationOutcome:
        assert self._api is not None  # noqa: S101 - started
        deadline = time.monotonic() + self._timeout
        self._work = work
        self._api.offer(
            Invocation(
                work.request_id,
                work.payload,
                work.function_arn,
                int((time.time() + self._timeout) * 1000),
                work.trace_id,
                work.client_context,
            )
        )
        while True:
            kind, value = self._event(max(0.0, deadline - time.monotonic()))
            if kind == "outcome" and value[0] == work.request_id:
                outcome = cast(InvocationOutcome, value[1])
                self.dead = outcome.error_type == TOO_LARGE  # the runtime doesn't survive that answer
                return outcome
            if kind in ("ended", "timeout"):
                self.dead = True
                if kind == "ended" and self._delivered and self._delivered != work.request_id:
                    raise NotDelivered
                return self._failure(work, kind, value, self._timeout)

    def _failure(self, work: InvocationWork, kind: str, ended: Ended | None, limit: float) -> InvocationOutcome:
        if kind == "timeout":
            message = f"Task timed out after {limit:.2f} seconds"
            if self._sandbox is not None:
                self._sandbox.drain()
            self._journal.line(f"{iso()} {work.request_id} {message}")
            return InvocationOutcome.failed("Sandbox.Timedout", f"RequestId: {work.request_id} Error: {message}")
        assert ended is not None  # noqa: S101 - the only other kind
        message = f"RequestId: {work.request_id} Error: {ended.describe()}"
        self._journal.line(f"{message}\nRuntime.ExitError")
        return InvocationOutcome.failed("Runtime.ExitError", message)

    def _event(self, timeout: float) -> tuple[str, Any]:
        try:
            return self._events.get(timeout=timeout)
        except queue.Empty:
            return "timeout", None

    def _on_ready(self) -> None:
        if not self._ready:
            self._ready = True
            self._events.put(("ready", None))

    def _on_delivered(self, request_id: str) -> None:
        self._delivered = request_id
        self._journal.start(request_id)

    def _on_stream(self, request_id: str, content_type: str) -> Callable[[bytes], None] | None:
        work = self._work
        stream = work.stream if work and work.request_id == request_id else None
        return stream.begin(content_type) if stream else None

    def _on_line(self, text: str) -> None:
        if not self._muted:
            self._journal.line(text)

    def _on_end(self, ended: Ended) -> None:
        if not self.busy:
            self.dead = True
        self._events.put(("ended", ended))
