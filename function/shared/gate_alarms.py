"""The project's own alarms as gates of a rung: none may fire before a release, and one that fires then undoes it.

Which there are comes from the function's environment, which Terraform sets: an execution's input can't skip one. An
alarm that has too little data to judge by doesn't fire.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from shared import aws
from stepladder.core.names import split_target

_KINDS = ("MetricAlarm", "CompositeAlarm")
_MOST = 100  # names that one call takes


def of(target: str) -> list[str]:
    """Return the names and ARNs of the alarms that guard a target."""
    rungs: dict[str, list[str]] = json.loads(os.environ.get("GATE_ALARMS") or "{}")
    return rungs.get(split_target(target)[0], [])


def firing(target: str) -> str:
    """Name the first alarm of a target that fires, with its reason; an empty text when none does."""
    for alarm in _read(of(target)).values():
        if alarm["StateValue"] == "ALARM":
            return f"alarm {alarm['AlarmName']} fires: {alarm.get('StateReason') or 'no reason given'}"
    return ""


def unknown(target: str) -> list[str]:
    """Return those alarms of a target that aren't there."""
    wanted = of(target)
    read = _read(wanted)
    return [name for name in wanted if name not in read]


def _read(wanted: list[str]) -> dict[str, Mapping[str, Any]]:
    """Return the alarms by the names or ARNs that were asked for, each from its own region."""
    read: dict[str, Mapping[str, Any]] = {}
    for region in dict.fromkeys(_region(each) for each in wanted):
        names = {each: each.rpartition(":alarm:")[2] for each in wanted if _region(each) == region}
        answered = {alarm["AlarmName"]: alarm for alarm in _alarms(region, list(names.values()))}
        for each, name in names.items():
            alarm = answered.get(name)
            if alarm and each in (alarm["AlarmName"], alarm["AlarmArn"]):
                read[each] = alarm
    return read


def _region(alarm: str) -> str | None:
    return alarm.split(":")[3] if alarm.startswith("arn:") else None


def _alarms(region: str | None, names: list[str]) -> Iterator[Mapping[str, Any]]:
    client = aws.client("cloudwatch", region=region)
    for start in range(0, len(names), _MOST):
        answer = client.describe_alarms(
            AlarmNames=names[start : start + _MOST], AlarmTypes=list(_KINDS), MaxRecords=_MOST
        )
        for kind in _KINDS:
            yield from answer.get(f"{kind}s", ())
