"""CloudWatch: metrics, and metric alarms that evaluate. Dashboards and the rest are Moto's."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from localcloud.cloud import Cloud, Request, ServiceError, handles
from localcloud.events import emit
from localcloud.scoped_store import Regional
from localcloud.services.cloudwatch import engine as alarms
from localcloud.services.cloudwatch import metric_math
from localcloud.services.cloudwatch.engine import Alarm
from localcloud.services.cloudwatch.metric_data import MetricData
from stepladder.core.names import partition_of

TICK = 10.0  # cloud seconds between evaluations; AWS takes a minute


@dataclass
class _Region:
    account: str
    region: str
    alarms: dict[str, Alarm] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    def arn(self, name: str) -> str:
        return f"arn:{partition_of(self.region)}:cloudwatch:{self.region}:{self.account}:alarm:{name}"


class CloudWatch:
    """The handlers, and the thread that evaluates."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._regions = Regional(cloud, "cloudwatch", _Region)
        self._stop = threading.Event()
        self._wake = threading.Event()
        cloud.on_stop(self._stop.set)
        cloud.register("cloudwatch", self)
        threading.Thread(target=self._loop, daemon=True, name="alarms").start()

    def _region(self, request: Request) -> _Region:
        return self._regions.of(request.account, request.region)

    # -- alarms

    @handles
    def put_metric_alarm(self, request: Request) -> dict[str, Any]:
        """Make or replace an alarm; one that is replaced keeps its state until it is evaluated."""
        given = dict(request.params)
        self._check(given)
        region = self._region(request)
        name = given["AlarmName"]
        now = self._cloud.clock.utcnow()
        with self._regions.lock:
            alarm = region.alarms.get(name) or Alarm(
                request.account, request.region, region.arn(name), given, now, changed=now
            )
            made = name not in region.alarms
            alarm.given, alarm.configured, alarm.forced_until = given, now, 0.0
            region.alarms[name] = alarm
            if given.get("Tags"):
                region.tags[alarm.arn] = {t["Key"]: t["Value"] for t in given["Tags"]}
            self._note(region, name, "ConfigurationUpdate", f'Alarm "{name}" {"created" if made else "updated"}')
        self._wake.set()
        return {}

    def _check(self, given: dict[str, Any]) -> None:
        if given.get("ComparisonOperator") not in alarms.COMPARE or "Threshold" not in given:
            raise ServiceError(
                "ValidationError", "the local cloud offers alarms on a fixed threshold, not on anomaly detection"
            )
        queries = given.get("Metrics") or []
        if bool(queries) == bool(given.get("MetricName")):
            raise ServiceError("ValidationError", "exactly one of MetricName and Metrics must be given")
        if queries and sum(bool(q.get("ReturnData", True)) for q in queries) != 1:
            raise ServiceError("ValidationError", "exactly one of the Metrics must return data")
        if int(given.get("DatapointsToAlarm") or 1) > int(given["EvaluationPeriods"]):
            raise ServiceError("ValidationError", "DatapointsToAlarm must not exceed EvaluationPeriods")
        try:
            times = [0.0, 60.0]
            alarms.query_series(queries, self._cloud.metrics, "", "", times)
        except metric_math.ExpressionError as error:
            raise ServiceError("ValidationError", str(error)) from error

    @handles
    def describe_alarms(self, request: Request) -> dict[str, Any]:
        """Return alarms, evaluated now."""
        params = request.params
        region = self._region(request)
        found = sorted(region.alarms.values(), key=lambda a: a.name)
        if params.get("AlarmNames"):
            found = [a for a in found if a.name in params["AlarmNames"]]
        if params.get("AlarmNamePrefix"):
            found = [a for a in found if a.name.startswith(params["AlarmNamePrefix"])]
        if params.get("AlarmTypes") and "MetricAlarm" not in params["AlarmTypes"]:
            found = []
        for alarm in found:
            self._evaluate(region, alarm)
        if params.get("StateValue"):
            found = [a for a in found if a.state == params["StateValue"]]
        start = int(params.get("NextToken") or 0)
        end = start + int(params.get("MaxRecords") or 50)
        page = {"MetricAlarms": [a.describe() for a in found[start:end]], "CompositeAlarms": []}
        return page | ({"NextToken": str(end)} if end < len(found) else {})

    @handles
    def describe_alarms_for_metric(self, request: Request) -> dict[str, Any]:
        """Return the alarms on exactly one metric."""
        wanted = alarms.metric_key("", "", request.params)
        region = self._region(request)
        found = [a for a in region.alarms.values() if a.given.get("MetricName")]
        return {
            "MetricAlarms": [a.describe() for a in found if alarms.metric_key("", "", a.given) == wanted],
        }

    @handles
    def describe_alarm_history(self, request: Request) -> dict[str, Any]:
        """Return what happened to alarms, newest first."""
        params = request.params
        items = [
            item
            for item in reversed(self._region(request).history)
            if params.get("AlarmName") in (None, item["AlarmName"])
            and params.get("HistoryItemType") in (None, item["HistoryItemType"])
        ]
        return {"AlarmHistoryItems": items[: int(params.get("MaxRecords") or 100)]}

    @handles
    def delete_alarms(self, request: Request) -> dict[str, Any]:
        """Delete alarms; one that isn't there is an error."""
        region = self._region(request)
        names = request.params["AlarmNames"]
        absent = [n for n in names if n not in region.alarms]
        if absent:
            raise ServiceError("ResourceNotFound", f"Alarms not found: {', '.join(absent)}", 404)
        with self._regions.lock:
            for name in names:
                region.tags.pop(region.alarms.pop(name).arn, None)
        return {}

    @handles
    def set_alarm_state(self, request: Request) -> dict[str, Any]:
        """Force a state for one period; then the alarm is evaluated again."""
        params = request.params
        region = self._region(request)
        alarm = region.alarms.get(params["AlarmName"])
        if alarm is None:
            raise ServiceError("ResourceNotFound", f"Alarm not found: {params['AlarmName']}", 404)
        alarm.forced_until = self._cloud.clock.now() + alarm.period
        self._move(region, alarm, params["StateValue"], params["StateReason"])
        return {}

    @handles
    def enable_alarm_actions(self, request: Request) -> dict[str, Any]:
        """Let alarms act."""
        return self._set_actions(request, enabled=True)

    @handles
    def disable_alarm_actions(self, request: Request) -> dict[str, Any]:
        """Keep alarms from acting."""
        return self._set_actions(request, enabled=False)

    def _set_actions(self, request: Request, *, enabled: bool) -> dict[str, Any]:
        for name in request.params["AlarmNames"]:
            alarm = self._region(request).alarms.get(name)
            if alarm:
                alarm.given["ActionsEnabled"] = enabled
        return {}

    @handles
    def put_composite_alarm(self, _request: Request) -> dict[str, Any]:
        """Say that composite alarms aren't offered, instead of keeping one that never evaluates."""
        raise ServiceError("NotOfferedByLocalCloud", "the local cloud does not offer cloudwatch:PutCompositeAlarm")

    # -- tags

    def _tagged(self, request: Request) -> dict[str, str] | None:
        arn = request.params["ResourceARN"]
        if ":alarm:" not in arn:
            return None
        region = self._region(request)
        if arn.rpartition(":")[2] not in region.alarms:
            raise ServiceError("ResourceNotFoundException", f"Unknown: {arn}", 404)
        return region.tags.setdefault(arn, {})

    @handles
    def list_tags_for_resource(self, request: Request) -> dict[str, Any]:
        """Return an alarm's tags."""
        tags = self._tagged(request)
        if tags is None:
            return request.forward()
        return {"Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}

    @handles
    def tag_resource(self, request: Request) -> dict[str, Any]:
        """Tag an alarm."""
        tags = self._tagged(request)
        if tags is None:
            return request.forward()
        tags.update({t["Key"]: t["Value"] for t in request.params["Tags"]})
        return {}

    @handles
    def untag_resource(self, request: Request) -> dict[str, Any]:
        """Untag an alarm."""
        tags = self._tagged(request)
        if tags is None:
            return request.forward()
        for key in request.params["TagKeys"]:
            tags.pop(key, None)
        return {}

    # -- evaluation

    def _loop(self) -> None:
        while not self._stop.is_set():
            if not any(region.alarms for region in self._regions):
                self._wake.wait(1)
                self._wake.clear()
                continue
            for region in self._regions:
                for alarm in list(region.alarms.values()):
                    self._evaluate(region, alarm)
            time.sleep(0.02)
            self._cloud.clock.sleep(TICK, cancel=self._stop)

    def _evaluate(self, region: _Region, alarm: Alarm) -> None:
        now = self._cloud.clock.now()
        if now < alarm.forced_until:
            return
        try:
            state, reason = alarms.evaluate(alarm, self._cloud.metrics, now)
        except metric_math.ExpressionError as error:
            state, reason = alarms.NO_DATA, str(error)
        if state != alarm.state:
            self._move(region, alarm, state, reason)

    def _move(self, region: _Region, alarm: Alarm, state: str, reason: str) -> None:
        with self._regions.lock:
            before, changed = alarm.state, alarm.state != state
            alarm.state, alarm.reason = state, reason
            if not changed:
                return
            alarm.changed = self._cloud.clock.utcnow()
            self._note(region, alarm.name, "StateUpdate", f"Alarm updated from {before} to {state}", reason)
        emit(
            self._cloud,
            "aws.cloudwatch",
            "CloudWatch Alarm State Change",
            {"alarmName": alarm.name, "state": {"value": state, "reason": reason}, "previousState": {"value": before}},
            region=alarm.region,
            account=alarm.account,
        )
        names = {alarms.OK: "OKActions", alarms.ALARM: "AlarmActions", alarms.NO_DATA: "InsufficientDataActions"}
        if alarm.given.get("ActionsEnabled", True):
            for action in alarm.given.get(names[state]) or ():
                self._act(alarm, action, before)

    def _act(self, alarm: Alarm, action: str, before: str) -> None:
        message = {
            "AlarmName": alarm.name,
            "AlarmArn": alarm.arn,
            "AWSAccountId": alarm.account,
            "NewStateValue": alarm.state,
            "OldStateValue": before,
            "NewStateReason": alarm.reason,
            "StateChangeTime": alarm.changed.isoformat(),
        }
        if ":sns:" not in action:
            sys.stderr.write(f"the alarm {alarm.name} can't act on {action}: only SNS topics are offered\n")
            return
        with contextlib.suppress(ServiceError):
            self._cloud.call(
                "sns",
                "Publish",
                {"TopicArn": action, "Subject": f"{alarm.state}: {alarm.name}", "Message": json.dumps(message)},
                region=alarm.region,
                account=alarm.account,
            )

    def _note(self, region: _Region, name: str, kind: str, summary: str, reason: str = "") -> None:
        region.history.append(
            {
                "AlarmName": name,
                "AlarmType": "MetricAlarm",
                "Timestamp": self._cloud.clock.utcnow(),
                "HistoryItemType": kind,
                "HistorySummary": summary,
                "HistoryData": json.dumps({"reason": reason}),
            }
        )
        del region.history[:-1000]


def install(cloud: Cloud) -> None:
    """Install the plugin."""
    CloudWatch(cloud)
    MetricData(cloud)
