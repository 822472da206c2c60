"""The alarms of a function on the local cloud, as the service module makes them."""

from __future__ import annotations

from typing import Any

KINDS: dict[str, tuple[str, dict[str, str], int]] = {
    "errors": ("Errors", {"Statistic": "Sum"}, 1),
    "latency": ("Duration", {"ExtendedStatistic": "p99"}, 1500),
    "throttles": ("Throttles", {"Statistic": "Sum"}, 1),
}
"""Metric, statistic and threshold of each."""


def put(cloudwatch: Any, function: str, kind: str) -> str:
    """Make an alarm watch a function; return its name."""
    metric, statistic, threshold = KINDS[kind]
    cloudwatch.put_metric_alarm(
        AlarmName=f"{function}-{kind}",
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": "FunctionName", "Value": function}, {"Name": "Resource", "Value": f"{function}:live"}],
        Period=60,
        EvaluationPeriods=1,
        Threshold=threshold,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
        **statistic,
    )
    return f"{function}-{kind}"


def fire(cloudwatch: Any, function: str, kind: str) -> None:
    """Make an alarm fire, whatever its metric is."""
    cloudwatch.put_metric_alarm(
        AlarmName=f"{function}-{kind}",
        Namespace="Test",
        MetricName="nothing",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="breaching",
    )
