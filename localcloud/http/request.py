"""Read an HTTP/1.1 request: its headers, and its body as it comes. Refuse what is none.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import io
import re
import socket
import time
from http import HTTPStatus
from typing import Any

from localcloud.cloud import Environ

MAX_LINE = 65536
MAX_HEADERS = 200
MAX_HEAD = 1 << 20  # bytes of all headers together
_LINGER_SECONDS = 1.0
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_DIGITS = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")


class ClientGoneError(ConnectionError):
    """The client went away, or sent what is no body. Nobody is there to be answered."""


class BadRequest(ClientGoneError):  # noqa: N818 - becomes an answer
    """What the client sent is no request. It gets a 4xx, and the connection ends."""

    def __init__(self, why: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(why)
        self.status = status


class Body(io.RawIOBase):
    """The request's body: ends by itself, sends 100-continue when the app begins to read."""

    def __init__(self, rfile: io.BufferedIOBase, sock: socket.socket, length: int | None, *, expects: bool) -> None:
        self._rfile = rfile
        self._sock = sock
        self._left = length or 0
        self._chunked = length is None
        self._done = length == 0
        self._expects = expects

    def readable(self) -> bool:
        """Say that it is for reading, as `io` asks."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has come so far, or 0 at the end. Raises `ClientGoneError`, and `BadRequest` for a wrong chunk."""
        if self._expects:
            self._expects = False
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._chunked and not self._done and self._left == 0:
            self._next_chunk()
        if self._done:
            return 0
        data = self._rfile.read(min(len(buffer), self._left))
        if not data:
            raise ClientGoneError("the client went away in the middle of a body")
        self._left -= len(data)
        if self._left == 0:
            if self._chunked:
                self._rfile.readline(MAX_LINE)
            else:
                self._done = True
        buffer[: len(data)] = data
        return len(data)

    def _next_chunk(self) -> None:
        line = self._rfile.readline(MAX_LINE)
        if not line:
            raise ClientGoneError("the client went away in the middle of a body")
        size = line.split(b";")[0].strip()
        if not _CHUNK_SIZE.fullmatch(size):
            raise BadRequest("a chunk of the request's body has no size")
        self._left = int(size, 16)
        if self._left == 0:
            self._done = True
            while self._rfile.readline(MAX_LINE) not in (b"\r\n", b"\n", b""):
                pass

    def drain(self) -> bool:
        """Read what the app left, or False when the connection is better closed."""
        if self._expects and not self._done:
            return False  # the client never sent it
        try:
            while self.read(MAX_LINE):
                pass
        except ClientGoneError:
            return False  # it was answered already
        return True


def body_length(environ: Environ, *, chunked: bool) -> int | None:
    """Return the length of the body, or None for one in chunks, whatever is said beside it (RFC 9112, 6.3).

    Raises `BadRequest`.
    """
    lengths = {part.strip() for part in environ.get("CONTENT_LENGTH", "0").split(",")}
    if len(lengths) > 1 or not _DIGITS.fullmatch(text := lengths.pop()):
        raise BadRequest("Content-Length is not one number")
    if chunked:
        environ.pop("CONTENT_LENGTH", None)
        return None
    return int(text)


def read_headers(rfile: io.BufferedIOBase) -> list[tuple[str, str]]:
    """Read headers up to the empty line, in their order. Raises `BadRequest`."""
    headers: list[tuple[str, str]] = []
    size = 0
    while (line := rfile.readline(MAX_LINE)) not in (b"\r\n", b"\n", b""):
        size += len(line)
        if len(line) == MAX_LINE or size > MAX_HEAD or len(headers) >= MAX_HEADERS:
            raise BadRequest("too large or too many headers", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not TOKEN.fullmatch(name):
            raise BadRequest("malformed headers")
        headers.append((name, value.strip()))
    return headers


def refuse(sock: socket.socket, error: BadRequest) -> None:
    """Answer what is no request, and let the client read that: closing at once would cut it off."""
    body = f"{error}\n".encode()
    head = f"HTTP/1.1 {error.status.value} {error.status.phrase}\r\nContent-Type: text/plain\r\n"
    sock.sendall(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
    sock.shutdown(socket.SHUT_WR)
    sock.settimeout(_LINGER_SECONDS)
    end = time.monotonic() + _LINGER_SECONDS
    while time.monotonic() < end and sock.recv(MAX_LINE):
        pass
