"""The history of a promotion with those of its Map Runs in it, as if each target were an iteration of one execution."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from stepladder.promotion.contract import ExecutionInput
from stepladder.promotion.history_events import HistoryEvent, pages

_PAGE = 1000
_OFFSET = 100_000  # between the numbers of two histories: one has at most 25,000 events
_MAPS = {"release": "ReleaseTargets", "finish": "FinishTargets"}
"""The Map of each label, which is in the ARN of its Map Runs."""


def events(
    sfn: Any, arn: str, started_with: ExecutionInput, keys: frozenset[str] | None = None, *, data: bool = True
) -> Iterator[HistoryEvent]:
    """Yield every event of an execution, oldest first; those of a Map Run where it began.

    With `keys` only the histories of these targets are read of a Map Run; without `data` no inputs and outputs are.
    """
    number = 0
    for event in _own(sfn, arn, data=data):
        yield event
        details = event.get("mapRunStartedEventDetails")
        for child in _children(sfn, details["mapRunArn"]) if details else ():
            number += 1
            yield from _iteration(sfn, child, started_with, event, number, keys, data=data)


def _own(sfn: Any, arn: str, *, data: bool) -> Iterator[HistoryEvent]:
    request = {} if data else {"includeExecutionData": False}
    for page in pages(sfn.get_execution_history, executionArn=arn, maxResults=_PAGE, **request):
        yield from page["events"]


def _children(sfn: Any, map_run: str) -> Iterator[str]:
    for page in pages(sfn.list_executions, mapRunArn=map_run, maxResults=_PAGE):
        yield from (str(listed["executionArn"]) for listed in page["executions"])


def _iteration(
    sfn: Any,
    child: str,
    started_with: ExecutionInput,
    begun: HistoryEvent,
    number: int,
    keys: frozenset[str] | None,
    *,
    data: bool,
) -> Iterator[HistoryEvent]:
    """Yield the events of a child execution between those that begin and end an iteration of the Map."""
    described = sfn.describe_execution(executionArn=child)
    key = json.loads(described.get("input") or "{}").get("target", {}).get("environment", "")
    index = _index(started_with, key)
    if index is None or (keys is not None and key not in keys):
        return
    name = _MAPS.get(child.rpartition("/")[2].partition(":")[0], "ReleaseTargets")
    first = number * _OFFSET
    yield {
        "id": first,
        "type": "MapIterationStarted",
        "timestamp": described["startDate"],
        "previousEventId": begun["id"],
        "mapIterationStartedEventDetails": {"name": name, "index": index},
    }
    last = first
    for event in _own(sfn, child, data=data):
        if event["type"].startswith("Execution"):  # an end of the child's own is none of the promotion's
            continue
        moved = event.copy()
        moved["id"] = first + event["id"]
        before = event.get("previousEventId", 0)
        moved["previousEventId"] = first + before if before > 1 else first
        last = moved["id"]
        yield moved
    ended = {"SUCCEEDED": "Succeeded", "ABORTED": "Aborted"}.get(described["status"], "Failed")
    if described["status"] != "RUNNING":
        stopped = described.get("stopDate") or described["startDate"]
        yield {
            "id": last + 1,
            "type": f"MapIteration{ended}",
            "timestamp": stopped,
            "previousEventId": last,
        }


def _index(started_with: ExecutionInput, key: str) -> int | None:
    """Return the place of a target on its rung."""
    for rung in started_with["rungs"]:
        for number, target in enumerate(rung["targets"]):
            if target["environment"] == key:
                return number
    return None
