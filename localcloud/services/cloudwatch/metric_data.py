"""CloudWatch's metrics: PutMetricData and what reads it back."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from localcloud.cloud import AwsRequest, Cloud, ServiceError, handles
from localcloud.services.cloudwatch import evaluation, metric_math


class MetricData:
    """The handlers."""

    def __init__(self, cloud: Cloud) -> None:
        self._metrics = cloud.metrics
        cloud.on_save("metrics", cloud.metrics.dump)
        cloud.on_load("metrics", cloud.metrics.restore)
        cloud.register("cloudwatch", self)

    @handles
    def put_metric_data(self, request: AwsRequest) -> dict[str, Any]:
        """Record data points: single values, arrays with counts, statistic sets (as their average)."""
        for datum in request.params.get("MetricData") or []:
            dimensions = {d["Name"]: d["Value"] for d in datum.get("Dimensions") or ()}
            at = datum.get("Timestamp")
            values: list[tuple[float, float]] = []
            if "StatisticValues" in datum:
                stats = datum["StatisticValues"]
                values.append((stats["Sum"] / stats["SampleCount"], stats["SampleCount"]))
            elif datum.get("Values"):
                values += zip(datum["Values"], datum.get("Counts") or [1.0] * len(datum["Values"]), strict=True)
            else:
                values.append((datum.get("Value", 0.0), 1.0))
            for value, count in values:
                self._metrics.put(
                    request.params["Namespace"],
                    datum["MetricName"],
                    dimensions,
                    float(value),
                    datum.get("Unit", "None"),
                    at.timestamp() if at else None,
                    count=float(count),
                    account=request.account,
                    region=request.region,
                )
        return {}

    @handles
    def list_metrics(self, request: AwsRequest) -> dict[str, Any]:
        """Return the metrics that have had data."""
        params = request.params
        filters = [(d["Name"], d.get("Value")) for d in params.get("Dimensions") or ()]

        def matches(dimensions: dict[str, str]) -> bool:
            return all(n in dimensions and v in (None, dimensions[n]) for n, v in filters)

        return {
            "Metrics": [
                {
                    "Namespace": key.namespace,
                    "MetricName": key.name,
                    "Dimensions": [{"Name": n, "Value": v} for n, v in key.dimensions],
                }
                for key in self._metrics.keys(request.account, request.region)
                if params.get("Namespace") in (None, key.namespace)
                and params.get("MetricName") in (None, key.name)
                and matches(dict(key.dimensions))
            ]
        }

    @handles
    def get_metric_statistics(self, request: AwsRequest) -> dict[str, Any]:
        """Return statistics of one metric by period."""
        params = request.params
        period = int(params["Period"])
        key = evaluation.metric_key(request.account, request.region, params)
        datapoints = []
        for start in _starts(params["StartTime"], params["EndTime"], period):
            inside = self._metrics.points(key, start, start + period)
            if not inside:
                continue
            point: dict[str, Any] = {"Timestamp": datetime.fromtimestamp(start, UTC), "Unit": inside[0].unit}
            point |= {s: evaluation.statistic_of(inside, s) for s in params.get("Statistics") or ()}
            extended = {s: evaluation.statistic_of(inside, s) for s in params.get("ExtendedStatistics") or ()}
            datapoints.append(point | ({"ExtendedStatistics": extended} if extended else {}))
        return {"Label": params["MetricName"], "Datapoints": datapoints}

    @handles
    def get_metric_data(self, request: AwsRequest) -> dict[str, Any]:
        """Return MetricDataQueries' results."""
        params = request.params
        queries = params["MetricDataQueries"]
        periods = [q.get("Period") or q.get("MetricStat", {}).get("Period") for q in queries]
        period = min((int(p) for p in periods if p), default=60)
        times = _starts(params["StartTime"], params["EndTime"], period) or [0.0]
        try:
            series_by_id = evaluation.query_series(queries, self._metrics, request.account, request.region, times)
        except metric_math.ExpressionError as error:
            raise ServiceError("ValidationError", str(error)) from error
        newest_first = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        results = []
        for query in queries:
            if not query.get("ReturnData", True):
                continue
            series = series_by_id[query["Id"]]
            order = sorted(series, reverse=newest_first)
            label = query.get("Label") or query.get("MetricStat", {}).get("Metric", {}).get("MetricName", query["Id"])
            results.append(
                {
                    "Id": query["Id"],
                    "Label": label,
                    "Timestamps": [datetime.fromtimestamp(at, UTC) for at in order],
                    "Values": [series[at] for at in order],
                    "StatusCode": "Complete",
                }
            )
        return {"MetricDataResults": results, "Messages": []}


def _starts(start: datetime, end: datetime, period: int) -> list[float]:
    first = math.floor(start.timestamp() / period) * period
    return [float(at) for at in range(first, math.ceil(end.timestamp()), period)]
