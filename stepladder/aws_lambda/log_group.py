"""A log group of CloudWatch Logs, read from a time on, and again for what has come since.

An event reaches a group up to some seconds after its own time, and events of several streams share times. So each read
begins `_LATE` before the newest event that is known, and what was read before is known by its id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from stepladder.aws_lambda.log_records import TRACEBACK, LogLine, read
from stepladder.core.aws import error_code
from stepladder.core.clock import Clock, passes_or_unreachable, retrying

_LATE = 60_000  # milliseconds
_KNOWN = 50_000  # events whose ids are kept before old ones are forgotten
_RETRY_SECONDS = 120.0  # CloudWatch Logs takes few reads a second from an account, other people's among them
_MISSING = "ResourceNotFoundException"


class LogGroup:
    """One log group. `source` is what its lines are shown under; `client` is that of CloudWatch Logs."""

    def __init__(self, client: Any, name: str, source: str, *, clock: Clock | None = None) -> None:
        self.name, self.source = name, source
        self._client = client
        self._clock = clock or Clock()
        self._newest = 0
        self._known: dict[str, int] = {}
        self._most = _KNOWN

    def exists(self) -> bool:
        """Say whether the group is there."""
        groups = self._client.describe_log_groups(logGroupNamePrefix=self.name, limit=50)["logGroups"]
        return any(group["logGroupName"] == self.name for group in groups)

    def lines(self, since: int) -> Iterator[LogLine]:
        """Yield the lines from `since` on (milliseconds) that no earlier call has yielded; none without a group."""
        newest = min(self._newest, int(self._clock.now() * 1000))  # a line may bear a time that is still to come
        start = max(since, newest - _LATE)
        self._forget(start)
        return joined(read(event, self.source, self.name) for event in self._events(start))

    def _events(self, start: int) -> Iterator[dict[str, Any]]:
        # `interleaved` is AWS's only way since 2019, and other emulators' on demand
        request: dict[str, Any] = {"logGroupName": self.name, "startTime": start, "interleaved": True}
        while True:
            page = self._page(request)
            for event in page.get("events", ()):
                time = int(event["timestamp"])
                if event["eventId"] not in self._known:
                    self._known[event["eventId"]] = time
                    self._newest = max(self._newest, time)
                    if len(self._known) > self._most:
                        self._forget(time - _LATE)
                    yield event
            if not page.get("nextToken"):  # a page may be empty and not the last
                return
            request["nextToken"] = page["nextToken"]

    def _forget(self, start: int) -> None:
        """Forget the events from before `start`, which no read asks for again."""
        self._known = {key: time for key, time in self._known.items() if time >= start}
        self._most = max(_KNOWN, 2 * len(self._known))

    def _page(self, request: dict[str, Any]) -> dict[str, Any]:
        def call() -> dict[str, Any]:
            page: dict[str, Any] = self._client.filter_log_events(**request)
            return page

        try:
            return retrying(call, self._clock, timeout=_RETRY_SECONDS, passes=passes_or_unreachable)
        except Exception as error:
            if error_code(error) == _MISSING:
                return {}
            raise


def joined(lines: Iterable[LogLine]) -> Iterator[LogLine]:
    """Join the lines of a traceback that was printed: CloudWatch Logs has an event for each."""
    waiting: dict[str, LogLine] = {}
    for line in lines:
        stream = line.origin.get("log_stream", "")
        first = waiting.get(stream)
        if first is None:
            if line.stack == (TRACEBACK,):
                waiting[stream] = line
            else:
                yield line
            continue
        if line.platform or line.level:  # the traceback was cut off
            yield waiting.pop(stream)
            yield line
            continue
        text = line.message.replace("\xa0", " ").rstrip()
        first = replace(first, stack=(*first.stack, text))
        if text.startswith(" ") or not text:
            waiting[stream] = first
        else:
            del waiting[stream]
            yield replace(first, message=text)
    yield from waiting.values()
