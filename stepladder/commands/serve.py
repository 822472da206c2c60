"""`inv serve`: the function behind a URL of this machine, built again when its files change. Nothing is deployed."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from localcloud.http.server import Server
from localcloud.launchers.runtime_api import InvocationOutcome
from localcloud.services.lambda_.execution.environments import InvocationReport
from localcloud.services.lambda_.execution.logs import Stream
from stepladder.aws_lambda import log_records
from stepladder.commands import http_trigger, local_function, source_files
from stepladder.commands.local_function import LocalFunction, LocalOptions
from stepladder.commands.serve_front import BUILD_FAILED, Front, FrontOptions, in_lambda
from stepladder.core import aws
from stepladder.core.console import Console
from stepladder.core.display import harmless
from stepladder.core.errors import BadInputError, InterruptedRunError, NotReadyError, RefusedError, StepladderError
from stepladder.core.names import flags
from stepladder.core.step import Step
from stepladder.releases import variables
from stepladder.releases.rung import clients
from stepladder.settings.load import Settings

HOST = "127.0.0.1"
_LAST_PORT = 65_535
_EVERY = 0.3  # seconds between two reads of the files' times


@dataclass(frozen=True)
class ServeOptions:
    """What was typed. An empty `env` is the lowest rung; any other is `confirmed`, or a person is asked."""

    env: str = ""
    port: int = 8000
    debug_port: int = 0
    confirmed: bool = False

    def check(self) -> None:
        """Raise `BadInputError` for what is no port."""
        for flag, port in (("--port", self.port), ("--debug-port", self.debug_port)):
            if not 0 <= port <= _LAST_PORT:
                raise BadInputError(
                    f"{flag} is {port}; allowed: 0 to {_LAST_PORT}",
                    kind="bad-arguments",
                    hint=f"for example `{flag} 8000`",
                )


def serve(settings: Settings, options: ServeOptions, console: Console) -> None:
    """Serve until a person ends it, by Ctrl-C or a signal. Raises `InterruptedRunError` then."""
    options.check()
    environment = options.env or settings.lowest
    _check_environment(settings, environment, options, console)
    own = variables.of(settings, environment)
    if hint := own.hint(settings.names(environment).target):
        console.hint(hint)
    credentials = _Credentials(settings, environment, own, console).read
    local_options = LocalOptions(own.values, credentials, json_log=True, debug_port=options.debug_port)
    with (
        _listening(options.port) as server,
        local_function.opened(settings, environment, local_options, _LogPrinter(console)) as function,
    ):
        reloading = Reloading(function, settings, console)
        reloading.refresh()
        front = _front_options(settings, environment)
        threading.Thread(
            target=server.serve, args=(Front(reloading, front, console),), daemon=True, name="serve"
        ).start()
        _introduce(console, server, front, environment, options.debug_port)
        try:
            while True:
                threading.Event().wait(_EVERY)
                reloading.refresh()
        except KeyboardInterrupt:
            raise InterruptedRunError("") from None  # how this ends: nothing needs to be explained


class Reloading:
    """The function as its files are now. Whoever calls it waits while it is built again."""

    def __init__(self, function: LocalFunction, settings: Settings, console: Console) -> None:
        self._function, self._settings, self._console = function, settings, console
        self._lock = threading.Lock()
        self._signature: source_files.Signature | None = None
        self._declared = source_files.signature(settings.root / "invoke.yaml")
        self._error: StepladderError | None = None
        self._printed: set[str] = set()

    def refresh(self) -> StepladderError | None:
        """Build the function again if a file has changed; return why it can't be built."""
        with self._lock:
            signature = source_files.signature(self._settings.root / self._settings.image.context)
            if signature != self._signature:
                is_first = self._signature is None
                self._signature = signature
                self._error = self._build("built" if is_first else "reloaded")
            self._check_settings()
            return self._error

    def call(self, payload: bytes, request_id: str, client_context: str = "") -> InvocationReport:
        """Call the function as its files are now."""
        if error := self.refresh():
            lines = [error.message, *error.problems, *([f"hint: {error.hint}"] if error.hint else [])]
            return InvocationReport(InvocationOutcome.failed(BUILD_FAILED, "\n".join(lines)), 0.0, None, b"")
        return self._function.run(payload, request_id, client_context)

    def _build(self, verb: str) -> StepladderError | None:
        step, before = Step(verb), self._function.revision
        try:
            image = self._function.build(step, self._warn)
        except StepladderError as error:
            self._console.error(error)
            return error
        except OSError as error:  # an editor at work on the files
            failure = StepladderError(f"the files can't be read: {error}", kind="build-context")
            self._console.error(failure)
            return failure
        if self._function.revision != before:
            self._function.warm()
            self._console.line(f"{self._console.paint('✓', 'green')} {verb}  {image.base.partition('@')[0]}")
        return None

    def _warn(self, text: str) -> None:
        """Print a warning once, not with each build."""
        if text not in self._printed:
            self._printed.add(text)
            self._console.warn(text)

    def _check_settings(self) -> None:
        declared = source_files.signature(self._settings.root / "invoke.yaml")
        if declared != self._declared:
            self._declared = declared
            self._console.warn("invoke.yaml has changed; start `inv serve` again to serve by it")


class _LogPrinter:
    """Takes the function's log lines to the person. Of Lambda's own only errors are shown."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def put(self, _stream: Stream, message: str) -> None:
        if not message.startswith(("{", "[")):
            self._print(message, "")
            return
        line = log_records.parse(message)
        if line.platform and not line.is_error:
            return
        colour = "red" if line.is_error else "yellow" if line.level.startswith("WARN") else ""
        extra = "" if line.platform else "  ".join(f"{key}={value}" for key, value in line.fields.items())
        self._print(f"{line.level} {line.message}  {extra}".strip(), colour)
        for each in line.stack:
            self._print(f"  {each}", "")

    def _print(self, text: str, colour: str) -> None:
        for line in harmless(in_lambda(text)):
            self._console.line(self._console.paint(f"  {line}", colour or "dim"))


class _Credentials:
    """What the function reaches AWS with: the environment's role, or what this person has, when it needs any.

    A function with secrets or with variables that Terraform makes needs them. Any other gets what this shell names.
    """

    def __init__(
        self, settings: Settings, environment: str, own: variables.FunctionVariables, console: Console
    ) -> None:
        self._console = console
        at = settings.environment(environment)
        self._aws = clients(settings, environment)
        self._needed = bool(getattr(at.function, "secrets", None) or own.values.keys() - at.function.environment.keys())

    def read(self) -> Mapping[str, str]:
        """Return them as environment variables. Without any that work the function runs all the same."""
        own: Mapping[str, str] = {}
        if self._needed:
            try:
                own = self._aws.credentials()
            except Exception as error:
                explained = error if isinstance(error, StepladderError) else aws.explain(error)
                if explained is None:
                    raise
                self._console.warn(f"the function has no AWS credentials: {explained.message}")
        return {**local_function.passed(), **own}


def _front_options(settings: Settings, environment: str) -> FrontOptions:
    kinds = http_trigger.kinds_of(settings, environment)
    return FrontOptions(settings.project, kinds, http_trigger.of(settings, environment))


def _introduce(console: Console, server: Server, options: FrontOptions, environment: str, debug_port: int) -> None:
    url = f"http://{HOST}:{server.port}/"
    invoke = f"{url}2015-03-31/functions/{options.project}/invocations"
    console.data(url if options.trigger else invoke)
    if options.trigger:
        console.line(f"events of any kind: POST them to {invoke}")
    if debug_port:
        console.line(f"a debugger may attach at {HOST}:{debug_port}, again after each reload; no call times out")
    console.line(f"it runs as in {environment}, and is built again when a file changes; Ctrl-C ends it")


def _check_environment(settings: Settings, environment: str, options: ServeOptions, console: Console) -> None:
    """Ask before the function gets the variables and secrets of another environment than the lowest rung."""
    settings.environment(environment)
    if environment == settings.lowest or options.confirmed:
        return
    console.warn(f"the function gets the variables of {environment}, and what they lead to")
    if console.ask(f"serve it as in {environment}?"):
        return
    raise RefusedError(
        f"nobody confirmed that the function is to run as in {environment}",
        kind="not-confirmed",
        hint=f"leave out `--env {environment}`, or confirm it: "
        f"`inv serve {flags(environment, settings.name_of_function)} --yes`",
    )


@contextlib.contextmanager
def _listening(port: int) -> Iterator[Server]:
    try:
        server = Server(HOST, port)
    except OSError as error:
        what = "is taken" if error.errno == errno.EADDRINUSE else f"can't be listened on ({error.strerror})"
        raise NotReadyError(
            f"port {port} {what}", kind="port-taken", hint="name another one; `--port 0` takes any free one"
        ) from None
    try:
        yield server
    finally:
        server.stop()
