"""A build's lines on their way to CloudWatch Logs, with the project's role."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from localcloud.cloud import ServiceError
from localcloud.services.codebuild.environment import Reads, masked
from localcloud.services.codebuild.model import Build

_GATHER = 0.2  # seconds: lines that come together are sent together
_BATCH = 1000


class BuildLog:
    """The log of one build. Nothing is sent for a project without CloudWatch Logs."""

    def __init__(self, build: Build, write: Reads) -> None:
        self._build = build
        self._write = write
        self._events: list[dict[str, object]] = []
        self._sent = time.monotonic()
        self.secrets: list[str] = []

    def open(self) -> None:
        """Make the group unless it is there, and the stream. Raises `ServiceError` when the role may not."""
        if not self._build.group:
            return
        stream = {"logGroupName": self._build.group, "logStreamName": self._build.stream}
        try:
            self._write("logs", "CreateLogStream", stream)
        except ServiceError as error:
            if error.code != "ResourceNotFoundException":
                raise
            self._write("logs", "CreateLogGroup", {"logGroupName": self._build.group})
            self._write("logs", "CreateLogStream", stream)

    def line(self, text: str) -> None:
        """Take a line of a command."""
        if self._build.group and text:
            event = {"timestamp": time.time_ns() // 1_000_000, "message": masked(text, self.secrets) + "\n"}
            self._events.append(event)
            if len(self._events) >= _BATCH:
                self.flush()

    def say(self, text: str) -> None:
        """Write a line of CodeBuild's own."""
        self.line(f"[Container] {datetime.now(UTC):%Y/%m/%d %H:%M:%S.%f} {text}")

    def lines(self, texts: Iterable[str]) -> None:
        """Write several lines of CodeBuild's own."""
        for text in texts:
            self.say(text)

    def flush_gathered(self) -> None:
        """Send what waits, once in a while."""
        if self._events and time.monotonic() - self._sent > _GATHER:
            self.flush()

    def flush(self) -> None:
        """Send what waits. The build goes on when that is refused."""
        events, self._events, self._sent = self._events, [], time.monotonic()
        if not events:
            return
        stream = {"logGroupName": self._build.group, "logStreamName": self._build.stream}
        try:
            self._write("logs", "PutLogEvents", {**stream, "logEvents": events})
        except ServiceError as error:
            print(f"log lines of {self._build.id} are lost: {error}", flush=True)  # noqa: T201 - the cloud's own log
