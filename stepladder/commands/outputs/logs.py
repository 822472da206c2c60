"""What `inv logs --json` prints, one document a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict


class LoggedLine(TypedDict):
    """One line of a log, or one step of a promotion, at its time (ISO 8601, UTC). `platform` marks Lambda's own."""

    time: str
    source: str
    message: str
    level: str
    request_id: str
    version: str
    is_error: bool
    platform: bool
    fields: Mapping[str, Any]
    stack: list[str]
    log_group: NotRequired[str]
    log_stream: NotRequired[str]
    event_id: NotRequired[str]
    event_type: NotRequired[str]
