"""What a Fail state ends with, and how long a Wait state waits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from localcloud.services.stepfunctions.asl import intrinsics
from localcloud.services.stepfunctions.asl.errors import StateError, runtime_error
from localcloud.services.stepfunctions.asl.paths import Scope


def failure(state: Mapping[str, Any], scope: Scope) -> StateError:
    """Return the error that a Fail state ends with."""
    texts = {}
    for key in ("Error", "Cause"):
        path = state.get(f"{key}Path")
        if path is None:
            texts[key] = str(state.get(key, ""))
        else:
            value = scope.get(path) if path.startswith("$") else intrinsics.evaluate(path, scope)
            texts[key] = value if isinstance(value, str) else json.dumps(value)
    return StateError(texts["Error"], texts["Cause"])


def wait_seconds(state: Mapping[str, Any], scope: Scope, now: float) -> float:
    """Return the seconds of cloud time that a Wait state still has to wait."""
    if "Seconds" in state or "SecondsPath" in state:
        seconds = state["Seconds"] if "Seconds" in state else scope.get(state["SecondsPath"])
    else:
        at = state["Timestamp"] if "Timestamp" in state else scope.get(state["TimestampPath"])
        seconds = datetime.fromisoformat(at).timestamp() - now
    if not isinstance(seconds, int | float):
        raise runtime_error(f"a Wait's seconds must be a number, not {seconds!r}")
    return max(0.0, seconds)
