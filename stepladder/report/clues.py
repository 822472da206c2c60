"""Read why a target failed: the first exception in its log, the alarms that fired, its release commands. Reads only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from stepladder.core import aws
from stepladder.core.clock import seconds_of, stamp
from stepladder.core.display import unwrapped
from stepladder.ledger import schema
from stepladder.ledger.schema import SentCommand
from stepladder.promotion import exceptions
from stepladder.promotion.executions import StateMachine
from stepladder.releases.rung import Rung
from stepladder.report import links, rungs
from stepladder.report.gather import SIBLING
from stepladder.report.of_ledger import attempt
from stepladder.report.story import AlarmFacts, Exceptional, Story, TargetStory
from stepladder.settings.redacted import redacted

_MANY = 5  # targets of which logs and alarms are read
_FAILED = frozenset({schema.FAILED, schema.ROLLED_BACK, schema.ROLLBACK_FAILED})
_ACTIVE = r"Activated alarms: <(?P<names>[^<>]+)>"
_FIRED = r"\balarm (?P<name>[\w.:/-]+) (?:fired|fires)\b"
_SIGNS = {
    "GreaterThanOrEqualToThreshold": ">=",
    "GreaterThanThreshold": ">",
    "LessThanOrEqualToThreshold": "<=",
    "LessThanThreshold": "<",
}
_MARGIN = 300.0  # seconds around a target's time in which its alarm changed state
_DAY = 86400.0
_MISSING = "ResourceNotFoundException"


def blamed(story: Story) -> tuple[TargetStory, ...]:
    """Return the targets that failed themselves, the earliest first; if none did, those that were put back."""
    failed = [target for target in story.targets if target.result in _FAILED]
    own = [target for target in failed if not is_sibling(target)]
    return tuple(sorted(own or failed, key=lambda target: target.failed_at or target.ended))


def is_sibling(target: TargetStory) -> bool:
    """Say whether a target failed only because another one did."""
    text = f"{target.cause} {target.entry.cause if target.entry else ''}"
    return target.error == SIBLING or SIBLING in text or "because another function of this deploy failed" in text


def with_clues(machine: StateMachine, story: Story) -> Story:
    """Return a story with what logs, alarms and commands say of its blamed targets; of many, of the first of them."""
    unknown = list(story.unknown)
    better = {target.key: _with_clues(machine, target, unknown) for target in blamed(story)[:_MANY]}
    targets = tuple(better.get(target.key, target) for target in story.targets)
    return replace(story, targets=targets, unknown=tuple(dict.fromkeys(unknown)))


def _with_clues(machine: StateMachine, target: TargetStory, unknown: list[str]) -> TargetStory:
    if not rungs.is_known(machine, target.key):
        unknown.append(f"{target.key} is in the settings no longer: its log and alarms are not read")
        return target
    rung = rungs.at(machine, target.key)
    clues = _Clues()

    def log() -> None:
        clues.exception = _exception(rung, target, unknown)

    def alarms() -> None:
        clues.alarms = _alarms(rung, target, unknown)

    def commands() -> None:
        runs = rung.ledger.command_runs(target.key, target.digest)
        own = target.entry.release_id if target.entry else ""
        clues.commands = tuple(run for _, run in runs if run.release_id == own)

    if target.version:
        attempt(unknown, f"the log of {target.key}", log)
    attempt(unknown, f"the alarms of {target.key}", alarms)
    if target.digest:
        attempt(unknown, f"the release commands of {target.key}", commands)
    since = (
        "1d" if aws.endpoint() else stamp(target.began) if target.began else ""
    )  # a local cloud's log is in real time
    return replace(target, exception=clues.exception, alarms=clues.alarms, commands=clues.commands, logs_since=since)


@dataclass
class _Clues:
    exception: Exceptional | None = None
    alarms: tuple[AlarmFacts, ...] = ()
    commands: tuple[SentCommand, ...] = ()


def _exception(rung: Rung, target: TargetStory, unknown: list[str]) -> Exceptional | None:
    """Return the first exception of the target's version in its time."""
    group = f"/aws/lambda/{target.function or rung.names.function}"
    client = rung.aws.client("logs")
    began = target.entry.started_at if target.entry else stamp(target.began)
    ended = (target.entry.ended_at if target.entry else "") or stamp(target.ended or rung.clock.now())
    try:
        traffic = target.weights[0].at if target.weights else 0.0
        event = exceptions.first(client, group, target.version, began, ended, cause=target.cause, traffic=traffic)
    except Exception as error:
        if aws.error_code(error) != _MISSING:
            raise
        unknown.append(f"there is no log {group}: the function never ran, or the log was deleted")
        return None
    if event is None:
        if days := _expired(client, group, seconds_of(ended), rung.clock.now()):
            unknown.append(f"the log {group} keeps {days} days: what version {target.version} wrote is gone")
        return None
    raised, frames = exceptions.read(event["message"])
    return Exceptional(
        redacted(raised),
        tuple(redacted(frame) for frame in frames),
        event["timestamp"] / 1000,
        _raised_at(frames),
        f"{group}, stream {event['logStreamName']}",
        links.log_group(rung.names),
    )


def _raised_at(frames: Iterable[str]) -> str:
    """Return file and line of the last frame: `app/handler.py:12`."""
    matches = [re.match(r'\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', frame) for frame in frames]
    last = next((match for match in reversed(matches) if match), None)
    return f"{last['file']}:{last['line']}" if last else ""


def _expired(client: Any, group: str, ended: float, now: float) -> int:
    """Return the days that a log is kept when a time is before them; 0 otherwise."""
    groups = client.describe_log_groups(logGroupNamePrefix=group, limit=1)["logGroups"]
    days = int(groups[0].get("retentionInDays", 0)) if groups else 0
    return days if days and now - ended > days * _DAY else 0


def named_alarms(text: str) -> tuple[str, ...]:
    """Return the alarms that a cause names."""
    text = unwrapped(text)
    active = [name.strip() for match in re.finditer(_ACTIVE, text) for name in match["names"].split(",")]
    return tuple(dict.fromkeys([*active, *(match["name"] for match in re.finditer(_FIRED, text))]))


def _alarms(rung: Rung, target: TargetStory, unknown: list[str]) -> tuple[AlarmFacts, ...]:
    names = named_alarms(f"{target.cause} {target.entry.cause if target.entry else ''}")
    if not names:
        return ()
    client = rung.aws.client("cloudwatch")
    answer = client.describe_alarms(AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    described = {
        alarm["AlarmName"]: alarm for kind in ("MetricAlarms", "CompositeAlarms") for alarm in answer.get(kind, ())
    }
    window = (target.began - _MARGIN, (target.ended or rung.clock.now()) + _MARGIN)
    facts = []
    for name in names:
        if name not in described:
            unknown.append(f"alarm {name} is not there any more: its threshold is unknown")
        facts.append(_alarm(rung, client, name, described.get(name, {}), window))
    return tuple(facts)


def _alarm(rung: Rung, client: Any, name: str, alarm: Mapping[str, Any], window: tuple[float, float]) -> AlarmFacts:
    """Return what an alarm watches, and why it fired then: by its history, or by what it says now."""
    at, reason, data = _fired(client, name, alarm, window)
    values = tuple(float(value) for value in data.get("recentDatapoints") or () if value is not None)
    condition = _condition(alarm)
    if not values and alarm.get("MetricName"):
        values = _values(client, alarm, window)
    return AlarmFacts(
        name=name,
        condition=condition,
        reason=redacted(reason),
        at=at,
        values=values,
        source=f"CloudWatch alarm {name}",
        link=links.alarm(rung.names, name),
    )


def _fired(
    client: Any, name: str, alarm: Mapping[str, Any], window: tuple[float, float]
) -> tuple[float, str, Mapping[str, Any]]:
    """Return when an alarm fired in a window, its reason and the reason's data; zeros where nothing says so."""
    try:
        items = client.describe_alarm_history(
            AlarmName=name,
            HistoryItemType="StateUpdate",
            StartDate=datetime.fromtimestamp(window[0], UTC),
            EndDate=datetime.fromtimestamp(window[1], UTC),
        )["AlarmHistoryItems"]
    except Exception as error:
        if aws.explain(error) is None:
            raise
        items = []  # a CI role may read alarms and not their history: what they say now is enough then
    for item in sorted(items, key=lambda each: each["Timestamp"]):
        when = item["Timestamp"].timestamp()
        new = _data(item.get("HistoryData", "")).get("newState") or {}
        if window[0] <= when <= window[1] and new.get("stateValue") == "ALARM":
            return when, str(new.get("stateReason", "")), new.get("stateReasonData") or {}
    changed = alarm.get("StateTransitionedTimestamp") or alarm.get("StateUpdatedTimestamp")
    if alarm.get("StateValue") == "ALARM" and changed and changed.timestamp() <= window[1]:
        return changed.timestamp(), str(alarm.get("StateReason", "")), _data(alarm.get("StateReasonData", ""))
    return 0.0, "", {}


def _data(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _condition(alarm: Mapping[str, Any]) -> str:
    """Return what an alarm watches and from which value on: `Errors Sum >= 1 in 1 of 1 periods of 60 s`."""
    if not alarm:
        return ""
    if "AlarmRule" in alarm:
        return str(alarm["AlarmRule"])
    sign = _SIGNS.get(alarm.get("ComparisonOperator", ""), str(alarm.get("ComparisonOperator", "")))
    metric = alarm.get("MetricName") or "an expression over metrics"
    statistic = alarm.get("Statistic") or alarm.get("ExtendedStatistic") or ""
    periods = alarm.get("EvaluationPeriods", 1)
    needed = alarm.get("DatapointsToAlarm") or periods
    each = f" periods of {alarm['Period']} s" if alarm.get("Period") else " periods"
    threshold = alarm.get("Threshold")
    limit = f"{threshold:g}" if isinstance(threshold, (int, float)) else "a band"
    return f"{' '.join(filter(None, (metric, statistic)))} {sign} {limit} in {needed} of {periods}{each}"


def _values(client: Any, alarm: Mapping[str, Any], window: tuple[float, float]) -> tuple[float, ...]:
    """Return the values of an alarm's metric that breached its threshold in a window, newest last."""
    stat = {
        "Metric": {key: alarm[key] for key in ("Namespace", "MetricName", "Dimensions") if key in alarm},
        "Period": alarm.get("Period", 60),
        "Stat": alarm.get("Statistic") or alarm.get("ExtendedStatistic") or "Sum",
    }
    answer = client.get_metric_data(
        MetricDataQueries=[{"Id": "values", "MetricStat": stat}],
        StartTime=datetime.fromtimestamp(window[0], UTC),
        EndTime=datetime.fromtimestamp(window[1], UTC),
        ScanBy="TimestampAscending",
    )
    values = [float(value) for result in answer.get("MetricDataResults", ()) for value in result["Values"]]
    threshold, sign = float(alarm.get("Threshold", 0)), alarm.get("ComparisonOperator", "")
    tests = {
        "GreaterThanOrEqualToThreshold": lambda value: value >= threshold,
        "GreaterThanThreshold": lambda value: value > threshold,
        "LessThanOrEqualToThreshold": lambda value: value <= threshold,
        "LessThanThreshold": lambda value: value < threshold,
    }
    return tuple(value for value in values if sign not in tests or tests[sign](value))
