"""What CloudWatch knows of each version of an alias, minute by minute: requests, errors, slow ones, and the p99.

Lambda writes these metrics with the dimension ExecutedVersion for calls of an alias, a minute or two late
(https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html). Counts come by the minute. A p99 can't be
added up, so it is read once for the whole window, whose beginning is one of its period: else CloudWatch would choose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from shared import aws

from stepladder.promotion.judge import Limits, Minute, Window, slow_limit

_MINUTE = 60
_LATE = 180.0  # seconds for which a minute that is over may still get data
_WARMING = 120  # seconds from the minute of each move on, in which no request's duration counts
_LONGEST = 86400  # seconds of a period
_ATTEMPTS = 2

Query = tuple[str, str, str, str]
"""An id, a metric, its statistic, the version."""


class UnknownMetricsError(Exception):
    """CloudWatch gave no answer: nothing is known of either version, which passes nothing."""


def windows(
    function: str, alias: str, versions: tuple[str, str], moves: Sequence[str], at: str, limits: Limits
) -> tuple[Window, Window, float]:
    """Return what the new and the old version answered since traffic began to shift, and the limit of slow requests.

    `moves` are the times at which the new version got more traffic, the first one first.
    """
    moved = [_minute_of(move) for move in moves]
    first = moved[0]
    last = _seconds(at) + _LATE
    subject = (function, alias)
    new, old = versions
    slowest = _p99(subject, versions, first, last)
    limit = slow_limit(slowest[old], limits)
    statistics = {"requests": ("Invocations", "Sum"), "errors": ("Errors", "Sum"), "slow": ("Duration", _above(limit))}
    queries = [
        (f"{name}_{version}", metric, statistic, version)
        for version in versions
        for name, (metric, statistic) in statistics.items()
    ]
    values = _read(subject, queries, first, last, _MINUTE)
    of = {version: Window(_minutes(values, version, moved), slowest[version]) for version in versions}
    return of[new], of[old], limit


def requests(function: str, alias: str, version: str, since: str, at: str) -> int:
    """Return how many requests a version answered since a time, in whole minutes."""
    first = _minute_of(since)
    query = ("requests", "Invocations", "Sum", version)
    values = _read((function, alias), [query], first, _seconds(at) + _LATE, _MINUTE)
    return int(sum(values["requests"].values()))


def _p99(subject: tuple[str, str], versions: tuple[str, str], first: float, last: float) -> dict[str, float | None]:
    """Return each version's p99 in milliseconds: of the window's one or two periods, weighted by their requests."""
    period = min(_LONGEST, math.ceil((last - first) / _MINUTE) * _MINUTE)
    start = math.floor(first / period) * period
    queries: list[Query] = []
    for version in versions:
        queries += [
            (f"p99_{version}", "Duration", "p99", version),
            (f"n_{version}", "Duration", "SampleCount", version),
        ]
    values = _read(subject, queries, start, last, period)
    slowest: dict[str, float | None] = {}
    for version in versions:
        counts, each = values[f"n_{version}"], values[f"p99_{version}"]
        total = sum(counts.get(time, 0.0) for time in each)
        slowest[version] = sum(each[time] * counts.get(time, 0.0) for time in each) / total if total else None
    return slowest


def _above(limit: float) -> str:
    """Return the statistic that counts what is above a limit: trimmed counts leave out their lower bound."""
    return f"TC({limit:.3f}:)"


def _minutes(values: dict[str, dict[str, float]], version: str, moved: list[int]) -> dict[str, Minute]:
    """Return a version's minutes. After each move no duration counts: new execution environments begin slowly."""
    errors, slow = values[f"errors_{version}"], values[f"slow_{version}"]
    minutes: dict[str, Minute] = {}
    for time, count in values[f"requests_{version}"].items():
        is_warming = any(0 <= _seconds(time) - move < _WARMING for move in moved)
        counts = (0, int(count)) if is_warming else (int(slow.get(time, 0)), 0)
        minutes[time] = Minute(int(count), int(errors.get(time, 0)), *counts)
    return minutes


def _read(
    subject: tuple[str, str], queries: list[Query], first: float, last: float, period: int
) -> dict[str, dict[str, float]]:
    """Read metrics; return each one's values by time. Raises `UnknownMetricsError` for no answer or half of one."""
    request: dict[str, Any] = {
        "MetricDataQueries": [_query(subject, each, period) for each in queries],
        "StartTime": datetime.fromtimestamp(first, UTC),
        "EndTime": datetime.fromtimestamp(last, UTC),
    }
    values: dict[str, dict[str, float]] = {each[0]: {} for each in queries}
    try:
        while True:
            answer = aws.client("cloudwatch", attempts=_ATTEMPTS).get_metric_data(**request)
            for result in answer["MetricDataResults"]:
                if result.get("StatusCode") in ("InternalError", "Forbidden"):
                    raise UnknownMetricsError(f"CloudWatch answered {result['StatusCode']}")
                times = (time.isoformat() for time in result["Timestamps"])
                values[result["Id"]] |= dict(zip(times, result["Values"], strict=True))
            if not answer.get("NextToken"):
                return values
            request["NextToken"] = answer["NextToken"]
    except (ClientError, BotoCoreError, KeyError) as error:
        raise UnknownMetricsError(f"CloudWatch gave no answer: {aws.code(error) or type(error).__name__}") from error


def _query(subject: tuple[str, str], query: Query, period: int) -> dict[str, Any]:
    (function, alias), (name, metric, statistic, version) = subject, query
    dimensions = {"FunctionName": function, "Resource": f"{function}:{alias}", "ExecutedVersion": version}
    named = {
        "Namespace": "AWS/Lambda",
        "MetricName": metric,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }
    return {"Id": name, "MetricStat": {"Metric": named, "Period": period, "Stat": statistic}}


def _minute_of(time: str) -> int:
    return math.floor(_seconds(time) / _MINUTE) * _MINUTE


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
