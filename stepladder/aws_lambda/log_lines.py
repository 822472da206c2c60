"""The lines of a function's log: its own, and those that Lambda writes around them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any

_TEXT = r"(START|END|REPORT) RequestId: |INIT_START Runtime Version: |INIT_REPORT Init Duration: |XRAY TraceId: "
_STACK = r"(?:\A|(?<=[\r\n]))(?:Traceback \(most recent call last\):[\r\n]+(?=\xa0)|\xa0[^\r\n]*(?:[\r\n]+|\Z))"
_METRIC = r"\t(Duration|Memory Size|Max Memory Used|Init Duration): ([\d.]+) (?:ms|MB)"
_STATUS = r"\tStatus: (\w+)"
_NAMES = {
    "Duration": "durationMs",
    "Memory Size": "memorySizeMB",
    "Max Memory Used": "maxMemoryUsedMB",
    "Init Duration": "initDurationMs",
}


def lines(log: str, *, whole: bool = False) -> list[str]:
    """Return the lines of a log as a person reads them, without the stack of a call that failed.

    The answer of the call has the same stack. Lambda's Python runtime indents it by no-break spaces in the log, which
    a logger's own tracebacks aren't. `whole` leaves everything.
    """
    text = log if whole else re.sub(_STACK, "", log)
    return [line for each in text.splitlines() if (line := shown(each, whole=whole))]


def shown(line: str, *, whole: bool = False) -> str:
    """Return what a person reads of a log line: Lambda's own become nothing, its report one summary.

    In both formats (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html). `whole`
    leaves every line as it is.
    """
    if whole:
        return line
    if failure := _failure(line):
        return failure
    kind, record = _platform(line)
    if kind:
        return _summary(_numbers(record["metrics"]), str(record.get("status", ""))) if kind == "platform.report" else ""
    if not re.match(_TEXT, line):
        return line
    if not line.startswith("REPORT"):
        return ""
    status = re.search(_STATUS, line)
    metrics = _numbers({_NAMES[name]: value for name, value in re.findall(_METRIC, line)})
    # a function may print such a line too
    return _summary(metrics, status[1] if status else "") if "durationMs" in metrics else line


def is_platform(line: str) -> bool:
    """Say whether Lambda wrote a line of plain text itself, around those of the function."""
    return re.match(_TEXT, line) is not None


def _failure(line: str) -> str:
    """Return what a structured line says of a call that failed, without its stack; empty for any other line."""
    if '"stackTrace"' not in line or '"errorType"' not in line:
        return ""
    try:
        record = json.loads(line)
        return f"[{record['level']}] {record['errorType']}: {record['errorMessage']}"
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""


def _platform(line: str) -> tuple[str, Mapping[str, Any]]:
    """Return the type and the record of a `platform.*` line; empty ones for any other."""
    if '"platform.' in line:
        try:
            event = json.loads(line)
            kind, record = str(event["type"]), event["record"]
            if kind == "platform.report":
                float(record["metrics"]["durationMs"])
        except (ValueError, LookupError, TypeError, RecursionError):
            return "", {}
        if kind.startswith("platform.") and isinstance(record, Mapping):
            return kind, record
    return "", {}


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are numbers."""
    numbers: dict[str, float] = {}
    for name in _NAMES.values():
        with contextlib.suppress(ValueError, LookupError, TypeError):
            numbers[name] = float(metrics[name])
    return numbers


def _summary(metrics: Mapping[str, float], status: str) -> str:
    began = f" after {metrics['initDurationMs']:.0f} ms of init" if "initDurationMs" in metrics else ""
    used = ""
    if "maxMemoryUsedMB" in metrics:
        used = f", {metrics['maxMemoryUsedMB']:.0f} of {metrics.get('memorySizeMB', 0):.0f} MB"
    ended = "" if status in ("", "success") else f", {status}"
    return f"took {metrics['durationMs']:.0f} ms{began}{used}{ended}"
