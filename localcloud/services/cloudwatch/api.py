"""CloudWatch: metrics, and metric alarms that evaluate. Dashboards and the rest are Moto's."""

from __future__ import annotations

from typing import Any

from localcloud.cloud import AwsRequest, Cloud, ServiceError, handles
from localcloud.scoped_store import ScopedStore
from localcloud.services.cloudwatch import evaluation, metric_math
from localcloud.services.cloudwatch.engine import AlarmEngine
from localcloud.services.cloudwatch.metric_data import MetricData
from localcloud.services.cloudwatch.model import Alarm
from localcloud.services.cloudwatch.store import AlarmRegion


class CloudWatch:
    """The handlers of alarms and of their tags."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._regions = ScopedStore(cloud, "cloudwatch", AlarmRegion)
        self._engine = AlarmEngine(cloud, self._regions)
        cloud.register("cloudwatch", self)

    def _region(self, request: AwsRequest) -> AlarmRegion:
        return self._regions.of(request.account, request.region)

    # -- alarms

    @handles
    def put_metric_alarm(self, request: AwsRequest) -> dict[str, Any]:
        """Make or replace an alarm. One that is replaced keeps its state until it is evaluated."""
        settings = dict(request.params)
        self._check(settings)
        region = self._region(request)
        name = settings["AlarmName"]
        now = self._cloud.clock.utcnow()
        with self._regions.lock:
            alarm = region.alarms.get(name) or Alarm(
                request.account, request.region, region.arn(name), settings, now, changed=now
            )
            created = name not in region.alarms
            alarm.given, alarm.configured, alarm.forced_until = settings, now, 0.0
            region.alarms[name] = alarm
            if settings.get("Tags"):
                region.tags[alarm.arn] = {t["Key"]: t["Value"] for t in settings["Tags"]}
            self._engine.note(
                region, name, "ConfigurationUpdate", f'Alarm "{name}" {"created" if created else "updated"}'
            )
        self._engine.wake()
        return {}

    def _check(self, settings: dict[str, Any]) -> None:
        if settings.get("ComparisonOperator") not in evaluation.COMPARE or "Threshold" not in settings:
            raise ServiceError(
                "ValidationError", "the local cloud offers alarms on a fixed threshold, not on anomaly detection"
            )
        queries = settings.get("Metrics") or []
        if bool(queries) == bool(settings.get("MetricName")):
            raise ServiceError("ValidationError", "exactly one of MetricName and Metrics must be given")
        if queries and sum(bool(q.get("ReturnData", True)) for q in queries) != 1:
            raise ServiceError("ValidationError", "exactly one of the Metrics must return data")
        if int(settings.get("DatapointsToAlarm") or 1) > int(settings["EvaluationPeriods"]):
            raise ServiceError("ValidationError", "DatapointsToAlarm must not exceed EvaluationPeriods")
        try:
            times = [0.0, 60.0]
            evaluation.query_series(queries, self._cloud.metrics, "", "", times)
        except metric_math.ExpressionError as error:
            raise ServiceError("ValidationError", str(error)) from error

    @handles
    def describe_alarms(self, request: AwsRequest) -> dict[str, Any]:
        """Return alarms, evaluated now."""
        params = request.params
        region = self._region(request)
        alarms = sorted(region.alarms.values(), key=lambda a: a.name)
        if params.get("AlarmNames"):
            alarms = [a for a in alarms if a.name in params["AlarmNames"]]
        if params.get("AlarmNamePrefix"):
            alarms = [a for a in alarms if a.name.startswith(params["AlarmNamePrefix"])]
        if params.get("AlarmTypes") and "MetricAlarm" not in params["AlarmTypes"]:
            alarms = []
        for alarm in alarms:
            self._engine.evaluate(region, alarm)
        if params.get("StateValue"):
            alarms = [a for a in alarms if a.state == params["StateValue"]]
        start = int(params.get("NextToken") or 0)
        end = start + int(params.get("MaxRecords") or 50)
        page = {"MetricAlarms": [a.describe() for a in alarms[start:end]], "CompositeAlarms": []}
        return page | ({"NextToken": str(end)} if end < len(alarms) else {})

    @handles
    def describe_alarms_for_metric(self, request: AwsRequest) -> dict[str, Any]:
        """Return the alarms on exactly one metric."""
        metric = evaluation.metric_key("", "", request.params)
        region = self._region(request)
        alarms = [a for a in region.alarms.values() if a.given.get("MetricName")]
        return {
            "MetricAlarms": [a.describe() for a in alarms if evaluation.metric_key("", "", a.given) == metric],
        }

    @handles
    def describe_alarm_history(self, request: AwsRequest) -> dict[str, Any]:
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
    def delete_alarms(self, request: AwsRequest) -> dict[str, Any]:
        """Delete alarms. One that isn't there is an error."""
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
    def set_alarm_state(self, request: AwsRequest) -> dict[str, Any]:
        """Force a state for one period. Then the alarm is evaluated again."""
        params = request.params
        region = self._region(request)
        alarm = region.alarms.get(params["AlarmName"])
        if alarm is None:
            raise ServiceError("ResourceNotFound", f"Alarm not found: {params['AlarmName']}", 404)
        alarm.forced_until = self._cloud.clock.now() + alarm.period
        self._engine.move(region, alarm, params["StateValue"], params["StateReason"])
        return {}

    @handles
    def enable_alarm_actions(self, request: AwsRequest) -> dict[str, Any]:
        """Let alarms act."""
        return self._set_actions(request, enabled=True)

    @handles
    def disable_alarm_actions(self, request: AwsRequest) -> dict[str, Any]:
        """Keep alarms from acting."""
        return self._set_actions(request, enabled=False)

    def _set_actions(self, request: AwsRequest, *, enabled: bool) -> dict[str, Any]:
        for name in request.params["AlarmNames"]:
            alarm = self._region(request).alarms.get(name)
            if alarm:
                alarm.given["ActionsEnabled"] = enabled
        return {}

    @handles
    def put_composite_alarm(self, _request: AwsRequest) -> dict[str, Any]:
        """Say that composite alarms aren't offered, instead of keeping one that never evaluates."""
        raise ServiceError("NotOfferedByLocalCloud", "the local cloud does not offer cloudwatch:PutCompositeAlarm")

    # -- tags

    def _tagged(self, request: AwsRequest) -> dict[str, str] | None:
        arn = request.params["ResourceARN"]
        if ":alarm:" not in arn:
            return None
        region = self._region(request)
        if arn.rpartition(":")[2] not in region.alarms:
            raise ServiceError("ResourceNotFoundException", f"Unknown: {arn}", 404)
        return region.tags.setdefault(arn, {})

    @handles
    def list_tags_for_resource(self, request: AwsRequest) -> dict[str, Any]:
        """Return an alarm's tags."""
        tags = self._tagged(request)
        if tags is None:
            return request.forward()
        return {"Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}

    @handles
    def tag_resource(self, request: AwsRequest) -> dict[str, Any]:
        """Tag an alarm."""
        tags = self._tagged(request)
        if tags is None:
            return request.forward()
        tags.update({t["Key"]: t["Value"] for t in request.params["Tags"]})
        return {}

    @handles
    def untag_resource(self, request: AwsRequest) -> dict[str, Any]:
        """Untag an alarm."""
        tags = self._tagged(request)
        if tags is None:
            return request.forward()
        for key in request.params["TagKeys"]:
            tags.pop(key, None)
        return {}


def install(cloud: Cloud) -> None:
    """Register the actions of alarms and of metrics."""
    CloudWatch(cloud)
    MetricData(cloud)
