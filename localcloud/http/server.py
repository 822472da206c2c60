"""An HTTP/1.1 server for one WSGI app: a thread for each connection, kept alive, one write for each answer.

Why not a ready-made one (docs/decisions): Werkzeug's closes every connection and writes headers and body apart,
which costs 40 ms with Nagle's algorithm. Pooled servers (Waitress, Cheroot) run out of threads when Runtime API clients
poll. Faults need to cut a connection in the middle.
"""

from __future__ import annotations

import contextlib
import io
import socket
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from localcloud.cloud import Environ, WsgiApp
from localcloud.http.request import (
    MAX_LINE,
    TOKEN,
    BadRequest,
    Body,
    ClientGoneError,
    body_length,
    read_headers,
    refuse,
)

IDLE_SECONDS = 300.0
_PAUSE_SECONDS = 0.1
_BODILESS = (204, 304)


class ConnectionCut(Exception):  # noqa: N818 - an order, not an error
    """Raise it in the app to cut the connection without an answer."""


class Server:
    """Serve `app` on `host`:`port` (0: any free port) until `stop`."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_server((host, port), backlog=256)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self.app: WsgiApp = lambda _environ, _start: []
        self._stopping = False

    def serve(self, app: WsgiApp) -> None:
        """Accept connections until `stop`. Each gets a thread."""
        self.app = app
        while not self._stopping:
            try:
                connection, address = self._socket.accept()
            except OSError:  # out of file descriptors, or a client that hung up: neither lasts
                if not self._stopping:
                    time.sleep(_PAUSE_SECONDS)
                continue
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
            while not self._stopping and self._serve_one(sock, rfile, address):
                pass
        except BadRequest as error:
            with contextlib.suppress(OSError):
                refuse(sock, error)
        except (OSError, ConnectionCut):
            pass  # the client went away, or a fault said so
        finally:
            with contextlib.suppress(OSError):
                rfile.close()
                sock.close()

    def _serve_one(self, sock: socket.socket, rfile: io.BufferedIOBase, address: Any) -> bool:
        """Read and answer one request. Return whether the connection stays."""
        line = rfile.readline(MAX_LINE)
        if not line.strip():
            return bool(line)  # a stray empty line between requests is allowed (RFC 9112, 2.2)
        if len(line) == MAX_LINE:
            raise BadRequest("the request line is too long", HTTPStatus.REQUEST_URI_TOO_LONG)
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
    ) -> tuple[Environ, Body, bool]:
        try:
            method, target, version = line.decode("latin-1").split()
        except ValueError:
            raise BadRequest("no request line") from None
        headers = read_headers(rfile)
        path, _, query = target.partition("?")
        if path.startswith("http://"):
            path = "/" + path.split("/", 3)[3] if path.count("/") > 2 else "/"  # noqa: PLR2004 - scheme://host/path
            target = f"{path}?{query}" if query else path
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
            between = "; " if key == "HTTP_COOKIE" else ","
            environ[key] = f"{environ[key]}{between}{value}" if key in environ else value
        environ["moto.preserved_header_names"] = kept_names
        environ["stepladder.headers"] = headers
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        length = body_length(environ, chunked=chunked)
        expects = environ.get("HTTP_EXPECT", "").lower() == "100-continue"
        body = Body(rfile, sock, length, expects=expects)
        environ["wsgi.input"] = io.BufferedReader(body, MAX_LINE)
        wish = environ.get("HTTP_CONNECTION", "").lower()
        keep = wish != "close" and (version == "HTTP/1.1" or wish == "keep-alive")
        return environ, body, keep


def reason(status: int) -> str:
    """Return the words for a status that HTTP knows."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def is_header(name: str, value: str) -> bool:
    """Say whether a name and a value may leave as a header: a line break in them would end it, or the whole head."""
    controls = any((ch < " " and ch != "\t") or ch == "\x7f" for ch in value)
    return bool(TOKEN.fullmatch(name)) and not controls and all(ord(ch) < 256 for ch in value)  # noqa: PLR2004 - a byte


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
        self._sized = False
        for name, value in headers:
            lower = name.lower()
            if lower in ("connection", "transfer-encoding", "keep-alive"):
                continue
            if lower == "content-length" and self._status == HTTPStatus.NO_CONTENT:
                continue  # RFC 9110, 8.6
            if not is_header(name, value):
                raise ValueError(f"no header of HTTP: {name!r}")
            self._sized |= lower == "content-length"
            self._lines.append(f"{name}: {value}")
        return self._refuse

    @staticmethod
    def _refuse(_data: bytes) -> None:
        raise NotImplementedError("WSGI's write() is not offered")

    def send(self, chunks: Iterable[bytes]) -> None:
        """Send the answer: in one write when it is one piece, else chunked as it comes."""
        bodiless = self._head or self._status in _BODILESS
        if not self.keep:
            self._lines.append("Connection: close")
        if bodiless or isinstance(chunks, list | tuple):
            body = b"" if bodiless else b"".join(chunks)
            if not self._sized and self._status not in _BODILESS:
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
