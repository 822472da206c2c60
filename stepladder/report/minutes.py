"""Read what both versions of a target answered, minute by minute, while traffic moved: from CloudWatch."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from stepladder.core import names
from stepladder.promotion.executions import StateMachine
from stepladder.report import rungs
from stepladder.report.clues import blamed
from stepladder.report.of_ledger import attempt
from stepladder.report.story import MinuteOfVersion, Story, TargetStory

SHOWN = 6
"""Targets of which minutes are read: those that failed first."""
_MINUTE = 60
_BEFORE, _AFTER = 300.0, 180.0  # seconds around the shift that are shown, the later ones since metrics come late
_LONGEST = 1400  # points of one version; a longer shift is shown by longer periods
_DAY = 86400
_KEPT = ((15 * _DAY, _MINUTE), (63 * _DAY, 5 * _MINUTE))
"""How long CloudWatch keeps the points of a period; points of an hour stay longest. Shorter periods answer nothing."""
_STATISTICS = (("requests", "Invocations", "Sum"), ("errors", "Errors", "Sum"), ("p99", "Duration", "p99"))


def with_minutes(machine: StateMachine, story: Story) -> Story:
    """Return a story with the minutes of the targets whose traffic moved; of many, of those that failed, and some."""
    first = [target.key for target in blamed(story)] if story.end != "promoted" else []
    moved = sorted((each for each in story.targets if each.weights and each.version), key=lambda e: e.key not in first)
    unknown = list(story.unknown)
    read: dict[str, TargetStory] = {}
    for target in moved[:SHOWN]:

        def act(target: TargetStory = target) -> None:
            read[target.key] = replace(target, minutes=_minutes(machine, target))

        attempt(unknown, f"the metrics of {target.key}", act)
    targets = tuple(read.get(target.key, target) for target in story.targets)
    return replace(story, targets=targets, unknown=tuple(dict.fromkeys(unknown)))


def _minutes(machine: StateMachine, target: TargetStory) -> dict[str, tuple[MinuteOfVersion, ...]]:
    rung = rungs.at(machine, target.key)
    versions = [version for version in (target.version, target.previous_version) if version]
    ended = target.ended or target.phases[-1].at + target.phases[-1].seconds
    start, end = target.weights[0].at - _BEFORE, ended + _AFTER
    period = _period(start, end, rung.clock.now())
    function = target.function or rung.names.function
    queries = [
        _query(f"{name}_{number}", metric, statistic, function, version, period)
        for number, version in enumerate(versions)
        for name, metric, statistic in _STATISTICS
    ]
    request: dict[str, Any] = {
        "MetricDataQueries": queries,
        "StartTime": datetime.fromtimestamp(start // period * period, UTC),
        "EndTime": datetime.fromtimestamp(end, UTC),
        "ScanBy": "TimestampAscending",
    }
    values: dict[str, dict[float, float]] = {query["Id"]: {} for query in queries}
    client = rung.aws.client("cloudwatch")
    while True:
        answer = client.get_metric_data(**request)
        for result in answer.get("MetricDataResults", ()):
            times = (time.timestamp() for time in result["Timestamps"])
            values[result["Id"]] |= dict(zip(times, map(float, result["Values"]), strict=True))
        if not answer.get("NextToken"):
            break
        request["NextToken"] = answer["NextToken"]
    return {version: _of_version(values, number) for number, version in enumerate(versions)}


def _period(start: float, end: float, now: float) -> int:
    """Return the shortest period that CloudWatch still has of a time, and that makes no more points than are read."""
    shortest = next((period for age, period in _KEPT if now - start < age), 60 * _MINUTE)
    return max(1, -(-int(end - start) // (_LONGEST * shortest))) * shortest


def _of_version(values: dict[str, dict[float, float]], number: int) -> tuple[MinuteOfVersion, ...]:
    requests, errors, p99 = (values[f"{name}_{number}"] for name, _, _ in _STATISTICS)
    return tuple(
        MinuteOfVersion(at, int(count), int(errors.get(at, 0)), p99.get(at)) for at, count in sorted(requests.items())
    )


def _query(name: str, metric: str, statistic: str, function: str, version: str, period: int) -> dict[str, Any]:
    dimensions = {"FunctionName": function, "Resource": f"{function}:{names.ALIAS}", "ExecutedVersion": version}
    named = {
        "Namespace": "AWS/Lambda",
        "MetricName": metric,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }
    return {"Id": name, "MetricStat": {"Metric": named, "Period": period, "Stat": statistic}}
