"""The function of the working tree, run on this machine: built by the project's builder, started by its launcher.

An image that an engine built runs in a container, one made of layers in a process of this machine. Both talk the
Runtime API to AWS's own client, as in the local cloud. `inv function.invoke --local` calls it once. `inv serve` calls
it for each request, and builds it again when files have changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from localcloud.launchers.interface import ImageCode, Launcher, SandboxSpec
from localcloud.launchers.runtime_api import InvocationOutcome
from localcloud.services.lambda_.execution.environments import ExecutionEnvironment, InvocationReport, InvocationWork
from localcloud.services.lambda_.execution.logs import Journal, Stream, Writer
from localcloud.services.lambda_.execution.pool import Pool
from localcloud.services.lambda_.model import LATEST
from stepladder.commands.debugger import Debugger
from stepladder.commands.unpacked import UnpackedImages
from stepladder.core.step import Step
from stepladder.images import pipeline
from stepladder.images.builder import Say
from stepladder.images.model import Built, LocalImage
from stepladder.settings.load import Settings

_DAY = 86_400
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_PASSED = (*_KEYS, "AWS_ENDPOINT_URL")
"""What the function gets of our own environment: the credentials that it would have from its role, if they are there.

A profile isn't followed: what it opens may be more than a try needs.
"""


def passed() -> Mapping[str, str]:
    """Return what the function gets of our own environment."""
    return {name: os.environ[name] for name in _PASSED if name in os.environ}


@dataclass(frozen=True)
class LocalOptions:
    """How it runs. `variables` are the function's own. Text is how its log lines leave unless `json_log`.

    `credentials` returns what it reaches AWS with, asked each time that a process of it starts.

    With a `debug_port` there is one execution environment, which listens there for a debugger. No time is limited then.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    credentials: Callable[[], Mapping[str, str]] = passed
    json_log: bool = False
    debug_port: int = 0


class LocalFunction:
    """The function as an environment's settings configure it. `build` it before it is called."""

    def __init__(
        self, settings: Settings, environment: str, options: LocalOptions, writer: Writer, scratch: Path
    ) -> None:
        self._settings, self._environment, self._options = settings, environment, options
        self._writer, self._scratch = writer, scratch
        self._images = _Images(scratch)
        self._debugger = Debugger(options.debug_port, settings.root / settings.image.context, scratch)
        self._unpacked = UnpackedImages(scratch)
        self._image: LocalImage | None = None
        self._launchers: dict[str, Launcher] = {}
        self._pool = Pool(idle_seconds=float("inf"))  # it is alone here
        self._current: tuple[str, Launcher, ImageCode] | None = None

    def build(self, step: Step, say: Say) -> Built:
        """Build the image, and have later calls run it. Calls under way end with the one before. Raises as builders."""
        image = pipeline.build_only(self._settings, step, say=say, to_run=True)
        identity = image.digest if isinstance(image, LocalImage) else image.id
        handler = self._settings.environment(self._environment).function.handler
        code = ImageCode(repository="", digest=identity, registry="", command=(handler,) if handler else ())
        before = self._current
        if before and before[2] == code:  # saved as it was
            return image
        self._current = (uuid4().hex, self._launcher(image), code)
        if before:
            self._pool.retire(before[0])
        if self._options.debug_port:
            self._debugger.link_sources(self._current[1], self._spec(code, {}))
        return image

    def run(self, payload: bytes, request_id: str = "", client_context: str = "") -> InvocationReport:
        """Call it once. Runs beside other calls in an execution environment of its own, as in Lambda."""
        if self._current is None:
            raise RuntimeError("build the function before it is called")
        revision, launcher, code = self._current
        names = self._settings.names(self._environment)
        trace = f"Root=1-{int(time.time()):08x}-{uuid4().hex[:24]};Parent={uuid4().hex[:16]};Sampled=0"
        work = InvocationWork(request_id or str(uuid4()), payload, names.function_arn, trace, client_context)
        with self._debugger.alone():
            return self._pool.run(revision, lambda: self._execution_environment(launcher, code), work)

    @property
    def revision(self) -> str:
        """What distinguishes the code that is run from any before; empty before the first build."""
        return self._current[0] if self._current else ""

    def warm(self) -> InvocationOutcome | None:
        """Start an execution environment ahead of the next call; return why its code can't be loaded."""
        if self._current is None:
            raise RuntimeError("build the function before it is started")
        revision, launcher, code = self._current
        with self._debugger.alone():
            failed = self._pool.warm(revision, self._execution_environment(launcher, code))
        if self._image:
            self._unpacked.keep_compiled(self._image)
        return failed

    def close(self) -> None:
        """End all that was started."""
        self._pool.close()
        for launcher in self._launchers.values():
            launcher.close()

    def _execution_environment(self, launcher: Launcher, code: ImageCode) -> ExecutionEnvironment:
        names, function = (
            self._settings.names(self._environment),
            self._settings.environment(self._environment).function,
        )
        stream = Stream(names.account, names.region, names.log_group, f"local/{uuid4().hex}")
        journal = Journal(self._writer, stream, json=self._options.json_log, version=LATEST)

        def spec(address: str) -> SandboxSpec:
            return self._spec(code, self._variables(stream, address) if address else {})

        timeout = _DAY if self._options.debug_port else function.timeout_seconds
        return ExecutionEnvironment(lambda _spec: launcher, spec, journal, timeout)

    def _spec(self, code: ImageCode, variables: Mapping[str, str]) -> SandboxSpec:
        """Return the sandbox's specification. A debugger needs memory of its own, so that none is limited then."""
        memory = 0 if self._options.debug_port else self._settings.environment(self._environment).function.memory_mb
        given = {**self._options.variables, **variables, **self._debugger.variables()}
        name = f"stepladder-{os.getpid()}-{uuid4().hex[:8]}"
        storage = self._settings.environment(self._environment).function.ephemeral_storage_mb
        return SandboxSpec(name, code, self._settings.architecture, memory, given, storage)

    def _launcher(self, image: Built) -> Launcher:
        """Return what runs an image: one for each way, for as long as the function is there."""
        launcher: Launcher
        if isinstance(image, LocalImage):
            from localcloud.launchers.process import ProcessLauncher

            self._images.add(image)
            self._unpacked.make(image)
            self._image = image
            return self._launchers.setdefault("process", ProcessLauncher(self._scratch, self._images))
        self._debugger.refuse_container()
        from localcloud.launchers.container import ContainerLauncher

        launcher = self._launchers.get("container") or ContainerLauncher(login=lambda _code: {})
        return self._launchers.setdefault("container", launcher)

    def _variables(self, stream: Stream, address: str) -> Mapping[str, str]:
        """Return what Lambda sets.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
        """
        names, function = (
            self._settings.names(self._environment),
            self._settings.environment(self._environment).function,
        )
        level = {"AWS_LAMBDA_LOG_LEVEL": function.log_level} if self._options.json_log else {}
        return {
            **self._options.credentials(),
            **level,
            "AWS_DEFAULT_REGION": names.region,
            "AWS_REGION": names.region,
            "AWS_EC2_METADATA_DISABLED": "true",  # without credentials an SDK shall say so, and wait for nothing
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_FUNCTION_NAME": names.function,
            "AWS_LAMBDA_FUNCTION_VERSION": LATEST,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": "JSON" if self._options.json_log else "Text",
            "AWS_LAMBDA_LOG_GROUP_NAME": stream.group,
            "AWS_LAMBDA_LOG_STREAM_NAME": stream.name,
            "AWS_LAMBDA_RUNTIME_API": address,
        }


@contextlib.contextmanager
def opened(settings: Settings, environment: str, options: LocalOptions, writer: Writer) -> Iterator[LocalFunction]:
    """Yield the function; nothing that was started is left."""
    cache = settings.build_dir / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".local-", ignore_cleanup_errors=True) as scratch:
        function = LocalFunction(settings, environment, options, writer, Path(scratch))
        try:
            yield function
        finally:
            function.close()


class _Images:
    """The images as they were built, in the shape of a registry; `scratch` takes what isn't a file yet."""

    def __init__(self, scratch: Path) -> None:
        self._manifests: dict[str, dict[str, Any]] = {}
        self._blobs: dict[str, Any] = {}
        self._scratch = scratch

    def add(self, image: LocalImage) -> None:
        """Hold one more."""
        self._blobs.update({blob.digest: blob for blob in image.blobs})
        self._manifests[image.digest] = json.loads(image.manifest)

    def manifest(self, _repository: str, digest: str) -> dict[str, Any]:
        return self._manifests[digest]

    def blob(self, _repository: str, digest: str) -> Path:
        local = self._blobs[digest].local()
        if isinstance(local, Path):
            return local
        path = self._scratch / digest.replace(":", "-")
        path.write_bytes(local)
        return path
