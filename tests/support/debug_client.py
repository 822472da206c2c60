"""A debugger as an editor has one: it speaks the Debug Adapter Protocol to a port.

https://microsoft.github.io/debug-adapter-protocol/specification
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SECONDS = 60


class DebugClient:
    """A session that is attached to `port`."""

    def __init__(self, port: int) -> None:
        ends = time.monotonic() + _SECONDS
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), _SECONDS)
                break
            except OSError:
                assert time.monotonic() < ends, "nothing listens for a debugger"
                time.sleep(0.05)
        self._file = self._socket.makefile("rb")
        self._number = 0
        self._events: list[dict[str, Any]] = []
        self.request("initialize", adapterID="test", pathFormat="path", linesStartAt1=True)
        self._send("attach", justMyCode=True)
        self.event("initialized")

    def break_at(self, file: Path, line: int) -> None:
        """Set one breakpoint, and let the function go on."""
        answer = self.request("setBreakpoints", source={"path": str(file)}, breakpoints=[{"line": line}])
        assert answer["breakpoints"][0]["verified"], answer
        self.request("configurationDone")

    def value_where_stopped(self, expression: str, meanwhile: Callable[[], object]) -> str:
        """Wait until the function stops, evaluate an expression there, do something else, and let it go on."""
        thread = self.event("stopped")["threadId"]
        frame = self.request("stackTrace", threadId=thread)["stackFrames"][0]
        value = str(self.request("evaluate", expression=expression, frameId=frame["id"])["result"])
        meanwhile()
        self.request("continue", threadId=thread)
        return value

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def request(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Send a request and return its answer's body."""
        number = self._send(command, **arguments)
        while True:
            message = self._read()
            if message["type"] == "response" and message["request_seq"] == number:
                assert message["success"], message
                return message.get("body") or {}
            self._events.append(message)

    def event(self, name: str) -> dict[str, Any]:
        """Wait for an event and return its body."""
        while True:
            for message in self._events:
                if message["type"] == "event" and message["event"] == name:
                    self._events.remove(message)
                    return message.get("body") or {}
            self._events.append(self._read())

    def _send(self, command: str, **arguments: Any) -> int:
        self._number += 1
        message = {"seq": self._number, "type": "request", "command": command, "arguments": arguments}
        data = json.dumps(message).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        return self._number

    def _read(self) -> dict[str, Any]:
        length = 0
        while line := self._file.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        message: dict[str, Any] = json.loads(self._file.read(length))
        return message
