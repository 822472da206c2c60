"""The state that a metric alarm is in: M out of N periods, missing data, percentiles, metric math.

Only whole periods count. An alarm looks at two periods more than it needs, so that late data is found (AWS looks at a
few more, and doesn't say how many).
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from localcloud.metrics import MetricKey, Metrics, Point
from localcloud.services.cloudwatch import metric_math
from localcloud.services.cloudwatch.model import ALARM, NO_DATA, OK, Alarm

EXTRA_PERIODS = 2
_PERCENTILE = re.compile(r"[pP]\d{1,2}(\.\d+)?|[pP]100")
_TRIMMED_COUNT = re.compile(r"TC\((?P<low>\d+(\.\d+)?)?:(?P<high>\d+(\.\d+)?)?\)")
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def evaluate(alarm: Alarm, metrics: Metrics, now: float) -> tuple[str, str]:
    """Return the state that an alarm is in at `now`, and why."""
    settings = alarm.given
    periods = int(settings["EvaluationPeriods"])
    needed = int(settings.get("DatapointsToAlarm") or periods)
    period = alarm.period
    last = math.floor(now / period) * period
    times = [float(last - period * back) for back in range(periods + EXTRA_PERIODS, 0, -1)]
    series = _alarm_series(alarm, metrics, times)
    values = [series[at] for at in reversed(times) if at in series][:periods]
    breaches = COMPARE[settings["ComparisonOperator"]]
    breaching = sum(breaches(value, float(settings["Threshold"])) for value in values)
    missing = periods - len(values)
    treatment = settings.get("TreatMissingData") or "missing"
    state = _decide(alarm.state, breaching, len(values), missing, periods, needed, treatment)
    shown = ", ".join(f"{value:g}" for value in values) or "none"
    reason = f"Threshold Crossed: {breaching} of the last {len(values)} datapoints [{shown}] against the threshold "
    reason += f"({settings['Threshold']:g}), {settings['ComparisonOperator']}"
    if state == NO_DATA:
        reason = f"Insufficient Data: {missing} datapoints were unknown"
    return state, reason


def metric_keys(alarm: Alarm) -> tuple[MetricKey, ...]:
    """Return the metrics that an alarm reads."""
    stats = [(q.get("AccountId") or alarm.account, q["MetricStat"]["Metric"]) for q in _stats(alarm.given)]
    named = [] if alarm.given.get("Metrics") else [(alarm.account, alarm.given)]
    return tuple(metric_key(account, alarm.region, metric) for account, metric in [*stats, *named])


def holds_until(alarm: Alarm, metrics: Metrics, now: float) -> float:
    """Return until when `evaluate` at any time from `now` on gives the same, if no metric of the alarm gets a point.

    That is the end of the present period, or for ever where no point is left that a later one could read.
    """
    period = alarm.period
    begun = math.floor(now / period) * period
    oldest = float(begun - period * (int(alarm.given["EvaluationPeriods"]) + EXTRA_PERIODS))
    is_idle = not any(metrics.points(key, oldest, math.inf) for key in metric_keys(alarm))
    return math.inf if is_idle else float(begun + period)


def _stats(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [query for query in settings.get("Metrics") or () if "MetricStat" in query]


def _decide(current: str, breaching: int, present: int, missing: int, periods: int, needed: int, treatment: str) -> str:
    if missing and treatment == "breaching":
        breaching += missing
    elif present == 0 and treatment == "missing":
        return NO_DATA
    elif missing and treatment in ("missing", "ignore"):
        if breaching >= (min(needed, present) if treatment == "missing" and breaching == present else needed):
            return ALARM
        enough = present - breaching > periods - needed  # no filling of the gaps could raise the alarm
        return OK if enough or treatment == "missing" else current
    return ALARM if breaching >= needed else OK


def _alarm_series(alarm: Alarm, metrics: Metrics, times: Sequence[float]) -> metric_math.Series:
    settings = alarm.given
    if settings.get("Metrics"):
        returned = [q for q in settings["Metrics"] if q.get("ReturnData", True)]
        return query_series(settings["Metrics"], metrics, alarm.account, alarm.region, times)[returned[0]["Id"]]
    key = metric_key(alarm.account, alarm.region, settings)
    statistic = settings.get("ExtendedStatistic") or settings["Statistic"]
    return statistic_series(metrics, key, statistic, times, alarm.period)


def query_series(
    queries: Sequence[Mapping[str, Any]], metrics: Metrics, account: str, region: str, times: Sequence[float]
) -> dict[str, metric_math.Series]:
    """Evaluate MetricDataQueries, expressions after what they name. Returns a series for each Id."""
    period = int(times[1] - times[0]) if len(times) > 1 else 60
    series: dict[str, metric_math.Series] = {}
    for query in queries:
        if "MetricStat" in query:
            stat = query["MetricStat"]
            key = metric_key(query.get("AccountId") or account, region, stat["Metric"])
            series[query["Id"]] = statistic_series(metrics, key, stat["Stat"], times, period)
    open_queries = [q for q in queries if "Expression" in q]
    while open_queries:
        ids = {q["Id"] for q in open_queries}
        ready = [q for q in open_queries if not (metric_math.names(q["Expression"]) - {q["Id"]}) & ids]
        if not ready:
            raise metric_math.ExpressionError("the expressions refer to each other in a circle")
        for query in ready:
            series[query["Id"]] = metric_math.evaluate(query["Expression"], series, times, period)
            open_queries.remove(query)
    return series


def metric_key(account: str, region: str, params: Mapping[str, Any]) -> MetricKey:
    """Return the key of a metric named as the API does."""
    dimensions = tuple(sorted((d["Name"], d["Value"]) for d in params.get("Dimensions") or ()))
    return MetricKey(account, region, params["Namespace"], params["MetricName"], dimensions)


def statistic_series(
    metrics: Metrics, key: MetricKey, statistic: str, times: Sequence[float], period: float
) -> metric_math.Series:
    """Return a statistic of each period that has data. `times` are the periods' starts."""
    points = metrics.points(key, times[0], times[-1] + period)
    series: metric_math.Series = {}
    for start in times:
        inside = [p for p in points if start <= p.timestamp < start + period]
        if inside:
            series[start] = statistic_of(inside, statistic)
    return series


def statistic_of(points: Sequence[Point], statistic: str) -> float:
    """Return Sum, Average, Minimum, Maximum, SampleCount, a percentile like p99, or a trimmed count of points.

    `TC(100:2000)` counts values above 100 up to 2000; either bound may be left out. No bound may be a percentage.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
    """
    samples = sum(p.samples for p in points)
    total = sum(p.value * p.samples for p in points)
    simple: dict[str, Callable[[], float]] = {
        "Sum": lambda: total,
        "Average": lambda: total / samples,
        "Minimum": lambda: min(p.value for p in points),
        "Maximum": lambda: max(p.value for p in points),
        "SampleCount": lambda: samples,
    }
    if statistic in simple:
        return simple[statistic]()
    if trimmed := _TRIMMED_COUNT.fullmatch(statistic):
        low, high = float(trimmed["low"] or "-inf"), float(trimmed["high"] or "inf")
        return sum(p.samples for p in points if low < p.value <= high)
    if not _PERCENTILE.fullmatch(statistic):
        raise metric_math.ExpressionError(f"the local cloud doesn't offer the statistic {statistic}")
    rank, seen = float(statistic[1:]) / 100 * samples, 0.0
    for point in sorted(points, key=lambda p: p.value):
        seen += point.samples
        if seen >= rank:
            return point.value
    return max(p.value for p in points)
