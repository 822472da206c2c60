"""A fake of CloudWatch Logs: groups of streams, read in pages by FilterLogEvents."""

from __future__ import annotations

from itertools import count
from typing import Any

from fakes.errors import error


class CloudWatchLogs:
    """Events by group. `page` is how many a page holds; every other page is empty, as AWS may answer.

    `refusals` are the error codes of the next calls.
    """

    def __init__(self, *, page: int = 3) -> None:
        self.groups: dict[str, list[dict[str, Any]]] = {}
        self.refusals: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self._page, self._ids = page, count()

    def put(self, group: str, time: int, message: str, stream: str = "2026/11/26/[3]aa") -> None:
        events = self.groups.setdefault(group, [])
        event = {"timestamp": time, "message": message, "logStreamName": stream, "eventId": str(next(self._ids))}
        events.append(event)

    def describe_log_groups(self, *, logGroupNamePrefix: str, limit: int) -> dict[str, Any]:  # noqa: N803 - as in AWS's API
        names = sorted(name for name in self.groups if name.startswith(logGroupNamePrefix))
        return {"logGroups": [{"logGroupName": name} for name in names[:limit]]}

    def filter_log_events(self, **request: Any) -> dict[str, Any]:
        self.calls.append(request)
        if self.refusals:
            raise error(self.refusals.pop(0))
        if request["logGroupName"] not in self.groups:
            raise error("ResourceNotFoundException")
        at, is_empty = (request.get("nextToken") or "0/").split("/")
        if not is_empty and "nextToken" not in request:
            return {"events": [], "nextToken": "0/read"}
        events = [e for e in self.groups[request["logGroupName"]] if e["timestamp"] >= request["startTime"]]
        events.sort(key=lambda event: int(event["timestamp"]))
        end = int(at) + self._page
        more = {"nextToken": f"{end}/read"} if end < len(events) else {}
        return {"events": events[int(at) : end], **more}
