"""The history of an execution, as GetExecutionHistory returns it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

LIMIT = 25_000  # events of a standard workflow; then it fails

DETAILS = {  # the field that holds an event type's details, where it isn't the type's own name
    "StateEntered": "stateEnteredEventDetails",
    "StateExited": "stateExitedEventDetails",
}


class History:
    """A list of events. Thread-safe. `now` gives cloud time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.events: list[dict[str, Any]] = []

    def add(self, kind: str, at: datetime, previous: int = 0, **details: Any) -> int:
        """Add an event and return its id."""
        with self._lock:
            number = len(self.events) + 1
            event: dict[str, Any] = {"timestamp": at, "type": kind, "id": number, "previousEventId": previous}
            if details:
                event[_field(kind)] = _with_details({k: _text(k, v) for k, v in details.items() if v is not None})
            self.events.append(event)
            return number

    def __len__(self) -> int:
        return len(self.events)


def _field(kind: str) -> str:
    for suffix, field in DETAILS.items():
        if kind.endswith(suffix):
            return field
    return f"{kind[0].lower()}{kind[1:]}EventDetails"


def _with_details(details: dict[str, Any]) -> dict[str, Any]:
    """Say beside input and output that they are whole, as AWS does in every answer."""
    return details | {f"{key}Details": {"truncated": False} for key in ("input", "output") if key in details}


def _text(key: str, value: Any) -> Any:
    """Write data as JSON text, as it travels."""
    if key in ("input", "output", "parameters") and not isinstance(value, str):
        return json.dumps(value)
    return dict(value) if isinstance(value, Mapping) else value
