"""`inv function.invoke --local`: build the image, start it, send it one event, take it down; nothing is deployed.

The builder is the project's own choice, and each has its launcher: an image that an engine built runs in a container,
one made of layers in a process of this machine. Both talk the Runtime API to AWS's own client, as in the local cloud.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from localcloud.launchers.interface import ImageCode, Launcher, SandboxSpec
from localcloud.services.lambda_.execution.environments import ExecutionEnvironment, InvocationReport, InvocationWork
from localcloud.services.lambda_.execution.logs import Journal, Stream
from localcloud.services.lambda_.execution.pool import Pool
from localcloud.services.lambda_.model import LATEST
from stepladder.aws_lambda.log_lines import lines
from stepladder.commands.invoke import Show
from stepladder.core.console import Console
from stepladder.core.release_facts import read_answer
from stepladder.images import pipeline
from stepladder.images.model import LocalImage
from stepladder.releases import variables
from stepladder.settings.load import Settings

_PASSED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL")
"""What the function gets of our own environment: the credentials that it would have from its role, if they are there.

A profile isn't followed: what it opens may be more than a try needs.
"""


def invoke(
    settings: Settings,
    environment: str,
    event: Any,
    console: Console,
    *,
    whole_log: bool = False,
    show: Show,
) -> str:
    """Build the image and call it once with `event`, configured as in that environment.

    Its log goes to the person as it comes, the lines that Lambda adds with the `whole_log`; `show` prints its
    answer. Returns the error's type when the function failed, else an empty string;
    raises as the builders do.
    """
    own = variables.of(settings, environment)
    with console.step("image") as step:
        image = pipeline.build_only(settings, step, say=console.warn, to_run=True)
        step.done(f"{image.size / 1e6:.1f} MB on {image.base.partition('@')[0]}")
    with _launcher(settings, image) as (launcher, code):
        printer = _Printer(console, whole_log)
        report = _run(settings, environment, own.values, launcher, code, json.dumps(event).encode(), printer)
    if report.outcome.error and (hint := own.hint(environment)):
        console.hint(hint)
    answer = read_answer(report.outcome.payload)
    show(answer, console, failed=bool(report.outcome.error))
    named = answer.get("errorType") if isinstance(answer, dict) else ""
    return report.outcome.error and str(named or report.outcome.error)


@contextlib.contextmanager
def _launcher(settings: Settings, image: Any) -> Iterator[tuple[Launcher, ImageCode]]:
    """Yield what runs the image, and how it calls the image; nothing that was started is left."""
    launcher: Launcher
    cache = settings.build_dir / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=".once-") as scratch:
        if isinstance(image, LocalImage):
            from localcloud.launchers.process import ProcessLauncher

            launcher = ProcessLauncher(Path(scratch), _Blobs(image, Path(scratch)))
            code = ImageCode(repository="", digest=image.digest, registry="")
        else:
            from localcloud.launchers.container import ContainerLauncher

            launcher = ContainerLauncher(login=lambda _code: {})
            code = ImageCode(repository="", digest=image.id, registry="")
        try:
            yield launcher, code
        finally:
            launcher.close()


def _run(
    settings: Settings,
    environment: str,
    own: Mapping[str, str],
    launcher: Launcher,
    code: ImageCode,
    payload: bytes,
    printer: _Printer,
) -> InvocationReport:
    names, function = settings.names(environment), settings.environment(environment).function
    stream = Stream(names.account, names.region, f"/aws/lambda/{names.function}", f"local/{uuid4().hex}")
    journal = Journal(printer, stream, json=False, version=LATEST)

    def spec(address: str) -> SandboxSpec:
        given = {**own, **_variables(settings, environment, stream, address)}
        return SandboxSpec(
            f"stepladder-once-{os.getpid()}",
            code,
            settings.architecture,
            function.memory_mb,
            given,
            function.ephemeral_storage_mb,
        )

    arn = names.function_arn
    trace = f"Root=1-{int(time.time()):08x}-{uuid4().hex[:24]};Parent={uuid4().hex[:16]};Sampled=0"
    pool = Pool()
    try:
        return pool.run(
            "once",
            lambda: ExecutionEnvironment(lambda _spec: launcher, spec, journal, function.timeout_seconds),
            InvocationWork(str(uuid4()), payload, arn, trace),
        )
    finally:
        pool.close()


def _variables(settings: Settings, environment: str, stream: Stream, address: str) -> Mapping[str, str]:
    """Return what Lambda sets.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    names, function = settings.names(environment), settings.environment(environment).function
    return {
        **{name: os.environ[name] for name in _PASSED if name in os.environ},
        "AWS_DEFAULT_REGION": names.region,
        "AWS_REGION": names.region,
        "AWS_EC2_METADATA_DISABLED": "true",  # without credentials an SDK shall say so, not wait for a metadata service
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": names.function,
        "AWS_LAMBDA_FUNCTION_VERSION": LATEST,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "Text",
        "AWS_LAMBDA_LOG_GROUP_NAME": stream.group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream.name,
        "AWS_LAMBDA_RUNTIME_API": address,
    }


class _Printer:
    """Takes log lines to the person instead of to CloudWatch Logs."""

    def __init__(self, console: Console, whole: bool) -> None:
        self._console = console
        self._whole = whole

    def put(self, _stream: Stream, message: str) -> None:
        for line in lines(message, whole=self._whole):
            self._console.line(self._console.paint(line, "dim"))


class _Blobs:
    """The image as it was built, in the shape of a registry; `scratch` takes what isn't a file yet."""

    def __init__(self, image: LocalImage, scratch: Path) -> None:
        self._manifest: dict[str, Any] = json.loads(image.manifest)
        self._blobs = {blob.digest: blob for blob in image.blobs}
        self._scratch = scratch

    def manifest(self, _repository: str, _digest: str) -> dict[str, Any]:
        return self._manifest

    def blob(self, _repository: str, digest: str) -> Path:
        local = self._blobs[digest].local()
        if isinstance(local, Path):
            return local
        path = self._scratch / digest.replace(":", "-")
        path.write_bytes(local)
        return path
