"""One invocation from a qualifier to an outcome: routing, throttling, running, logs, metrics.

Everybody comes through here: the Invoke action, function URLs, queues, schedules, Moto's services.
"""

from __future__ import annotations

import itertools
import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from localcloud.launchers.interface import ImageCode, Launcher, LaunchError, SandboxSpec, ZipCode
from localcloud.launchers.process import ProcessLauncher
from localcloud.launchers.runtime_api import InvocationOutcome
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_ import role_permissions
from localcloud.services.lambda_.execution.environments import ExecutionEnvironment, InvocationWork
from localcloud.services.lambda_.execution.images import ImageReader
from localcloud.services.lambda_.execution.logs import Journal, LogWriter
from localcloud.services.lambda_.execution.pool import IDLE_SECONDS, MOST_IDLE, Pool
from localcloud.services.lambda_.execution.streams import ResponseStream
from localcloud.services.lambda_.missing import no_function
from localcloud.services.lambda_.model import LATEST, Function, FunctionKey, Revision, conflict
from localcloud.services.lambda_.service import LambdaService

ACCOUNT_CONCURRENCY = 1000
CREDENTIALS_SECONDS = 43_200.0
LAUNCHER = "STEPLADDER_LAUNCHER"  # auto (the default), process or container


@dataclass(frozen=True)
class Invoked:
    """What an invocation gave. `tail` is the end of its log."""

    outcome: InvocationOutcome
    version: str
    request_id: str
    tail: bytes


@dataclass(frozen=True)
class _Target:
    key: FunctionKey
    qualifier: str
    revision: Revision
    reserved: int | None
    provisioned: int = 0
    """How many of its environments are kept ready."""


class Invoker:
    """Runs invocations."""

    def __init__(self, service: LambdaService) -> None:
        self.service = service
        self.cloud = service.cloud
        self.pool = Pool(
            float(os.environ.get("STEPLADDER_LAMBDA_IDLE_SECONDS", IDLE_SECONDS)),
            int(os.environ.get("STEPLADDER_LAMBDA_MOST_IDLE", MOST_IDLE)),
        )
        self.logs = LogWriter(service.cloud)
        self.random = random.Random()  # noqa: S311 - weights, not secrets
        self._running: Counter[FunctionKey] = Counter()
        self._running_lock = threading.Lock()
        self._number = itertools.count(1)
        self._registry = ImageReader(service.cloud)
        self._process = ProcessLauncher(service.folder, self._registry)
        self._container: Launcher | None = None
        self._container_tried = False
        self._launcher_lock = threading.Lock()
        self._ahead = ThreadPoolExecutor(2, thread_name_prefix="lambda-ahead")
        service.retire = self.pool.retire
        service.prepare = self.prepare
        service.unsupported = self.unsupported

    def invoke(
        self,
        key: FunctionKey,
        qualifier: str,
        payload: bytes,
        *,
        client_context: str = "",
        trace_id: str = "",
        request_id: str = "",
        stream: ResponseStream | None = None,
    ) -> Invoked:
        """Run one invocation and wait for it. Raises what the Invoke action does: not found, not ready, throttled."""
        target = self.target(key, qualifier)
        request_id = request_id or str(uuid4())
        self._enter(target)
        try:
            arn = f"{key.arn}:{qualifier}" if qualifier else key.arn
            sampled = int(target.revision.settings["TracingConfig"]["Mode"] == "Active")
            root = f"Root=1-{int(time.time()):08x}-{uuid4().hex[:24]}"
            trace_id = trace_id or f"{root};Parent={uuid4().hex[:16]};Sampled={sampled}"
            work = InvocationWork(request_id, payload or b"{}", arn, trace_id, client_context, stream)
            report = self.pool.run(target.revision.uid, lambda: self._environment(target), work)
        finally:
            with self._running_lock:
                self._running[key] -= 1
        self._measure(target, report.duration, failed=bool(report.outcome.error))
        return Invoked(report.outcome, target.revision.version, request_id, report.tail)

    def prepare(self, function: Function, revision: Revision) -> None:
        """Unpack new code in the background, as Lambda does while a function is Pending or InProgress."""
        self._ahead.submit(self._process.prepare, self._probe(function, revision))

    def unsupported(self, function: Function, revision: Revision) -> str:
        """Say why an image can't start on this machine, so that its update fails and no invocation has to.

        Only where nothing but the process launcher could run it: an engine may still come.
        """
        probe = self._probe(function, revision)
        try:
            return "" if self._process.refusal(probe) else self._process.lacks(probe)
        except LaunchError:
            return ""  # what else is wrong is reported by the start, as on AWS

    def _probe(self, function: Function, revision: Revision) -> SandboxSpec:
        return SandboxSpec(function.key.name, self._code(revision), revision.settings["Architectures"][0], 0, {})

    def target(self, key: FunctionKey, qualifier: str) -> _Target:
        """Choose the revision that an invocation runs: an alias with weights draws lots."""
        with self.service.store.lock:
            if key not in self.service.store.functions:
                raise no_function("Invoke", key, qualifier, {})
            function = self.service.store.get(key)
            self.service.settle(function)
            revision = self._route(function, qualifier)
            if revision.state in ("Pending", "Failed"):
                raise conflict(
                    "The operation cannot be performed at this time. "
                    f"The function is currently in the following state: {revision.state}"
                )
            ready = function.kept_ready(revision.version)
            return _Target(key, qualifier, revision, function.reserved, ready)

    def _route(self, function: Function, qualifier: str) -> Revision:
        if qualifier in ("", LATEST):
            return function.serving
        alias = function.aliases.get(qualifier)
        if alias is None:
            return function.revision(qualifier)
        for version, weight in alias.weights.items():
            if self.random.random() < weight:
                return function.revision(version)
        return function.revision(alias.version)

    def _enter(self, target: _Target) -> None:
        """Count the invocation, or refuse it with 429 as Lambda does."""
        with self._running_lock:
            if target.reserved is not None and self._running[target.key] >= target.reserved:
                reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
            elif self._running.total() >= ACCOUNT_CONCURRENCY:
                reason = "ConcurrentInvocationLimitExceeded"
            else:
                self._running[target.key] += 1
                return
        self._put(target, "Throttles", 1, "Count")
        raise ServiceError("TooManyRequestsException", "Rate Exceeded.", 429, Reason=reason, Type="User")

    def _measure(self, target: _Target, duration: float, *, failed: bool) -> None:
        self._put(target, "Invocations", 1, "Count")
        self._put(target, "Errors", int(failed), "Count")
        self._put(target, "Duration", duration, "Milliseconds")
        self._put(target, "Throttles", 0, "Count")

    def _put(self, target: _Target, name: str, value: float, unit: str) -> None:
        """Write a metric under each of Lambda's sets of dimensions.

        https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
        """
        key = target.key
        own = {"FunctionName": key.name}
        resource = {**own, "Resource": f"{key.name}:{target.qualifier}" if target.qualifier else key.name}
        sets: list[dict[str, str]] = [{}, own, resource]
        if target.qualifier and target.qualifier != target.revision.version:
            sets.append({**resource, "ExecutedVersion": target.revision.version})
        for dimensions in sets:
            self.cloud.metrics.put(
                "AWS/Lambda", name, dimensions, value, unit, None, account=key.account, region=key.region
            )

    def _environment(self, target: _Target) -> ExecutionEnvironment:
        key, revision = target.key, target.revision
        settings = revision.settings
        journal = Journal.open(self.logs, key, revision.version, settings["LoggingConfig"], str(settings["Role"]))
        code = self._code(revision)
        architecture = settings["Architectures"][0]
        name = f"stepladder-{os.getpid()}-{next(self._number)}-{key.name}"[:63].rstrip("-_")

        def spec(address: str) -> SandboxSpec:
            variables = self._variables(key, revision, journal, address)
            if environment.kept_ready:
                variables["AWS_LAMBDA_INITIALIZATION_TYPE"] = "provisioned-concurrency"
            storage = int(settings["EphemeralStorage"]["Size"])
            return SandboxSpec(name, code, architecture, int(settings["MemorySize"]), variables, storage)

        timeout = int(settings["Timeout"])
        environment = ExecutionEnvironment(self.launcher, spec, journal, timeout, target.provisioned)
        return environment

    def _code(self, revision: Revision) -> ImageCode | ZipCode:
        code, settings = revision.code, revision.settings
        if code.digest:
            config = settings.get("ImageConfig", {})
            return ImageCode(
                repository=code.repository,
                digest=code.digest,
                registry=urlsplit(self.cloud.url).netloc,
                entry_point=tuple(config.get("EntryPoint", ())),
                command=tuple(config.get("Command", ())),
                working_directory=config.get("WorkingDirectory", ""),
            )
        path = Path(self.service.code.folder) / code.zip_path
        return ZipCode(path, path.stem, settings["Runtime"], settings["Handler"])

    def _variables(self, key: FunctionKey, revision: Revision, journal: Journal, address: str) -> dict[str, str]:
        """Return the environment variables.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
        """
        settings, logging = revision.settings, revision.settings["LoggingConfig"]
        variables = {
            **settings.get("Environment", {}).get("Variables", {}),
            **(self._credentials(key, str(settings["Role"])) if address else {}),
            "AWS_DEFAULT_REGION": key.region,
            "AWS_REGION": key.region,
            "AWS_ENDPOINT_URL": self.cloud.url,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings["MemorySize"]),
            "AWS_LAMBDA_FUNCTION_NAME": key.name,
            "AWS_LAMBDA_FUNCTION_VERSION": revision.version,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": logging["LogFormat"],
            "AWS_LAMBDA_LOG_GROUP_NAME": logging["LogGroup"],
            "AWS_LAMBDA_LOG_STREAM_NAME": journal.stream.name,
            "AWS_LAMBDA_RUNTIME_API": address,
        }
        if journal.json:
            variables["AWS_LAMBDA_LOG_LEVEL"] = logging["ApplicationLogLevel"]
        return variables

    def _credentials(self, key: FunctionKey, role: str) -> dict[str, str]:
        """Return credentials of the function's role. An environment ends before they do."""
        context = {role_permissions.OF_FUNCTIONS: (key.arn,)}
        issued = self.cloud.access.keys.issue(
            role, key.account, seconds=CREDENTIALS_SECONDS, session_name=key.name, context=context
        )
        return {
            "AWS_ACCESS_KEY_ID": issued.key_id,
            "AWS_SECRET_ACCESS_KEY": issued.secret,
            "AWS_SESSION_TOKEN": issued.token,
        }

    def launcher(self, spec: SandboxSpec) -> Launcher:
        """Choose what can run the code. Raises `LaunchError` with the reason when nothing can."""
        choice = os.environ.get(LAUNCHER, "auto")
        refusal = self._process.refusal(spec) if choice != "container" else f"{LAUNCHER} is container"
        if not refusal:
            return self._process
        container = self._containers() if choice != "process" else None
        if container is None:
            raise LaunchError("Runtime.InvalidEntrypoint", f"{refusal} (no Docker engine answers)")
        if refused := container.refusal(spec):
            if choice == "container" and not self._process.refusal(spec):
                return self._process  # a zip, or an image on host-python: no container can
            raise LaunchError("Runtime.InvalidEntrypoint", refused)
        return container

    def _containers(self) -> Launcher | None:
        with self._launcher_lock:
            if not self._container_tried:
                from localcloud.launchers import container

                if container.engine_answers():
                    self._container = container.ContainerLauncher(self._registry.login)
                self._container_tried = self._container is not None
            return self._container

    def close(self) -> None:
        """End every environment."""
        self._ahead.shutdown(wait=False, cancel_futures=True)
        self.pool.close()
        self._process.close()
        if self._container is not None:
            self._container.close()
        self.logs.flush(2)
