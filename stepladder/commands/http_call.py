"""`inv function.invoke --path`: an HTTP request as a person types it, and the function's answer as HTTP."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from localcloud.services.lambda_.triggers import url_responses
from stepladder import __version__
from stepladder.commands import http_trigger
from stepladder.core import terminal
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError
from stepladder.core.http_event import HttpRequest
from stepladder.core.terminal import NoInputError
from stepladder.settings.load import Settings

_TCHARS = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SAFE = "/%:@!$&'()*+,;=~-._"
_CLIENT_ERROR, _SERVER_ERROR = 400, 500


def request(
    path: str, method: str = "", query: str = "", data: str | None = None, headers: Sequence[str] = ()
) -> HttpRequest:
    """Return the request that the flags mean. Raises `BadInputError` for what no request can hold.

    `data` is the body, `-` reads it from standard input and `@file` from a file. With one the method is POST, without
    it GET.
    """
    if not path.startswith("/"):
        raise BadInputError(
            f"--path is {path!r}; allowed: what begins with a slash",
            kind="bad-arguments",
            hint="for example `--path /`",
        )
    path, _, inside = path.partition("#")[0].partition("?")
    body = _body(data)
    method = (method or ("GET" if body is None else "POST")).upper()
    if not re.fullmatch(_TCHARS, method):
        raise BadInputError(
            f"--method is {method!r}, which is none of HTTP", kind="bad-arguments", hint="for example `--method POST`"
        )
    given = [_header(each) for each in headers]
    names = {name.lower() for name, _ in given}
    ordinary = {"accept": "*/*", "user-agent": f"stepladder/{__version__}"}
    if body is not None:
        ordinary |= {"content-length": str(len(body)), "content-type": _content_type(body)}
    given += [(name, value) for name, value in ordinary.items() if name not in names]
    joined = "&".join(part for part in (inside, query.removeprefix("?")) if part)
    path, joined = (quote(os.fsencode(text), safe=safe) for text, safe in ((path, _SAFE), (joined, f"{_SAFE}?[]")))
    return HttpRequest(method, path, joined, given, body or b"")


def event(settings: Settings, environment: str, http_request: HttpRequest) -> dict[str, Any]:
    """Return the event by which the function's trigger of that environment passes the request on.

    Raises `BadInputError` for a function whose triggers are of other kinds, and for a request that no route takes.
    """
    trigger = http_trigger.of(settings, environment)
    if trigger is None:
        kinds = ", ".join(http_trigger.kinds_of(settings, environment))
        raise BadInputError(
            f"--path is an HTTP request, and what calls the function in {environment} is {kinds}",
            kind="bad-arguments",
            hint="give its event with `--event tests/events/event.json`",
        )
    made = trigger.event(http_request, trigger.address)
    if made is None:
        declared = ", ".join(trigger.routes)
        raise BadInputError(
            f"no route of the HTTP API takes {http_request.method} {http_request.path}: there are {declared}",
            kind="bad-arguments",
            hint="name a path that a route takes, for example `--path /`",
        )
    return made


def show(answer: Any, console: Console) -> int:
    """Print an answer as HTTP: status and headers for the person, the body as data. Return the status.

    With `--json` what the function returned is printed as it is, but for a server error: that is in the error's record.
    """
    response = url_responses.mapped(json.dumps(answer).encode())
    if console.as_json:
        if response.status < _SERVER_ERROR:
            console.json(answer)
        return response.status
    colour = "red" if response.status >= _SERVER_ERROR else "yellow" if response.status >= _CLIENT_ERROR else "green"
    console.line(console.paint(f"HTTP {response.status} {_reason(response.status)}".rstrip(), colour))
    for name, value in response.headers:
        console.line(console.paint(f"{name}: {value.encode('latin-1').decode(errors='replace')}", "dim"))
    if response.why:
        console.warn(f"no HTTP answer can be made of what the function returned: {response.why}")
        console.json(answer)
        return response.status
    console.line()
    console.body(response.body)
    return response.status


def failure(status: int) -> str:
    """Say that the server failed; empty for any other status."""
    return f"the function answered {status} {_reason(status)}".rstrip() if status >= _SERVER_ERROR else ""


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _typed() -> bytes:
    """Return the body from standard input: what is piped, or what a person types to Ctrl-D."""
    if terminal.has_keyboard() and not terminal.can_answer(sys.stderr):
        raise _no_body("nobody can type it here")
    try:
        return bytes(sys.stdin.buffer.read()) if terminal.has_keyboard() else terminal.piped()
    except NoInputError as error:
        raise _no_body(str(error)) from None


def _no_body(why: str) -> BadInputError:
    return BadInputError(
        f"there is no body: {why}", kind="bad-arguments", hint="give it as `--data @file`, or by a pipe"
    )


def _body(data: str | None) -> bytes | None:
    if data is None:
        return None
    if data == "-":
        return _typed()
    if not data.startswith("@"):
        return data.encode("utf-8", "surrogateescape")
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise BadInputError(
            f"the file {data[1:]} can't be read: {error.strerror}",
            kind="bad-arguments",
            hint="`--data @file` reads a file, and `--data -` standard input",
        ) from None


def _content_type(body: bytes) -> str:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return "text/plain; charset=utf-8" if _is_text(body) else "application/octet-stream"
    return "application/json"


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in body


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if (
        not colon
        or not re.fullmatch(_TCHARS, name.strip())
        or any(ord(c) < ord(" ") and c != "\t" for c in value.strip())
    ):
        raise BadInputError(
            f"--header is {text!r}; allowed: name: value",
            kind="bad-arguments",
            hint="for example `--header 'accept: text/html'`",
        )
    return name.strip(), value.strip()
