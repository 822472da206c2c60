"""The HTTP server itself: what is no request is told so, and nothing leaves in two pieces."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from localcloud.http.server import Server

Talk = Callable[[bytes], str]


def app(environ, start_response):
    """Answer with the length of the body; a path of /broken-... breaks the head."""
    kind = environ["PATH_INFO"]
    body = b"" if kind == "/unread" else environ["wsgi.input"].read()
    headers = {"/split": [("X-Own", "a\r\nSet-Cookie: b=1")], "/letters": [("X-Own", "€")], "/name": [("X Own", "a")]}
    start_response("204 No Content" if kind == "/204" else "200 OK", headers.get(kind, [("Content-Length", "99")][:0]))
    return [str(len(body)).encode()]


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server("127.0.0.1", 0)
    thread = threading.Thread(target=server.serve, args=(app,), daemon=True)
    thread.start()
    yield server
    server.stop()
    thread.join(60)


@pytest.fixture
def talk(server: Server) -> Talk:
    """Send bytes, say that they are all, and return all that comes back."""

    def send(data: bytes) -> str:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: sock.recv(65536), b"")).decode("latin-1")

    return send


POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        *(
            b"Content-Length: " + n + b"\r\n\r\nabcde"
            for n in (b"abc", b"-5", b"+5", b"5, 6", b"5.0", b"0x5", b"", b"5 5")
        ),
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
        b"Content-Length: 99999999999999999999\r\n\r\nabcde",
        *(
            b"Transfer-Encoding: chunked\r\n\r\n" + n + b"\r\nabcde\r\n0\r\n\r\n"
            for n in (b"-5", b"", b"x", b"0x5", b"5 5")
        ),
        b"X Own: a\r\n\r\n",
        b"X-Own : a\r\n\r\n",
        b" folded: a\r\n\r\n",
        b"no colon\r\n\r\n",
        b": a\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_with_400(talk: Talk, rest: bytes) -> None:
    answer = talk(POST + rest)
    assert answer.startswith("HTTP/1.1 400 Bad Request\r\n")
    assert answer.count("HTTP/1.1 ") == 1
    assert "\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", "414"),
        (POST + b"X-Own: " + b"a" * 70_000 + b"\r\n\r\n", "431"),
        (POST + b"X-Own: a\r\n" * 300 + b"\r\n", "431"),
        (POST + (b"X-Own: " + b"a" * 60_000 + b"\r\n") * 30 + b"\r\n", "431"),
        (b"nonsense\r\n\r\n", "400"),
    ],
    ids=["a long target", "a long header", "many headers", "large headers together", "nonsense"],
)
def test_a_head_that_is_too_large_is_answered(talk: Talk, request_: bytes, status: str) -> None:
    answer = talk(request_)
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert answer.count("HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
        b"Content-Length: 5, 5\r\n\r\nabcde",
        b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nabcde\r\n0\r\nTrailer: a\r\n\r\n",
        b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    ],
    ids=["the same length twice", "the same length listed twice", "chunks", "chunks, and a length beside"],
)
def test_a_body_is_read_to_its_end_and_the_next_request_after_it(talk: Talk, rest: bytes) -> None:
    answer = talk(POST + rest + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert [part.rpartition("\r\n\r\n")[2] for part in answer.split("HTTP/1.1 ")[1:]] == ["5", "0"]


def test_a_bad_body_that_nobody_read_ends_the_connection_after_one_answer(talk: Talk) -> None:
    answer = talk(
        b"POST /unread HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    )
    assert answer.count("HTTP/1.1 ") == 1


@pytest.mark.parametrize("path", ["split", "letters", "name"])
def test_a_head_that_would_break_is_an_error_and_not_two_answers(talk: Talk, path: str) -> None:
    answer = talk(f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith("HTTP/1.1 500 ")
    assert "Set-Cookie" not in answer


def test_an_answer_without_content_says_no_length(talk: Talk) -> None:
    answer = talk(b"GET /204 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert "content-length" not in answer.lower()
    assert answer.endswith("\r\n\r\n")


def test_running_out_of_file_descriptors_does_not_end_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server("127.0.0.1", 0)
    accept, failures = server._socket.accept, [OSError(errno.EMFILE, "Too many open files")] * 3

    class Scarce:
        """The listening socket of a process that is out of file descriptors for three accepts."""

        def accept(self):
            if failures:
                raise failures.pop()
            return accept()

        def __getattr__(self, name):
            return getattr(listening, name)

    listening = server._socket
    monkeypatch.setattr(server, "_socket", Scarce())
    thread = threading.Thread(target=server.serve, args=(app,), daemon=True)
    thread.start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
    server.stop()
    thread.join(60)
    assert not thread.is_alive()
