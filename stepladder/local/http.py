"""An HTTP/1.1 server for one WSGI app: a thread for each connection, kept alive, one write for each answer.

Why not a ready-made one (docs/decisions): Werkzeug's closes every connection and writes headers and body apart,
which costs 40 ms with Nagle's algorithm; pooled servers (Waitress, Cheroot) run out of threads when Runtime API clients
poll; and faults need to cut a connection in the middle.
"""

from __future__ import annotations

import contextlib
import io
import socket
import sys
import threading
import traceback
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from stepladder.local.cloud import Environ, WsgiApp

MAX_LINE = 65536
MAX_HEADERS = 200
IDLE_SECONDS = 300.0


class ConnectionCut(Exception):  # noqa: N818 - an order, not an error
    """Raise it in the app to cut the connection without an answer."""


class ClientGoneError(ConnectionError):
    """The client went away, or sent what is no body; nobody is there to be answered."""


class _BadRequest(Exception):  # noqa: N818 - private, becomes a 400
    pass


class _Body(io.RawIOBase):
    """The request's body: ends by itself, says 100-continue when somebody begins to read."""

    def __init__(self, rfile: io.BufferedIOBase, sock: socket.socket, length: int | None, *, expects: bool) -> None:
        self._rfile = rfile
        self._sock = sock
        self._left = length or 0
        self._chunked = length is None
        self._done = length == 0
        self._expects = expects

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
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
        try:
            self._left = int(self._rfile.readline(MAX_LINE).split(b";")[0], 16)
        except ValueError:
            raise ClientGoneError("a chunk of the request's body has no size") from None
        if self._left == 0:
            self._done = True
            while self._rfile.readline(MAX_LINE) not in (b"\r\n", b"\n", b""):
                pass

    def drain(self) -> bool:
        """Read what the app left; False when the connection is better closed."""
        if self._expects and not self._done:
            return False  # the client never sent it
        while self.read(MAX_LINE):
            pass
        return True


class Server:
    """Serve `app` on `host`:`port` (0: any free port) until `stop`."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_server((host, port), backlog=256)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self.app: WsgiApp = lambda _environ, _start: []
        self._stopping = False

    def serve(self, app: WsgiApp) -> None:
        """Accept connections until `stop`; each gets a thread."""
        self.app = app
        while not self._stopping:
            try:
                connection, address = self._socket.accept()
            except OSError:
                break
            threading.Thread(target=self._converse, args=(connection, address), daemon=True).start()

    def stop(self) -> None:
        """Take no further connections."""
        self._stopping = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _converse(self, sock: socket.socket, address: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(IDLE_SECONDS)
        rfile = io.BufferedReader(socket.SocketIO(sock, "r"), MAX_LINE)
        try:
            while not self._stopping and self._one(sock, rfile, address):
                pass
        except (OSError, ConnectionCut):
            pass  # the client went away, or a fault said so
        except _BadRequest as error:
            with contextlib.suppress(OSError):
                sock.sendall(f"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nX-Why: {error}\r\n\r\n".encode())
        finally:
            with contextlib.suppress(OSError):
                rfile.close()
                sock.close()

    def _one(self, sock: socket.socket, rfile: io.BufferedIOBase, address: Any) -> bool:
        """Read and answer one request; return whether the connection stays."""
        line = rfile.readline(MAX_LINE)
        if not line.strip():
            return bool(line)  # a stray empty line between requests is allowed (RFC 9112, 2.2)
        environ, body, keep = self._read(line, rfile, sock, address)
        answer = _Answer(sock, head=environ["REQUEST_METHOD"] == "HEAD", keep=keep)
        try:
            chunks = self.app(environ, answer.start)
        except (ConnectionCut, ClientGoneError):
            raise
        except Exception:  # noqa: BLE001 - the connection's last line of defence
            traceback.print_exc(file=sys.stderr)
            answer.start("500 Internal Server Error", [("Content-Length", "0")])
            chunks = []
        try:
            answer.send(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        return body.drain() and answer.keep

    def _read(
        self, line: bytes, rfile: io.BufferedIOBase, sock: socket.socket, address: Any
    ) -> tuple[Environ, _Body, bool]:
        try:
            method, target, version = line.decode("latin-1").split()
        except ValueError:
            raise _BadRequest("no request line") from None
        headers = _headers(rfile)
        path, _, query = target.partition("?")
        if path.startswith("http://"):
            path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"  # noqa: PLR2004 - scheme://host/path
        environ: Environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": target,
            "REQUEST_URI": target,
            "SERVER_NAME": self.host,
            "SERVER_PORT": str(self.port),
            "SERVER_PROTOCOL": version,
            "REMOTE_ADDR": address[0],
            "REMOTE_PORT": str(address[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }
        kept_names: dict[str, str] = {}
        for name, value in headers:
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
            if "_" in name:
                kept_names[key] = name  # S3 metadata keys may have underscores, and Moto wants them back
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        environ["moto.preserved_header_names"] = kept_names
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        length = None if chunked else int(environ.get("CONTENT_LENGTH") or 0)
        expects = environ.get("HTTP_EXPECT", "").lower() == "100-continue"
        body = _Body(rfile, sock, length, expects=expects)
        environ["wsgi.input"] = io.BufferedReader(body, MAX_LINE)
        wish = environ.get("HTTP_CONNECTION", "").lower()
        keep = wish != "close" and (version == "HTTP/1.1" or wish == "keep-alive")
        return environ, body, keep


def _headers(rfile: io.BufferedIOBase) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    while (line := rfile.readline(MAX_LINE)) not in (b"\r\n", b"\n", b""):
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or len(headers) >= MAX_HEADERS:
            raise _BadRequest("malformed or too many headers")
        headers.append((name.strip(), value.strip()))
    return headers


class _Answer:
    """Status and headers, kept back so that they leave together with the body."""

    def __init__(self, sock: socket.socket, *, head: bool, keep: bool) -> None:
        self._sock = sock
        self._head = head
        self.keep = keep
        self._status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        self._lines: list[str] = []
        self._sized = False

    def start(self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
        """WSGI's start_response."""
        self._status = int(status.split(" ", 1)[0])
        self._lines = [f"HTTP/1.1 {status}"]
        for name, value in headers:
            lower = name.lower()
            if lower in ("connection", "transfer-encoding", "keep-alive"):
                continue
            self._sized |= lower == "content-length"
            self._lines.append(f"{name}: {value}")
        return self._refuse

    @staticmethod
    def _refuse(_data: bytes) -> None:
        raise NotImplementedError("WSGI's write() is not offered")

    def send(self, chunks: Iterable[bytes]) -> None:
        """Send the answer: in one write when it is one piece, else chunked as it comes."""
        bodiless = self._head or self._status in (204, 304)
        if not self.keep:
            self._lines.append("Connection: close")
        if bodiless or isinstance(chunks, list | tuple):
            body = b"" if bodiless else b"".join(chunks)
            if not self._sized and self._status not in (204, 304):
                size = sum(len(c) for c in chunks) if isinstance(chunks, list | tuple) else 0
                self._lines.append(f"Content-Length: {size}")
            self._sock.sendall(self._head_bytes() + body)
        elif self._sized:
            self._stream_sized(chunks)
        else:
            self._stream_chunked(chunks)

    def _stream_sized(self, chunks: Iterable[bytes]) -> None:
        pending = self._head_bytes()
        for chunk in chunks:
            self._sock.sendall(pending + chunk)
            pending = b""
        if pending:
            self._sock.sendall(pending)

    def _stream_chunked(self, chunks: Iterable[bytes]) -> None:
        self._lines.append("Transfer-Encoding: chunked")
        pending = self._head_bytes()
        for chunk in chunks:
            if chunk:
                self._sock.sendall(pending + b"%x\r\n%s\r\n" % (len(chunk), chunk))
                pending = b""
        self._sock.sendall(pending + b"0\r\n\r\n")

    def _head_bytes(self) -> bytes:
        return ("\r\n".join(self._lines) + "\r\n\r\n").encode("latin-1")
