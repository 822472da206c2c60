"""Alarms: metric math, M out of N, missing data; and the API around them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import roles
from botocore.exceptions import ClientError

from localcloud.clock import CloudClock
from localcloud.metrics import Metrics, Point
from localcloud.services.cloudwatch.evaluation import evaluate, holds_until, statistic_of
from localcloud.services.cloudwatch.metric_math import ExpressionError
from localcloud.services.cloudwatch.metric_math import evaluate as calculate
from localcloud.services.cloudwatch.model import Alarm

TIMES = [0.0, 60.0, 120.0]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + b", {0.0: 11.0, 60.0: 22.0}),
        ("100 * a / b", {0.0: 10.0, 60.0: 10.0}),
        ("a / (a - 1)", {60.0: 2.0, 120.0: 1.5}),  # a division by zero gives no point
        ("IF(a >= 2, 100 * b / a, 0)", {0.0: 0.0, 60.0: 1000.0}),
        ("IF(a > 1 && b > 1, 1, 0)", {0.0: 0.0, 60.0: 1.0}),
        ("FILL(b, 0)", {0.0: 10.0, 60.0: 20.0, 120.0: 0.0}),
        ("FILL(b, REPEAT)", {0.0: 10.0, 60.0: 20.0, 120.0: 20.0}),
        ("MAX([a, b])", {0.0: 10.0, 60.0: 20.0, 120.0: 3.0}),
        ("SUM(METRICS())", {0.0: 11.0, 60.0: 22.0, 120.0: 3.0}),
        ("MAX(a)", {0.0: 3.0, 60.0: 3.0, 120.0: 3.0}),
        ("a / PERIOD(a)", {0.0: 1 / 60, 60.0: 2 / 60, 120.0: 3 / 60}),
        ("DIFF(a)", {60.0: 1.0, 120.0: 1.0}),
        ("CEIL(a / 2)", {0.0: 1.0, 60.0: 1.0, 120.0: 2.0}),
    ],
)
def test_metric_math_gives_what_cloudwatch_gives(expression: str, expected: dict[float, float]) -> None:
    series = {"a": {0.0: 1.0, 60.0: 2.0, 120.0: 3.0}, "b": {0.0: 10.0, 60.0: 20.0}}
    assert calculate(expression, series, TIMES, 60) == pytest.approx(expected)


@pytest.mark.parametrize("expression", ["a +", "nobody", "ANOMALY_DETECTION_BAND(a)", "a b", "METRICS()", "a ? b"])
def test_an_expression_that_cannot_be_used_says_so(expression: str) -> None:
    with pytest.raises(ExpressionError):
        calculate(expression, {"a": {0.0: 1.0}}, TIMES, 60)


def alarm_of(**given: Any) -> Alarm:
    base = {
        "AlarmName": "a",
        "Namespace": "n",
        "MetricName": "m",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 3,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    }
    return Alarm("1", "r", "arn", base | given, datetime.now(UTC), state="OK")


@pytest.mark.parametrize(
    ("data", "given", "state"),
    [  # oldest first, the last whole minute last; - is missing, 0 and X as in AWS's tables
        ("XXX", {}, "ALARM"),
        ("0XX", {}, "OK"),
        ("0XX", {"DatapointsToAlarm": 2}, "ALARM"),
        ("X-X-X", {}, "ALARM"),  # the newest three that are there
        ("-----", {}, "INSUFFICIENT_DATA"),
        ("-----", {"TreatMissingData": "notBreaching"}, "OK"),
        ("-----", {"TreatMissingData": "breaching"}, "ALARM"),
        ("-----", {"TreatMissingData": "ignore"}, "OK"),
        ("---X-", {"TreatMissingData": "notBreaching"}, "OK"),
        ("---X-", {"TreatMissingData": "breaching"}, "ALARM"),
        ("---0-", {}, "OK"),
        ("----X", {}, "ALARM"),
        ("XXX0", {"EvaluationPeriods": 1}, "OK"),
        ("00X", {"EvaluationPeriods": 1}, "ALARM"),
    ],
)
def test_an_alarm_counts_breaches_and_treats_gaps_as_told(data: str, given: dict[str, Any], state: str) -> None:
    metrics = Metrics(CloudClock())
    now = 600_000.0
    for back, what in enumerate(reversed(data), start=1):
        if what != "-":
            metrics.put("n", "m", {}, float(what == "X"), timestamp=now - 60 * back + 5, account="1", region="r")
    alarm = alarm_of(**given)
    assert evaluate(alarm, metrics, now + 30)[0] == state
    until = holds_until(alarm, metrics, now + 30)
    assert until == (float("inf") if data == "-----" else now + 60)
    assert evaluate(alarm, metrics, min(until, now + 1e7) - 1) == evaluate(alarm, metrics, now + 30)


def test_a_percentile_alarm_looks_at_the_slow_ones() -> None:
    metrics = Metrics(CloudClock())
    metrics.put("n", "m", {}, 10, timestamp=599_950, count=99, account="1", region="r")
    alarm = alarm_of(ExtendedStatistic="p99", Threshold=500.0, EvaluationPeriods=1)
    del alarm.given["Statistic"]
    assert evaluate(alarm, metrics, 600_000)[0] == "OK"
    metrics.put("n", "m", {}, 900, timestamp=599_960, count=2, account="1", region="r")
    assert evaluate(alarm, metrics, 600_000)[0] == "ALARM"


@pytest.mark.parametrize(
    ("statistic", "value"),
    [("TC(300:)", 3), ("TC(:300)", 7), ("TC(100:300)", 2), ("p99", 900), ("p50", 100), ("SampleCount", 10)],
)
def test_a_statistic_is_what_aws_documents_a_trimmed_counts_lower_bound_excluded(statistic: str, value: float) -> None:
    values = ((100, 5), (300, 2), (301, 1), (900, 2))
    points = [Point(1.0, float(taken), float(count), "Milliseconds") for taken, count in values]
    assert statistic_of(points, statistic) == value


@pytest.mark.parametrize("statistic", ["TC(2%:98%)", "tm90", "p101", "price"])
def test_a_statistic_that_is_not_offered_is_said(statistic: str) -> None:
    with pytest.raises(ExpressionError, match="doesn't offer the statistic"):
        statistic_of([Point(1.0, 1.0, 1.0, "None")], statistic)


def test_a_dimension_more_is_another_metric() -> None:
    metrics = Metrics(CloudClock())
    metrics.put("n", "m", {"F": "f"}, 5, timestamp=599_950, account="1", region="r")
    alarm = alarm_of(EvaluationPeriods=1, Dimensions=[{"Name": "F", "Value": "f"}, {"Name": "G", "Value": "g"}])
    assert evaluate(alarm, metrics, 600_000)[0] == "INSUFFICIENT_DATA"


# -- over the API


@pytest.fixture
def fast(cloud: Any) -> Any:
    cloud.speed(600)
    yield cloud
    cloud.speed(1)


def wait_for(read: Any, wanted: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while read() != wanted:
        assert time.monotonic() < deadline, f"{read()!r} is not {wanted!r}"
        time.sleep(0.02)


def error_rate_alarm(cloudwatch: Any, name: str, **more: Any) -> None:
    def metric(name_: str) -> dict[str, Any]:
        return {
            "Id": name_.lower(),
            "ReturnData": False,
            "MetricStat": {
                "Metric": {
                    "Namespace": "Test/Lambda",
                    "MetricName": name_,
                    "Dimensions": [{"Name": "FunctionName", "Value": name}],
                },
                "Period": 60,
                "Stat": "Sum",
            },
        }

    cloudwatch.put_metric_alarm(
        AlarmName=name,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        EvaluationPeriods=1,
        Threshold=5,
        TreatMissingData="notBreaching",
        Metrics=[
            {"Id": "rate", "Expression": "IF(invocations >= 3, 100 * errors / invocations, 0)", "ReturnData": True},
            metric("Errors"),
            metric("Invocations"),
        ],
        **more,
    )


def put(cloudwatch: Any, function: str, errors: int, invocations: int) -> None:
    """Put both in one call, so that they are of one period."""
    cloudwatch.put_metric_data(
        Namespace="Test/Lambda",
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": "FunctionName", "Value": function}],
                "Values": [float(value)],
                "Counts": [1.0],
            }
            for name, value in (("Errors", errors), ("Invocations", invocations))
        ],
    )


def state(cloudwatch: Any, name: str) -> str:
    return str(cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"])


def changes(cloudwatch: Any, name: str) -> list[str]:
    """The changes of an alarm's state, newest first: `OK to ALARM`."""
    history = cloudwatch.describe_alarm_history(AlarmName=name, HistoryItemType="StateUpdate")
    return [item["HistorySummary"].removeprefix("Alarm updated from ") for item in history["AlarmHistoryItems"]]


@pytest.mark.cloud
@pytest.mark.timing("the alarm is polled within a few periods of a fast clock, a tenth of a second each")
def test_an_error_rate_with_enough_calls_raises_the_alarm_tells_its_topic_and_passes(fast: Any) -> None:
    cloudwatch, sns, sqs = fast.client("cloudwatch"), fast.client("sns"), fast.client("sqs")
    queue = sqs.create_queue(QueueName="alarms-told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    roles.let_services_send(sqs, queue, arn)
    topic = sns.create_topic(Name="alarms-told")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    error_rate_alarm(cloudwatch, "alarm-rate", AlarmActions=[topic])
    wait_for(lambda: state(cloudwatch, "alarm-rate"), "OK")
    put(cloudwatch, "alarm-rate", errors=2, invocations=2)  # too few to say
    time.sleep(0.3)
    assert state(cloudwatch, "alarm-rate") == "OK"
    put(cloudwatch, "alarm-rate", errors=1, invocations=10)
    wait_for(lambda: changes(cloudwatch, "alarm-rate")[:2], ["ALARM to OK", "OK to ALARM"])  # it passes in a moment
    assert "alarm-rate" in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=2)["Messages"][0]["Body"]


@pytest.mark.cloud
def test_metrics_are_read_back_as_statistics_and_as_queries(cloud: Any) -> None:
    cloudwatch = cloud.client("cloudwatch")
    now = datetime.now(UTC)
    for value in (1.0, 2.0, 9.0):
        cloudwatch.put_metric_data(
            Namespace="Test/Read",
            MetricData=[{"MetricName": "Latency", "Value": value, "Unit": "Milliseconds", "Timestamp": now}],
        )
    assert cloudwatch.list_metrics(Namespace="Test/Read")["Metrics"][0]["MetricName"] == "Latency"
    window = {"StartTime": now - timedelta(minutes=5), "EndTime": now + timedelta(minutes=1)}
    point = cloudwatch.get_metric_statistics(
        Namespace="Test/Read", MetricName="Latency", Period=60, Statistics=["Sum", "Average"], **window
    )["Datapoints"][0]
    assert (point["Sum"], point["Average"], point["Unit"]) == (12.0, 4.0, "Milliseconds")
    stat = {"Metric": {"Namespace": "Test/Read", "MetricName": "Latency"}, "Period": 60, "Stat": "Maximum"}
    results = cloudwatch.get_metric_data(
        MetricDataQueries=[
            {"Id": "m", "MetricStat": stat, "ReturnData": False},
            {"Id": "double", "Expression": "m * 2"},
        ],
        **window,
    )["MetricDataResults"]
    assert [(r["Id"], r["Values"]) for r in results] == [("double", [18.0])]


@pytest.mark.cloud
def test_late_data_of_a_period_that_was_evaluated_is_not_overlooked(fast: Any) -> None:
    cloudwatch = fast.client("cloudwatch")
    metric = {"Namespace": "Test/Late", "MetricName": "Errors"}
    limit = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 4.0, "EvaluationPeriods": 1}
    cloudwatch.put_metric_alarm(AlarmName="alarm-late", **metric, **limit, Statistic="Sum", Period=86400)
    yesterday = datetime.fromtimestamp(fast.info.request("clock")["now"], UTC) - timedelta(days=1)
    for value, expected in ((3.0, "OK"), (2.0, "ALARM")):
        data = {"MetricName": metric["MetricName"], "Timestamp": yesterday, "Value": value}
        cloudwatch.put_metric_data(Namespace=metric["Namespace"], MetricData=[data])
        wait_for(lambda: state(cloudwatch, "alarm-late"), expected)
    cloudwatch.delete_alarms(AlarmNames=["alarm-late"])


@pytest.mark.cloud
def test_a_forced_state_holds_for_a_period_and_no_longer(fast: Any) -> None:
    cloudwatch = fast.client("cloudwatch")
    error_rate_alarm(cloudwatch, "alarm-forced")
    cloudwatch.set_alarm_state(AlarmName="alarm-forced", StateValue="ALARM", StateReason="drill")
    assert state(cloudwatch, "alarm-forced") == "ALARM"
    wait_for(lambda: state(cloudwatch, "alarm-forced"), "OK")


@pytest.mark.cloud
@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"MetricName": "m", "Namespace": "n", "Statistic": "Sum", "DatapointsToAlarm": 2}, "ValidationError"),
        ({}, "ValidationError"),
        ({"Metrics": [{"Id": "a", "Expression": "SEARCH(x)"}]}, "ValidationError"),
    ],
)
def test_an_alarm_that_could_never_work_is_refused(cloud: Any, given: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.client("cloudwatch").put_metric_alarm(
            AlarmName="alarm-wrong",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            **given,
        )
    assert caught.value.response["Error"]["Code"] == code
