"""Events that services send to EventBridge's default bus by themselves."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from localcloud.cloud import Cloud, ServiceError


def emit(cloud: Cloud, source: str, kind: str, detail: Mapping[str, Any], *, region: str, account: str) -> None:
    """Send an event in the background, since a target may call a function. Without a rule nothing is sent."""
    # A module that another thread is importing is listed before it has its names.
    backends = getattr(sys.modules.get("moto.events.models"), "events_backends", None)
    if backends is None or not backends[account][region].event_buses["default"].rules:
        return
    entry = {"Source": source, "DetailType": kind, "Detail": json.dumps(dict(detail), default=_milliseconds)}

    def send() -> None:
        with contextlib.suppress(ServiceError):
            cloud.call("events", "PutEvents", {"Entries": [entry]}, region=region, account=account)

    threading.Thread(target=send, daemon=True, name="event").start()


def _milliseconds(value: object) -> int:
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    raise TypeError(f"{value!r} can't travel in an event")
