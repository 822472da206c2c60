"""Events that services send to EventBridge's default bus by themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from localcloud.cloud import Cloud
from localcloud.deliveries import event


def emit(
    cloud: Cloud,
    source: str,
    kind: str,
    detail: Mapping[str, Any],
    *,
    region: str,
    account: str,
    resources: Iterable[str] = (),
) -> None:
    """Send an event in the background, since a target may call a function. Without a rule nothing is sent."""
    plain = json.loads(json.dumps(dict(detail), default=_milliseconds))
    made = event(source, kind, plain, region=region, account=account, resources=resources)
    cloud.put_event("default", made)


def _milliseconds(value: object) -> int:
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    raise TypeError(f"{value!r} can't travel in an event")
