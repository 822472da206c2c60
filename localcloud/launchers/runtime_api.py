"""The Lambda Runtime API of one execution environment.

The protocol is AWS's own, version 2018-06-01 (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), served
on a port of its own per environment: `awslambdaric` reads AWS_LAMBDA_RUNTIME_API as `host:port` and has no room for a
path prefix. Whoever runs the function's code (a process, a container) only needs to reach that address.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PAYLOAD_LIMIT = 6_291_556  # bytes of a synchronous response: 6 MB and room for an envelope
REQUEST_LIMIT = 6_291_456  # bytes of a synchronous request: 6 MB
TOO_LARGE = "Function.ResponseSizeTooLarge"
_PREFIX = "/2018-06-01/runtime/"
_MAX_HEADER = 1 << 21


@dataclass(frozen=True)
class Invocation:
    """One event on its way to a runtime. `deadline_ms` is epoch milliseconds."""

    request_id: str
    payload: bytes
    function_arn: str
    deadline_ms: int
    trace_id: str
    client_context: str = ""


@dataclass(frozen=True)
class InvocationOutcome:
    """What came of an invocation: the function's payload, or an error with AWS's own shape of body.

    `error` is empty or the `X-Amz-Function-Error` header's value.
    """

    payload: bytes
    error: str = ""
    error_type: str = ""
    """Also of a streamed response that a trailer says broke off; then `payload` is the trailer's own body."""

    @classmethod
    def failed(cls, error_type: str, message: str) -> InvocationOutcome:
        """Make the body that Lambda itself writes when the runtime couldn't."""
        return cls(json.dumps({"errorType": error_type, "errorMessage": message}).encode(), "Unhandled", error_type)


class RuntimeApi:
    """Hands invocations to one runtime, one at a time, and takes its answers.

    `on_ready` is called when the runtime asks for work. `on_delivered` is called with the request id just before the
    runtime gets some. `on_init_error` is called with the runtime's own report when it gives up before that.
    `on_outcome` is called with the request id and the outcome. `on_stream` is called with the request id and the
    content type of a streamed response, and returns what takes its pieces, or None to have all of it as the outcome.
    The server's threads call them. `host` is the address to listen on. `address` is the one that the runtime gets.
    """

    def __init__(
        self,
        *,
        on_ready: Callable[[], None],
        on_delivered: Callable[[str], None],
        on_init_error: Callable[[InvocationOutcome], None],
        on_outcome: Callable[[str, InvocationOutcome], None],
        on_stream: Callable[[str, str], Callable[[bytes], None] | None] = lambda _request_id, _content_type: None,
        host: str = "127.0.0.1",
    ) -> None:
        self.on_ready = on_ready
        self.on_delivered = on_delivered
        self.on_init_error = on_init_error
        self.on_outcome = on_outcome
        self.on_stream = on_stream
        self._work: queue.SimpleQueue[Invocation | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._server = _Server((host, 0), _Handler)
        self._server.api = self
        self.port = int(self._server.server_address[1])
        self.address = f"{host}:{self.port}"
        threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 5},
            name=f"runtime-api-{self.port}",
            daemon=True,
        ).start()

    def offer(self, invocation: Invocation) -> None:
        """Queue an invocation: the runtime gets it as soon as it asks."""
        self._work.put(invocation)

    def next(self) -> Invocation | None:
        """Wait for work, or None when the environment is being shut down."""
        return None if self._closed.is_set() else self._work.get()

    def close(self) -> None:
        """Stop serving. A runtime that still waits for work has its connection cut."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._work.put(None)
        threading.Thread(target=self._shut, daemon=True).start()

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)  # wakes the server's thread
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    api: RuntimeApi

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet: a runtime that is killed in the middle of a request is everyday life here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else headers and body written apart cost 40 ms
    wbufsize = -1  # one write per answer
    server: _Server
    raw_requestline: bytes

    def parse_request(self) -> bool:
        """Read a request's head. The base class takes 64 KiB a header.

        AWS's runtime client sends a failure's X-Ray cause in one of up to 1 MiB: a deep traceback, or a long message.
        """
        self.requestline, self.command, self.path, self.request_version = "", "", "", "HTTP/1.1"
        self.headers = HTTPMessage()
        try:
            self.command, self.path, self.request_version = self.raw_requestline.decode("latin-1").split()
        except ValueError:
            self._answer(400, {"errorType": "BadRequest", "errorMessage": "no request line"})
            return False
        while (line := self.rfile.readline(_MAX_HEADER + 1)) not in (b"\r\n", b"\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            if len(line) > _MAX_HEADER:
                self.close_connection = True
                self._answer(431, {"errorType": "BadRequest", "errorMessage": f"the header {name} is too large"})
                return False
            self.headers[name.strip()] = value.strip()
        self.close_connection = self.headers.get("Connection", "").lower() == "close"
        if self.headers.get("Expect", "").lower() == "100-continue":
            return self.handle_expect_100()
        return True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the function's own log is what people read."""

    def do_GET(self) -> None:
        if self.path != f"{_PREFIX}invocation/next":
            self._answer(404, {"errorType": "UnknownPath", "errorMessage": self.path})
            return
        api = self.server.api
        api.on_ready()
        work = api.next()
        if work is None or self._hung_up():
            self.close_connection = True  # what a dead runtime never took goes to another environment
            return
        api.on_delivered(work.request_id)
        headers = {
            "Content-Type": "application/json",  # without it the client stalls silently
            "Lambda-Runtime-Aws-Request-Id": work.request_id,
            "Lambda-Runtime-Deadline-Ms": str(work.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": work.function_arn,
            "Lambda-Runtime-Trace-Id": work.trace_id,
        }
        if work.client_context:
            headers["Lambda-Runtime-Client-Context"] = work.client_context
        self._write(200, headers, work.payload)

    def do_POST(self) -> None:
        api, parts = self.server.api, self.path.removeprefix(_PREFIX).split("/")
        streams = self.headers.get("Lambda-Runtime-Function-Response-Mode", "").lower() == "streaming"
        if streams and parts[0] == "invocation" and parts[-1] == "response":
            write = api.on_stream(parts[1], self.headers.get("Content-Type") or "")
            if write:
                self._stream(parts[1], write)
                return
        body = self._body()
        error_type = self.headers.get("Lambda-Runtime-Function-Error-Type") or ""
        match parts:
            case ["init", "error"]:
                api.on_init_error(InvocationOutcome(body, "Unhandled", error_type))
                self._answer(202, {"status": "OK"})
            case ["invocation", request_id, "response"] if len(body) > PAYLOAD_LIMIT:
                message = f"Response payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
                api.on_outcome(request_id, InvocationOutcome.failed(TOO_LARGE, message))
                self._answer(
                    413, {"errorType": "RequestEntityTooLarge", "errorMessage": "Exceeded maximum allowed size"}
                )
            case ["invocation", request_id, "response"]:
                api.on_outcome(request_id, InvocationOutcome(body))
                self._answer(202, {"status": "OK"})
            case ["invocation", request_id, "error"]:
                api.on_outcome(request_id, InvocationOutcome(body, "Unhandled", error_type or "Unhandled"))
                self._answer(202, {"status": "OK"})
            case _:
                self._answer(404, {"errorType": "UnknownPath", "errorMessage": self.path})

    def _hung_up(self) -> bool:
        """Say whether the runtime that asked has died meanwhile: it sends nothing while it waits."""
        try:
            return not self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _stream(self, request_id: str, write: Callable[[bytes], None]) -> None:
        """Hand on a response piece by piece. A trailer says that it broke off, or the connection's end does."""
        trailers: dict[str, str] = {}
        try:
            for piece in self._pieces(trailers):
                write(piece)
        except (OSError, ValueError):
            self.close_connection = True
            failed = InvocationOutcome.failed("Runtime.TruncatedResponse", "the runtime ended the response too early")
            self.server.api.on_outcome(request_id, failed)
            return
        error_type = trailers.get("lambda-runtime-function-error-type", "")
        details = trailers.get("lambda-runtime-function-error-body", "").encode()
        self.server.api.on_outcome(request_id, InvocationOutcome(details, "", error_type))
        self._answer(202, {"status": "OK"})

    def _body(self) -> bytes:
        return b"".join(self._pieces({}))

    def _pieces(self, trailers: dict[str, str]) -> Iterator[bytes]:
        """Yield a request's body as it comes, and read what follows a chunked one. Raises `ValueError`: it was cut."""
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            left = size
            while left:
                piece = self.rfile.read1(left)
                if not piece:
                    raise ValueError("the body was cut off")
                left -= len(piece)
                yield piece
            self.rfile.readline()
        while line := self.rfile.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            trailers[name.strip().lower()] = value.strip()

    def _answer(self, status: int, body: dict[str, str]) -> None:
        self._write(status, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _write(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)
            self.wfile.flush()
