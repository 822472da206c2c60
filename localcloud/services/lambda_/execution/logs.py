"""What an execution environment writes to CloudWatch Logs: the function's lines, and Lambda's own around them.

In the format that the function's LoggingConfig asks for
(https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html).
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import uuid4

from localcloud.authorization.model import AccessRequest
from localcloud.services.lambda_.model import FunctionKey
from stepladder.core.names import partition_of

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

_GATHER = 0.02  # seconds: lines of an invocation go together
_BATCH = 1000


class Stream(NamedTuple):
    """Where lines go, and the role and the function in whose name."""

    account: str
    region: str
    group: str
    name: str
    role: str = ""
    function: str = ""


class Writer(Protocol):
    """Takes lines, in order."""

    def put(self, stream: Stream, message: str) -> None:
        """Take a line. Its time is now."""


class LogWriter:
    """Writes lines in the background, in order, making groups and streams as they are needed."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._queue: queue.SimpleQueue[tuple[Stream, int, str] | threading.Event] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True, name="lambda-logs").start()

    def put(self, stream: Stream, message: str) -> None:
        """Queue a line. Its time is now."""
        self._queue.put((stream, time.time_ns() // 1_000_000, message))

    def flush(self, timeout: float = 5.0) -> None:
        """Wait until all that was put before has been written."""
        done = threading.Event()
        self._queue.put(done)
        done.wait(timeout)

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if not isinstance(first, threading.Event):
                time.sleep(_GATHER)
            waiting, items = [], [first]
            while not self._queue.empty() and len(items) < _BATCH:
                items.append(self._queue.get())
            streams: dict[Stream, list[dict[str, Any]]] = defaultdict(list)
            for item in items:
                if isinstance(item, threading.Event):
                    waiting.append(item)
                else:
                    streams[item[0]].append({"timestamp": item[1], "message": item[2]})
            for stream, events in streams.items():
                self._write(stream, events)
            for event in waiting:
                event.set()

    def _write(self, stream: Stream, events: list[dict[str, Any]]) -> None:
        """Put events straight into Moto's store: by a call, they would cost as much as all else an invocation does."""
        from moto.logs.models import logs_backends

        try:
            with self._cloud.serialised("logs"):
                store = logs_backends[stream.account][stream.region]
                group = store.groups.get(stream.group)  # each time: somebody may have deleted it
                actions = [] if group else ["CreateLogGroup"]
                actions += [] if group and stream.name in group.streams else ["CreateLogStream"]
                if self._refusal(stream, (*actions, "PutLogEvents")):
                    return  # the function runs on, without a log
                store.ensure_log_group(stream.group)
                if stream.name not in store.groups[stream.group].streams:
                    store.create_log_stream(stream.group, stream.name)
                store.put_log_events(stream.group, stream.name, events)
        except Exception as error:  # noqa: BLE001 - the one thread that writes logs must go on
            reason = f"{type(error).__name__}: {error}"
            print(f"log lines of {stream.group} are lost: {reason}", flush=True)  # noqa: T201 - the cloud's own log

    def _refusal(self, stream: Stream, actions: tuple[str, ...]) -> str:
        """Return why the function's role may not write, or an empty text."""
        access = self._cloud.access
        if not stream.role or access.mode == "off":
            return ""
        arn = f"arn:{partition_of(stream.region)}:logs:{stream.region}:{stream.account}:log-group:{stream.group}"
        caller = access.role_session(stream.role, stream.function)
        for action in actions:
            resource = f"{arn}:log-stream:{stream.name}" if action == "PutLogEvents" else arn
            also = () if action == "PutLogEvents" else (f"{arn}:*", f"{arn}:log-stream:{stream.name}")
            if why := access.refusal(AccessRequest(f"logs:{action}", resource, also=also), caller):
                return why
        return ""


@dataclass
class Journal:
    """One environment's log: a stream of its own, and the text of the current invocation for `LogType=Tail`."""

    writer: Writer
    stream: Stream
    json: bool
    version: str

    def __post_init__(self) -> None:
        self._tail: list[str] = []

    @classmethod
    def open(cls, writer: Writer, key: FunctionKey, version: str, logging: dict[str, str], role: str = "") -> Journal:
        """Name a new stream: `YYYY/MM/DD/[version]<32 hex>`."""
        name = f"{datetime.now(UTC):%Y/%m/%d}/[{version}]{uuid4().hex}"
        stream = Stream(key.account, key.region, logging["LogGroup"], name, role, key.name)
        return cls(writer, stream, logging["LogFormat"] == "JSON", version)

    def line(self, text: str) -> None:
        """Write a line."""
        if text:
            self._tail.append(text)
            self.writer.put(self.stream, text)

    def tail(self) -> bytes:
        """Return the last 4 KB since the invocation began, and begin anew."""
        text, self._tail = "\n".join(self._tail), []
        return text.encode()[-4096:]

    def start(self, request_id: str) -> None:
        """Write START."""
        if self.json:
            self._platform("start", {"requestId": request_id, "version": self.version})
        else:
            self.line(f"START RequestId: {request_id} Version: {self.version}")

    def report(
        self, request_id: str, *, duration: float, init: float | None, memory: int, used: int, error: str
    ) -> None:
        """Write END and REPORT. Times in milliseconds, memory in MB. `error` is the errorType, or empty."""
        billed = int(duration + (init or 0)) + 1
        if self.json:
            metrics = {"durationMs": round(duration, 3), "billedDurationMs": billed, "memorySizeMB": memory}
            metrics["maxMemoryUsedMB"] = used
            if init is not None:
                metrics["initDurationMs"] = round(init, 3)
            status = {"": "success", "Sandbox.Timedout": "timeout"}.get(error, "error")
            record = {"requestId": request_id, "metrics": metrics, "status": status}
            self._platform("report", {**record, "errorType": error} if status == "error" else record)
            return
        self.line(f"END RequestId: {request_id}")
        text = f"REPORT RequestId: {request_id}\tDuration: {duration:.2f} ms\tBilled Duration: {billed} ms\t"
        text += f"Memory Size: {memory} MB\tMax Memory Used: {used} MB\t"
        if init is not None:
            text += f"Init Duration: {init:.2f} ms\t"
        if error:
            text += "Status: timeout" if error == "Sandbox.Timedout" else f"Status: error\tError Type: {error}"
        self.line(text)

    def _platform(self, kind: str, record: dict[str, Any]) -> None:
        self.line(json.dumps({"time": iso(), "type": f"platform.{kind}", "record": record}))


def iso() -> str:
    """Return the time as log lines have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
