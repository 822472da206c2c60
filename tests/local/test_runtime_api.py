"""The Runtime API as a runtime sees it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asking import until

from localcloud.launchers.runtime_api import PAYLOAD_LIMIT, Invocation, RuntimeApi

BASE = "/2018-06-01/runtime/"
WORK = Invocation("id-1", b'{"a": 1}', "arn:aws:lambda:x", 123, "Root=1", '{"custom": {}}')


class Seen:
    """What the API told its owner."""

    def __init__(self) -> None:
        self.ready = 0
        self.taken: list[str] = []
        self.init_errors: list[Any] = []
        self.outcomes: list[Any] = []
        self.api = RuntimeApi(
            on_ready=self._on_ready,
            on_delivered=self.taken.append,
            on_init_error=self.init_errors.append,
            on_outcome=lambda request_id, outcome: self.outcomes.append((request_id, outcome)),
        )

    def _on_ready(self) -> None:
        self.ready += 1

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.api.address, timeout=10)
        connection.request(method, BASE + path, body, **options)
        answer = connection.getresponse()
        answer.payload = answer.read()  # type: ignore[attr-defined]
        connection.close()
        return answer


@pytest.fixture
def seen() -> Iterator[Seen]:
    made = Seen()
    yield made
    made.api.close()


def test_next_waits_for_work_and_carries_lambdas_headers(seen: Seen) -> None:
    threading.Timer(0.1, seen.api.offer, args=(WORK,)).start()
    answer = seen.request("GET", "invocation/next")
    assert (seen.ready, seen.taken) == (1, ["id-1"])
    assert answer.payload == WORK.payload  # type: ignore[attr-defined]
    assert {k: v for k, v in answer.getheaders() if k.startswith(("Lambda-", "Content-Type"))} == {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": "id-1",
        "Lambda-Runtime-Deadline-Ms": "123",
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:x",
        "Lambda-Runtime-Trace-Id": "Root=1",
        "Lambda-Runtime-Client-Context": '{"custom": {}}',
    }


def test_a_response_and_an_error_become_outcomes(seen: Seen) -> None:
    assert seen.request("POST", "invocation/id-1/response", b'"fine"').status == 202
    headers = {"Lambda-Runtime-Function-Error-Type": "Unhandled"}
    assert seen.request("POST", "invocation/id-2/error", b"{}", headers=headers).status == 202
    (first, fine), (second, bad) = seen.outcomes
    assert (first, fine.payload, fine.error) == ("id-1", b'"fine"', "")
    assert (second, bad.payload, bad.error) == ("id-2", b"{}", "Unhandled")


def test_a_chunked_response_is_read_whole(seen: Seen) -> None:
    seen.request("POST", "invocation/id-1/response", iter([b'"a', b"b", b'c"']), encode_chunked=True)
    assert seen.outcomes[0][1].payload == b'"abc"'


def test_a_failure_may_say_its_cause_in_a_header_of_a_megabyte(seen: Seen) -> None:
    headers = {"Lambda-Runtime-Function-XRay-Error-Cause": "x" * (1 << 20), "Expect": "100-continue"}
    assert (
        seen.request("POST", "invocation/id-1/error", b'{"errorType": "RecursionError"}', headers=headers).status == 202
    )
    assert seen.outcomes[0][1].payload == b'{"errorType": "RecursionError"}'


def test_what_is_no_request_is_told_so(seen: Seen) -> None:
    host, _, port = seen.api.address.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_response_over_the_limit_is_refused_to_both_sides(seen: Seen) -> None:
    assert seen.request("POST", "invocation/id-1/response", b"x" * (PAYLOAD_LIMIT + 1)).status == 413
    outcome = seen.outcomes[0][1]
    assert json.loads(outcome.payload)["errorType"] == outcome.error_type == "Function.ResponseSizeTooLarge"


def test_an_init_error_is_passed_on(seen: Seen) -> None:
    headers = {"Lambda-Runtime-Function-Error-Type": "Runtime.ImportModuleError"}
    assert seen.request("POST", "init/error", b'{"errorMessage": "no"}', headers=headers).status == 202
    assert (seen.init_errors[0].error_type, seen.init_errors[0].error) == ("Runtime.ImportModuleError", "Unhandled")


def test_other_paths_are_not_found(seen: Seen) -> None:
    assert seen.request("GET", "invocation/last").status == 404
    assert seen.request("POST", "nowhere", b"").status == 404


def test_closing_frees_a_runtime_that_waits(seen: Seen) -> None:
    failures: list[BaseException] = []

    def wait() -> None:
        try:
            seen.request("GET", "invocation/next")
        except (http.client.HTTPException, OSError) as error:
            failures.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not seen.ready:
        pass
    seen.api.close()
    waiting.join(60)
    assert not waiting.is_alive()
    assert failures


class StreamSeen(Seen):
    """Takes streamed responses piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.content_types: list[str] = []
        self.api.on_stream = self._on_stream

    def _on_stream(self, _request_id: str, content_type: str) -> Any:
        self.content_types.append(content_type)
        return self.pieces.append

    def send(self, body: bytes) -> bytes:
        """Send a streamed response as it stands on the wire; return what is answered."""
        host, _, port = self.api.address.partition(":")
        lines = [f"POST {BASE}invocation/id-1/response HTTP/1.1", "Content-Type: text/plain", "Connection: close"]
        lines += ["Transfer-Encoding: chunked", "Lambda-Runtime-Function-Response-Mode: streaming", "", ""]
        with socket.create_connection((host, int(port)), timeout=10) as sock:
            sock.sendall("\r\n".join(lines).encode() + body)
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.fixture
def stream_seen() -> Iterator[StreamSeen]:
    made = StreamSeen()
    yield made
    made.api.close()


def test_a_streamed_response_comes_in_pieces_and_a_trailer_says_that_it_broke_off(stream_seen: StreamSeen) -> None:
    trailers = b"Lambda-Runtime-Function-Error-Type: App.Broken\r\nLambda-Runtime-Function-Error-Body: eyJ9\r\n"
    answer = stream_seen.send(b"3\r\none\r\n3\r\ntwo\r\n0\r\n" + trailers + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 202")
    assert (stream_seen.pieces, stream_seen.content_types) == ([b"one", b"two"], ["text/plain"])
    ((request_id, outcome),) = stream_seen.outcomes
    assert (request_id, outcome.error, outcome.error_type, outcome.payload) == ("id-1", "", "App.Broken", b"eyJ9")


@pytest.mark.parametrize("body", [b"3\r\none\r\n", b"9\r\none", b"", b"no number\r\n"])
def test_a_streamed_response_that_is_cut_off_is_a_failure(stream_seen: StreamSeen, body: bytes) -> None:
    stream_seen.send(body)
    until(lambda: stream_seen.outcomes, bool)
    ((_, outcome),) = stream_seen.outcomes
    assert (outcome.error, outcome.error_type) == ("Unhandled", "Runtime.TruncatedResponse")
