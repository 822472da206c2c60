"""A browser that a test drives: pages at a phone's width, in either theme, with what they request and complain of.

Chromium speaks its DevTools protocol over two pipes (`--remote-debugging-pipe`): JSON with a zero byte after each.
https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser

from stepladder.core.process import die_with_parent

_DEADLINE = 60.0


class Page:
    """One tab: `requests` are the URLs that it loaded, `complaints` what its console and the browser's log hold."""

    def __init__(self, writer: int, reader: int) -> None:
        self._writer, self._reader, self._buffer, self._count, self._session = writer, reader, b"", 0, ""
        self._events: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self._call(f"{domain}.enable")

    def show(self, url: str, *, width: int, theme: str = "light", height: int = 900) -> None:
        """Load a page in a window of that width, until its load event and two frames after it."""
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self._call("Emulation.setEmulatedMedia", features=features)
        self._events.clear()
        self._call("Page.navigate", url=url)
        self._until("Page.loadEventFired")
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def run(self, script: str) -> Any:
        """Return what an expression gives; a promise is awaited."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def picture(self, file: Path) -> None:
        """Write what the window shows as a PNG."""
        file.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        number = self._count
        while True:
            received = self._receive()
            if received.get("id") == number:
                if "error" in received:
                    raise AssertionError(f"{method}: {received['error']}")
                return received["result"]
            self._note(received)

    def _until(self, event: str) -> None:
        while not any(each["method"] == event for each in self._events):
            self._note(self._receive())

    def _note(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        params = event.get("params", {})
        match event["method"]:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(
                    f"{params['entry']['level']}: {params['entry']['text']} {params['entry'].get('url', '')}".rstrip()
                )
            case "Runtime.exceptionThrown":
                self.complaints.append(f"exception: {params['exceptionDetails']['text']}")
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning"}:
                self.complaints.append(f"{params['type']}: {params['args']}")

    def _receive(self) -> dict[str, Any]:
        end = time.monotonic() + _DEADLINE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._reader], [], [], max(0, end - time.monotonic()))
            part = os.read(self._reader, 1 << 16) if ready else b""
            if not part:
                raise AssertionError("the browser ended, or does not answer")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


@contextlib.contextmanager
def opened() -> Iterator[Page]:
    """Start a browser that knows nothing, give a tab of it, and end it with the block."""
    ours, theirs = os.pipe(), os.pipe()  # the browser reads the first, and writes the second
    with tempfile.TemporaryDirectory(prefix="stepladder-browser-", ignore_cleanup_errors=True) as profile:

        def prepare() -> None:
            if sys.platform == "linux":
                die_with_parent()
            # 3 and 4 are Chromium's; the copies can't be among them
            reads, writes = os.dup2(ours[0], 30), os.dup2(theirs[1], 31)
            os.dup2(reads, 3)
            os.dup2(writes, 4)

        child = subprocess.Popen(
            [browser.path_of_browser(), *browser.FLAGS, f"--user-data-dir={profile}", "--remote-debugging-pipe"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")},
            close_fds=False,
            preexec_fn=prepare,  # noqa: PLW1509 - two copies of descriptors
        )
        os.close(ours[0])
        os.close(theirs[1])
        try:
            yield Page(ours[1], theirs[0])
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(5)
            os.close(ours[1])
            os.close(theirs[0])
