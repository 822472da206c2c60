"""The events of an execution's history, as Step Functions returns them: the keys that stepladder reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NotRequired, TypedDict


class StateEntered(TypedDict):
    """The state that was entered."""

    name: str


class StateExited(TypedDict):
    """The state that was left, with its output as JSON text where the execution's data was asked for."""

    name: str
    output: NotRequired[str]


class MapIteration(TypedDict):
    """The Map state that began an iteration, and which."""

    name: str
    index: int


class MapRunEvent(TypedDict):
    """The Map Run that a distributed Map began, or that a redrive resumed."""

    mapRunArn: str


class HistoryEvent(TypedDict):
    """One event. `previousEventId` makes the events a tree; an event has the details of its type only."""

    id: int
    type: str
    timestamp: datetime
    previousEventId: NotRequired[int]
    stateEnteredEventDetails: NotRequired[StateEntered]
    stateExitedEventDetails: NotRequired[StateExited]
    mapIterationStartedEventDetails: NotRequired[MapIteration]
    mapRunStartedEventDetails: NotRequired[MapRunEvent]
    mapRunRedrivenEventDetails: NotRequired[MapRunEvent]


class HistoryPage(TypedDict):
    """One answer of GetExecutionHistory."""

    events: list[HistoryEvent]
    nextToken: NotRequired[str]


def pages(call: Callable[..., Any], **request: Any) -> Iterator[Any]:
    """Yield every answer of a call of Step Functions that gives its answer in pages."""
    while True:
        answer = call(**request)
        yield answer
        if not answer.get("nextToken"):
            return
        request["nextToken"] = answer["nextToken"]


HistoryReader = Callable[..., HistoryPage]
"""GetExecutionHistory, as a client of Step Functions has it."""
