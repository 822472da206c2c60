"""The front of `inv serve`: HTTP requests become the function's events, and what it returns becomes their answers.

`POST /2015-03-31/functions/<any name>/invocations` is Lambda's own Invoke, for any kind of event, as AWS's emulator of
the runtime interface has it (https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html).
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import uuid4

from localcloud.cloud import Environ
from localcloud.http import origins
from localcloud.http.server import reason
from localcloud.launchers.runtime_api import REQUEST_LIMIT, InvocationOutcome
from localcloud.services.lambda_.execution.environments import InvocationReport
from localcloud.services.lambda_.model import LATEST
from localcloud.services.lambda_.triggers.url_responses import UrlResponse, mapped
from localcloud.services.lambda_.triggers.urls import cors_headers
from stepladder.commands.http_trigger import HttpTrigger
from stepladder.core.console import Console
from stepladder.core.display import one_line
from stepladder.core.http_event import HttpAddress, HttpRequest

_INVOKE = r"/2015-03-31/functions/[^/]+/invocations"
_UNPACKED = r"[^\s\"']*/\.local-\w+/images/[^/\s]+(?=/var/task/)"
_PLAIN = "text/plain; charset=utf-8"
_SEPARATOR = bytes(8)
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
BUILD_FAILED = "Stepladder.BuildFailed"
"""The errorType of a call while the files can't be built."""


class Callee(Protocol):
    """What is called."""

    def call(self, payload: bytes, request_id: str, client_context: str = "") -> InvocationReport:
        """Call the function as its files are now."""
        ...


@dataclass(frozen=True)
class FrontOptions:
    """Whose requests these are. Without an HTTP `trigger` a request is no event; `kinds` says what is one."""

    project: str
    kinds: tuple[str, ...]
    trigger: HttpTrigger | None


@dataclass
class _Answered:
    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    note: str = ""


class Front:
    """The WSGI app. Prints each request in one line."""

    def __init__(self, callee: Callee, options: FrontOptions, console: Console) -> None:
        self._callee, self._options, self._console = callee, options, console

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        began = time.monotonic()
        target, method = str(environ["RAW_URI"]), str(environ["REQUEST_METHOD"])
        answer = self._answer(environ, method, target)
        milliseconds = (time.monotonic() - began) * 1000
        colour = "red" if answer.status >= _SERVER_ERROR else "yellow" if answer.status >= _CLIENT_ERROR else "green"
        shown = self._console.brief(f"{method} {target}", used=len(" 200 1000 ms"))
        note = f"  {answer.note}" if answer.note else ""
        self._console.line(f"{shown} {self._console.paint(str(answer.status), colour)} {milliseconds:.0f} ms{note}")
        headers = [(name, value) for name, value in answer.headers if name.lower() != "content-length"]
        headers.append(("Content-Length", str(len(answer.body))))
        start_response(f"{answer.status} {reason(answer.status)}", headers)
        return [b"" if method == "HEAD" else answer.body]

    def _answer(self, environ: Environ, method: str, target: str) -> _Answered:
        path, _, query = target.partition("?")
        is_invoke = method == "POST" and re.fullmatch(_INVOKE, path) is not None
        # A page of the user's own may call the function's URL; Invoke is for programs
        checked = environ if is_invoke else {"HTTP_HOST": environ.get("HTTP_HOST", "")}
        if refusal := origins.refusal(checked):
            return _text(403, refusal)
        body = environ["wsgi.input"].read(REQUEST_LIMIT + 1)
        if len(body) > REQUEST_LIMIT:
            return _text(413, f"a request may have {REQUEST_LIMIT} bytes, as in Lambda")
        if is_invoke:
            return self._invoke(environ, body)
        return self._request(environ, method, path, query, body)

    def _request(self, environ: Environ, method: str, path: str, query: str, body: bytes) -> _Answered:
        """Answer a request whose event is the function's."""
        trigger = self._options.trigger
        if trigger is None:
            return _text(404, self._other_kinds(environ))
        cors = cors_headers(trigger.cors, environ)
        if method == "OPTIONS" and trigger.cors and "HTTP_ORIGIN" in environ:
            return _Answered(200, list(cors.items()), note="CORS")
        request = HttpRequest(
            method, path, query, environ["stepladder.headers"], body, str(environ.get("SERVER_PROTOCOL", "HTTP/1.1"))
        )
        event = trigger.event(request, _address(trigger, environ))
        if event is None:
            return _text(404, f"no route of the HTTP API takes this: there are {', '.join(trigger.routes)}")
        request_id = str(event["requestContext"]["requestId"])
        report = self._callee.call(json.dumps(event).encode(), request_id)
        if report.outcome.error:
            return _text(502, _cause(report.outcome))
        response = _response(report.outcome.payload)
        if response.why:
            return _text(502, f"no HTTP answer can be made of what the function returned: {response.why}")
        replaced = {name.lower() for name in cors}
        headers = [(name, value) for name, value in response.headers if name.lower() not in replaced]
        headers += [("x-amzn-RequestId", request_id), *cors.items()]
        return _Answered(response.status, headers, response.body)

    def _other_kinds(self, environ: Environ) -> str:
        url = f"http://{environ.get('HTTP_HOST')}/2015-03-31/functions/{self._options.project}/invocations"
        kinds = ", ".join(self._options.kinds)
        return f"what calls this function is {kinds}, and no HTTP request; POST its event to {url}"

    def _invoke(self, environ: Environ, body: bytes) -> _Answered:
        """Answer Invoke, in each of its types."""
        request_id = str(uuid4())
        headers = [("x-amzn-RequestId", request_id)]
        try:
            json.loads(body or b"{}")
            context = base64.b64decode(environ.get("HTTP_X_AMZ_CLIENT_CONTEXT", "")).decode()
        except (ValueError, RecursionError) as error:
            message = json.dumps({"Type": "User", "message": f"Could not parse request body into json: {error}"})
            headers += [("Content-Type", "application/json"), ("x-amzn-ErrorType", "InvalidRequestContentException")]
            return _Answered(400, headers, message.encode(), "Invoke")
        kind = environ.get("HTTP_X_AMZ_INVOCATION_TYPE") or "RequestResponse"
        if kind == "DryRun":
            return _Answered(204, headers, b"", "Invoke DryRun")
        if kind == "Event":
            arguments = (body or b"{}", request_id, context)
            threading.Thread(target=self._callee.call, args=arguments, daemon=True, name="event").start()
            return _Answered(202, headers, b"", "Invoke Event")
        report = self._callee.call(body or b"{}", request_id, context)
        headers += [("Content-Type", "application/json"), ("X-Amz-Executed-Version", LATEST)]
        note = "Invoke"
        if report.outcome.error:
            headers.append(("X-Amz-Function-Error", report.outcome.error))
            note = f"Invoke {one_line(_cause(report.outcome).partition(chr(10))[0])}"
        if environ.get("HTTP_X_AMZ_LOG_TYPE") == "Tail":
            headers.append(("X-Amz-Log-Result", base64.b64encode(report.tail).decode()))
        return _Answered(200, headers, report.outcome.payload, note)


def _address(trigger: HttpTrigger, environ: Environ) -> HttpAddress:
    """Return where a request was sent to and came from."""
    host, _, port = str(environ.get("HTTP_HOST") or "127.0.0.1").rpartition(":")
    if not port.isdecimal():
        host, port = f"{host}:{port}".lstrip(":"), "80"
    source = str(environ.get("REMOTE_ADDR", "127.0.0.1"))
    return replace(trigger.address, host=host, port=port, scheme="http", source_ip=source)


def _response(payload: bytes) -> UrlResponse:
    """Return what the function answered. One that streams has its status and headers before eight NUL bytes."""
    head, streamed, body = payload.partition(_SEPARATOR)
    response = mapped(head)
    if streamed and not response.why:
        response.body = body
    return response


def _text(status: int, text: str) -> _Answered:
    """Answer with a text for a person, whose first line is shown beside the request too."""
    return _Answered(status, [("Content-Type", _PLAIN)], f"{text}\n".encode(), one_line(text.partition("\n")[0]))


def in_lambda(text: str) -> str:
    """Return a text with the paths of the function's files as they are in Lambda."""
    return re.sub(_UNPACKED, "", text)


def _cause(outcome: InvocationOutcome) -> str:
    """Return why a call failed as a person reads it: error, message and stack."""
    try:
        failed = json.loads(outcome.payload)
        lines = [": ".join(str(failed[key]) for key in ("errorType", "errorMessage") if failed.get(key))]
        lines += [str(line).rstrip("\n") for line in failed.get("stackTrace") or ()]
    except (ValueError, TypeError, AttributeError):
        return outcome.payload.decode(errors="replace") or outcome.error
    return in_lambda("\n".join(lines))
