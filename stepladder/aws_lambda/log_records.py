"""One event of a log group, read: who wrote it, its level, its message, its stack.

Structured lines are read as Lambda's own Python runtime writes them
(https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html), and as Powertools, structlog
and python-json-logger do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stepladder.aws_lambda import log_lines

TRACEBACK = "Traceback (most recent call last):"
_ERRORS = frozenset({"CRITICAL", "ERROR", "FATAL"})
_LEVELS = ("level", "log_level", "levelname", "severity")
_MESSAGES = ("message", "msg", "event", "errorMessage")
_STACKS = ("stackTrace", "exception", "exc_info", "stack", "stack_trace", "traceback")
_IDS = ("requestId", "function_request_id", "aws_request_id", "request_id", "AWSRequestId")
_TYPES = ("errorType", "exception_name")
_COMMON = frozenset(
    {
        *(*_LEVELS, *_MESSAGES, *_STACKS, *_IDS, *_TYPES),
        *("asctime", "cold_start", "function_arn", "function_memory_size", "function_name", "location", "logger"),
        *("name", "service", "time", "timestamp", "xray_trace_id"),
    }
)
"""Keys that loggers write beside what somebody wanted to say."""
_REQUEST = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_LOGGER = rf"(?s)\[(?P<level>[A-Z]+)\](?:\t\S+\t(?P<request>{_REQUEST})?\t| +)(?P<message>.*)"
"""`[ERROR]\\t<time>\\t<request id>\\t<message>`, and `[ERROR] <type>: <message>` of what the handler raised."""
_FAILED = (
    rf"(?s)\S+ (?P<first>{_REQUEST}) (?P<timeout>Task timed out .*)"
    rf"|RequestId: (?P<second>{_REQUEST}) (?P<error>Error: .*)"
)
_PLATFORM_REQUEST = rf"\A\w+ RequestId: ({_REQUEST})"
_VERSION = r"\[(\$LATEST|\d+)\]"


@dataclass(frozen=True)
class LogLine:
    """One line of the time line. `time` is in milliseconds since the epoch.

    `source` is `function`, the verb of a function of the pipeline, or `promotion`. `version` is the version that wrote
    it, `request_id` the invocation (of a promotion: the execution's name). `fields` holds what else a structured line
    says. A line of the `platform` is Lambda's own, and `raw` is what it wrote.
    """

    time: int
    source: str
    message: str
    level: str = ""
    stack: tuple[str, ...] = ()
    request_id: str = ""
    version: str = ""
    is_error: bool = False
    platform: bool = False
    raw: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return it as data."""
        values: dict[str, Any] = {
            "fields": dict(self.fields),
            "is_error": self.is_error,
            "level": self.level,
            "message": self.message,
            "platform": self.platform,
            "request_id": self.request_id,
            "source": self.source,
            "stack": list(self.stack),
            "version": self.version,
        }
        return {**self.origin, **values}


def version_of(stream: str) -> str:
    """Return the version that a log stream's name holds: `2026/11/26/[12]0a1b...`; empty for another name."""
    match = re.search(_VERSION, stream)
    return match[1] if match else ""


def read(event: Mapping[str, Any], source: str, group: str) -> LogLine:
    """Read an event of FilterLogEvents."""
    stream = str(event.get("logStreamName", ""))
    text = str(event.get("message", ""))
    line = parse(text)
    origin = {"log_group": group, "log_stream": stream, "event_id": str(event.get("eventId", ""))}
    return replace(
        line, time=int(event["timestamp"]), source=source, version=version_of(stream), origin=origin, raw=text
    )


def parse(text: str) -> LogLine:
    """Read a message."""
    text = text.rstrip("\r\n")
    if document := _document(text):
        return _platform(document) or _structured(document, text)
    if log_lines.is_platform(text):
        request = re.match(_PLATFORM_REQUEST, text)
        failed = re.search(r"\b(?:Status: (?!success)\w+)", text) is not None
        shown = log_lines.shown(text) or (text.replace("\t", "  ") if failed else "")
        return LogLine(
            0, "", shown, "ERROR" if failed else "", (), request[1] if request else "", is_error=failed, platform=True
        )
    if match := re.fullmatch(_FAILED, text):
        request_id = match["first"] or match["second"]
        return LogLine(0, "", match["timeout"] or match["error"], "ERROR", (), request_id, is_error=True)
    match = re.fullmatch(_LOGGER, text)
    level, request_id = (match["level"], match["request"] or "") if match else ("", "")
    message, stack = split(match["message"] if match else text)
    is_error = level in _ERRORS or bool(stack)
    return LogLine(0, "", message, level or ("ERROR" if stack else ""), stack, request_id, is_error=is_error)


def split(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a message without its stack, and the stack. A text that is only a stack has its last line as message."""
    before, mark, rest = text.partition(TRACEBACK)
    if not mark or (before and before[-1] not in "\r\n"):
        return text, ()
    stack = tuple(line.replace("\xa0", " ").rstrip() for line in (TRACEBACK + rest).splitlines())
    stack = tuple(line for line in stack if line)
    message = before.strip()
    return message or (stack[-1].strip() if len(stack) > 1 else ""), stack


def _document(text: str) -> dict[str, Any]:
    if not text.startswith("{"):
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _platform(document: Mapping[str, Any]) -> LogLine | None:
    kind, record = str(document.get("type", "")), document.get("record")
    if not kind.startswith("platform.") or not isinstance(record, Mapping):
        return None
    ends = kind in {"platform.report", "platform.initReport"}
    status = str(record.get("status") or "success")
    failed = ends and status != "success"
    message = log_lines.shown(json.dumps(document)) if ends else ""
    if failed and not message:
        message = f"init: {status}"
    if failed and record.get("errorType"):
        message += f" ({record['errorType']})"
    return LogLine(
        0,
        "",
        message,
        "ERROR" if failed else "",
        (),
        str(record.get("requestId", "")),
        is_error=failed,
        platform=True,
        fields=record,
    )


def _structured(document: Mapping[str, Any], text: str) -> LogLine:
    level = _first(document, _LEVELS).upper()
    message, kind = _first(document, _MESSAGES), _first(document, _TYPES)
    stack = next((lines for key in _STACKS if (lines := _lines(document.get(key)))), ())
    if kind and "errorMessage" in document and not document.get("message"):
        message = f"{kind}: {message}" if message else kind
    elif kind and stack and stack[-1].startswith(" "):  # frames only
        raised = str(document.get("errorMessage") or "")
        stack = (*stack, f"{kind}: {raised}" if raised else kind)
    if not message and not level:
        return LogLine(0, "", text, stack=stack, is_error=bool(stack), fields=document)
    extra = {key: value for key, value in document.items() if key not in _COMMON}
    is_error = level in _ERRORS or bool(stack)
    return LogLine(0, "", message, level, stack, _first(document, _IDS), is_error=is_error, fields=extra)


def _first(document: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = document.get(key)
        if value is not None and value != "":
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return ""


def _lines(value: Any) -> tuple[str, ...]:
    """Return a stack as lines: a text, or a list of texts. Powertools' nested one is left to its text."""
    if isinstance(value, str):
        parts: list[Any] = [value]
    elif isinstance(value, list) and all(isinstance(part, str) for part in value):
        parts = value
    else:
        return ()
    lines = (line.replace("\xa0", " ").rstrip() for part in parts for line in part.splitlines())
    return tuple(line for line in lines if line)
