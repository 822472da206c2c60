"""A proxy before a Unix socket that can be cut: an engine that goes away in the middle of things."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path


class Cuttable:
    """Passes bytes both ways until `cut()`."""

    def __init__(self, listens: Path, target: str) -> None:
        self.host = f"unix://{listens}"
        self._target = target.removeprefix("unix://")
        self._open: list[socket.socket] = []
        self._gone = False
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(listens))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._gone = True
        for one in [self._server, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = self._server.accept()[0]
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._open += [near, far]
                if self._gone:
                    self.cut()
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def before(folder: Path, host: str) -> Iterator[Cuttable]:
    """Stand a proxy before the engine at `host`."""
    proxy = Cuttable(folder / "proxy.sock", host)
    try:
        yield proxy
    finally:
        proxy.cut()
