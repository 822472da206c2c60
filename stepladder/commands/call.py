"""`inv function.invoke`, whole: the event or the HTTP request that was typed, the call, and how its answer is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stepladder.commands import invoke
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, StepladderError
from stepladder.releases.rung import one_function, opened
from stepladder.settings.load import Settings, from_context


@dataclass(frozen=True)
class CallOptions:
    """What was typed. An empty `env` is the lowest rung, for a `local` call only; an empty `function` is the own."""

    env: str = ""
    payload: str = ""
    event: str = ""
    version: str = ""
    local: bool = False
    whole_log: bool = False
    path: str = ""
    method: str = ""
    query: str = ""
    data: str = ""
    header: tuple[str, ...] = ()
    json: bool = False
    function: str = ""

    def check(self) -> None:
        """Raise `BadInputError` for flags that contradict each other."""
        if self.local and self.version:
            raise BadInputError(
                "--local has no versions: it calls what stands here",
                kind="bad-arguments",
                hint="leave out `--version` or `--local`",
            )
        of_http = {"--method": self.method, "--query": self.query, "--data": self.data, "--header": self.header}
        if not self.path and (first := next((flag for flag, value in of_http.items() if value), "")):
            raise BadInputError(
                f"{first} is of an HTTP request, which has a path", kind="bad-arguments", hint="for example `--path /`"
            )
        if self.path and (self.payload or self.event):
            raise BadInputError(
                "--path makes the event, and another one was given",
                kind="bad-arguments",
                hint=f"leave out `--path` or `{'--payload' if self.payload else '--event'}`",
            )


def call(context: Any, options: CallOptions) -> None:
    """Call the function. Raises `StepladderError` when it failed, or answered an HTTP request with a server error.

    With `--json` the answer of a call that failed is in the error's record: there is one document.
    """
    options.check()
    settings = one_function(from_context(context), options.function)
    environment = options.env or settings.lowest
    event = _event(settings, environment, options)
    show = _Shown(options)
    if options.local:
        from stepladder.commands import invoke_once

        console = Console(as_json=options.json)
        error = invoke_once.invoke(settings, environment, event, console, whole_log=options.whole_log, show=show)
    else:
        rung = opened(context, environment, "inv function.invoke", function=options.function, as_json=options.json)
        version, whole_log = options.version, options.whole_log
        error = invoke.invoke(rung, event, version=version, whole_log=whole_log, show=show).error or ""
    if failure := show.failure(error):
        raise failure


class _Shown:
    """Prints the answer, and says whether it is one of a call that failed."""

    def __init__(self, options: CallOptions) -> None:
        self._is_http, self._status, self._answer = bool(options.path), 0, None

    def __call__(self, answer: Any, console: Console, *, failed: bool) -> None:
        """Print it: HTTP where an HTTP request was sent and the function did not fail."""
        self._answer = answer
        if self._is_http and not failed:
            from stepladder.commands import http_call

            self._status = http_call.show(answer, console)
        elif not (failed and console.as_json):
            invoke.show_json(answer, console)

    def failure(self, error: str) -> StepladderError | None:
        """Return the error for a call that failed with the type `error`, or whose answer is a server error."""
        message = f"the function failed: {error}" if error else ""
        if not message and self._is_http:
            from stepladder.commands import http_call

            message = http_call.failure(self._status)
        if not message:
            return None
        hint = "the end of its log stands above; `--whole-log` prints all of it"
        failure = StepladderError(message, kind="function-failed", hint=hint)
        failure.record["answer"] = self._answer
        return failure


def _event(settings: Settings, environment: str, options: CallOptions) -> Any:
    if not options.path:
        return invoke.read_payload(options.payload, options.event)
    from stepladder.commands import http_call

    request = http_call.request(options.path, options.method, options.query, options.data or None, options.header)
    return http_call.event(settings, environment, request)
