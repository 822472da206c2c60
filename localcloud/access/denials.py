"""The last calls that IAM refused, or would have refused: who, what, why, and the statement that would allow it."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

KEPT = 200


class Denials:
    """What was denied, warned of or not understood, once for each caller, action, resource and reason. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: OrderedDict[tuple[str, ...], dict[str, Any]] = OrderedDict()

    def add(
        self,
        kind: str,
        *,
        caller: str,
        action: str,
        resource: str,
        why: str,
        statement: Mapping[str, Any] | None = None,
        policy: str = "",
    ) -> None:
        """Record one. The first of its kind is written to the cloud's log. `kind` is denied, warning or unknown."""
        key = (kind, caller, action, resource, why)
        with self._lock:
            row = self._rows.pop(key, None)
            is_new = row is None
            if row is None:
                row = {
                    "kind": kind,
                    "caller": caller,
                    "action": action,
                    "resource": resource,
                    "why": why,
                    "count": 0,
                }
                if statement:
                    row |= {"policy": policy, "statement": dict(statement)}
            row["count"] += 1
            row["at"] = time.time()
            self._rows[key] = row
            while len(self._rows) > KEPT:
                self._rows.popitem(last=False)
        if is_new:
            missing = f"; a statement that would allow it: {json.dumps(statement)}" if statement else ""
            print(f"iam: {kind}: {why}{missing}", flush=True)  # noqa: T201 - the cloud's log

    def list(self) -> list[dict[str, Any]]:
        """Return them, the latest first."""
        with self._lock:
            return [dict(row) for row in reversed(self._rows.values())]

    def clear(self) -> None:
        """Drop all."""
        with self._lock:
            self._rows.clear()
