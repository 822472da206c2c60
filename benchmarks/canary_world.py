"""Services under traffic, with their metrics and alarms: the world that `canary.py` shifts versions in.

Each request has the chance of an error and the duration that its service, its version and the minute give it.
CloudWatch has a minute's numbers two minutes late.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path += [str(ROOT), str(ROOT / "tests" / "unit")]

from fakes.pipeline import ALIAS, FUNCTION  # noqa: E402

from localcloud.metrics import MetricKey, Metrics  # noqa: E402
from localcloud.services.cloudwatch import evaluation  # noqa: E402
from localcloud.services.cloudwatch.model import Alarm  # noqa: E402

EACH = 5  # services of each kind
BAD = ("error rate", "latency", "only under load", "only for some inputs")
GOOD = ("the same code", "a little different", "common failures", "unsteady latency")
_ACCOUNT, _REGION = "123456789012", "eu-west-1"
_BEGIN = 1_795_705_200.0  # a time like any other
_LATE = 90.0  # seconds after which CloudWatch has a minute's data
_SLICE = 20  # seconds of traffic that are made at once
_BEFORE = 600.0  # seconds of traffic of the old version alone
_TIMEOUT_MS = 3000.0
_COLD_MS = 400.0  # what the first request of an environment takes longer: connections, caches


@dataclass(frozen=True)
class Version:
    """How one version behaves, beside its service: more errors, longer, and from which share of the traffic on."""

    errors: float = 0.0
    slower: float = 1.0
    from_share: float = 0.0
    inputs: float = 1.0


@dataclass(frozen=True)
class Service:
    """One service under traffic: requests a minute, its own errors and durations, and what fails for both versions."""

    kind: str
    number: int
    requests: float
    errors: float
    median: float
    spread: float
    new: Version
    bursts: tuple[tuple[float, float, float, float], ...] = ()


@dataclass
class Clock:
    """The simulated time; the local cloud's metrics ask it."""

    time: float = _BEGIN - _BEFORE

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return self.time


@dataclass
class World:
    """One service with its metrics, its alarms and its alias; a new one for each shift, with the same traffic."""

    service: Service
    seed: str
    clock: Clock = field(default_factory=Clock)
    share: float = 0.0
    hurt: int = 0
    cold: int = 0

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.clock)  # type: ignore[arg-type]
        self.random = random.Random(self.seed)  # noqa: S311 - a simulation
        self._waiting: list[tuple[float, str, str, float, float]] = []
        self.alarms = [Alarm(_ACCOUNT, _REGION, f"arn:{kind}", each, self.now()) for kind, each in _alarms()]
        self.run(_BEGIN)

    def run(self, until: float) -> None:
        """Let traffic come until a time; evaluate the alarms each minute."""
        while self.clock.time < until:
            seconds = min(_SLICE, until - self.clock.time)
            self._traffic(seconds)
            self.clock.time += seconds
            self._publish()
            for alarm in self.alarms:
                state, reason = evaluation.evaluate(alarm, self.metrics, self.clock.time)
                if state != alarm.state:
                    alarm.state, alarm.reason, alarm.changed = state, reason, self.now()

    def now(self) -> datetime:
        """Return the time of its clock."""
        return datetime.fromtimestamp(self.clock.time, UTC)

    @property
    def minutes(self) -> float:
        """Minutes since the shift began."""
        return (self.clock.time - _BEGIN) / 60

    def widen(self, percent: int) -> None:
        """Give the new version a share. As many of its next requests as it needs environments find a cold one."""
        self.share = percent / 100
        self.cold += 2 + round(self.service.requests / 60 * self.share * self.service.median / 1000)

    def _traffic(self, seconds: float) -> None:
        service, make = self.service, self.random
        count = make.gauss(service.requests * seconds / 60, (service.requests * seconds / 60) ** 0.5)
        failing, slowing = self._burst()
        durations: dict[tuple[str, float], int] = Counter()
        calls: dict[str, int] = Counter()
        errors: dict[str, int] = Counter()
        for _ in range(max(0, round(count))):
            is_new = make.random() < self.share
            number, version = ("8", service.new) if is_new else ("7", Version())
            affected = is_new and self.share >= version.from_share and make.random() < version.inputs
            chance = service.errors + failing + (version.errors if affected else 0.0)
            took = make.lognormvariate(0, service.spread) * service.median * slowing
            took *= version.slower if affected else 1.0
            if is_new and self.cold:
                self.cold, took = self.cold - 1, took + _COLD_MS
            durations[number, float(f"{min(took, _TIMEOUT_MS):.2g}")] += 1
            calls[number] += 1
            errors[number] += make.random() < chance
        at = self.clock.time + seconds / 2
        for number, total in calls.items():
            self._waiting.append((at, number, "Invocations", 1, total))
            self._waiting.append((at, number, "Errors", 1, errors[number]))
            self._waiting.append((at, number, "Errors", 0, total - errors[number]))
        self._waiting += [(at, number, "Duration", took, total) for (number, took), total in durations.items()]
        self.hurt += errors["8"]

    def _burst(self) -> tuple[float, float]:
        """Return the chance of an error and the slowness that both versions have at this time."""
        minute = self.minutes
        for first, length, failing, slowing in self.service.bursts:
            if first <= minute < first + length:
                return failing, slowing
        return 0.0, 1.0

    def _publish(self) -> None:
        """Let CloudWatch have what is old enough."""
        due = [each for each in self._waiting if minute_of(each[0]) + 60 + _LATE <= self.clock.time]
        self._waiting = [each for each in self._waiting if minute_of(each[0]) + 60 + _LATE > self.clock.time]
        for at, version, name, value, count in due:
            if not count:
                continue
            of_alias = {"FunctionName": FUNCTION, "Resource": f"{FUNCTION}:{ALIAS}"}
            for dimensions in (of_alias, {**of_alias, "ExecutedVersion": version}):
                self.metrics.put(
                    "AWS/Lambda", name, dimensions, value, "None", at, count=count, account=_ACCOUNT, region=_REGION
                )

    # what the functions call

    def describe_alarms(self, AlarmNames: list[str], StateValue: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        """Return the alarms that are in a state."""
        fires = [alarm for alarm in self.alarms if alarm.name in AlarmNames and alarm.state == StateValue]
        return {
            "MetricAlarms": [
                {"AlarmName": alarm.name, "StateReason": alarm.reason, "StateUpdatedTimestamp": alarm.changed}
                for alarm in fires
            ]
        }

    def get_metric_data(self, **request: Any) -> dict[str, Any]:
        """Return metrics by the local cloud's statistics."""
        queries = request["MetricDataQueries"]
        period = queries[0]["MetricStat"]["Period"]
        first, last = (int(request[key].timestamp()) for key in ("StartTime", "EndTime"))
        times = [float(at) for at in range(first // period * period, last, period)]
        results = []
        for query in queries:
            stat = query["MetricStat"]
            key: MetricKey = evaluation.metric_key(_ACCOUNT, _REGION, stat["Metric"])
            series = evaluation.statistic_series(self.metrics, key, stat["Stat"], times, period)
            stamps = [datetime.fromtimestamp(at, UTC) for at in series]
            results.append(
                {"Id": query["Id"], "Timestamps": stamps, "Values": list(series.values()), "StatusCode": "Complete"}
            )
        return {"MetricDataResults": results}


def minute_of(at: float) -> float:
    """Return the beginning of a time's minute."""
    return at // 60 * 60


def services(seed: int) -> Iterator[Service]:
    """Make five services of each kind of version, bad ones first; the seed decides all of it."""
    make = random.Random(seed)  # noqa: S311 - a simulation
    for number in range(EACH * (len(BAD) + len(GOOD))):
        kind = (BAD + GOOD)[number // EACH]
        requests = 300 * (20 ** make.random())
        median, spread = 20 * 15 ** make.random(), make.uniform(0.25, 0.6)
        errors, bursts = make.choice([0.0, 0.001, 0.003, 0.01]), ()
        yield Service(
            kind, number, requests, errors, median, spread, _version(kind, make), bursts or _bursts(kind, make)
        )


def _version(kind: str, make: random.Random) -> Version:
    more, slower = make.uniform(0.02, 0.2), make.uniform(1.8, 4.0)
    is_slow = make.choice([True, False])
    if kind == "error rate":
        return Version(errors=more)
    if kind == "latency":
        return Version(slower=slower)
    if kind == "only under load":
        load = make.choice([0.04, 0.2, 0.9])
        return Version(slower=slower, from_share=load) if is_slow else Version(errors=more, from_share=load)
    if kind == "only for some inputs":
        inputs = make.uniform(0.03, 0.08)
        return Version(slower=slower * 2, inputs=inputs) if is_slow else Version(errors=1.0, inputs=inputs)
    if kind == "a little different":
        return Version(errors=make.uniform(0, 0.0005), slower=make.uniform(0.9, 1.1))
    return Version()


def _bursts(kind: str, make: random.Random) -> tuple[tuple[float, float, float, float], ...]:
    """Return when something fails or slows down for both versions: first minute, minutes, errors, slowness.

    Failures stay under the alarms' threshold. Above it they stop any version, whatever else judges it.
    """
    begins = [make.uniform(first, first + 6) for first in (2, 14, 26)]
    if kind == "common failures":
        return tuple((first, make.uniform(1, 6), make.uniform(0.01, 0.025), 1.0) for first in begins)
    if kind == "unsteady latency":
        return tuple((first, make.uniform(1, 6), 0.0, make.uniform(1.3, 2.5)) for first in begins)
    return ()


def _alarms() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the alarms that the service module makes with its defaults, and a timeout of three seconds."""
    alias = [{"Name": "FunctionName", "Value": FUNCTION}, {"Name": "Resource", "Value": f"{FUNCTION}:{ALIAS}"}]
    usual = {"EvaluationPeriods": 1, "TreatMissingData": "notBreaching"}
    usual["ComparisonOperator"] = "GreaterThanOrEqualToThreshold"

    def metric(name: str) -> dict[str, Any]:
        of = {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": alias}
        return {"Id": name.lower(), "MetricStat": {"Metric": of, "Period": 60, "Stat": "Sum"}, "ReturnData": False}

    rate = {"Id": "rate", "Expression": "IF(invocations >= 10, 100 * errors / invocations, 0)", "ReturnData": True}
    queries = [rate, metric("Errors"), metric("Invocations")]
    yield "errors", {**usual, "AlarmName": f"{FUNCTION}-errors", "Threshold": 5.0, "Metrics": queries}
    latency = {"Namespace": "AWS/Lambda", "MetricName": "Duration", "Dimensions": alias, "ExtendedStatistic": "p99"}
    latency |= {"Period": 60, "Threshold": _TIMEOUT_MS * 0.8}
    yield "latency", {**usual, "AlarmName": f"{FUNCTION}-latency", **latency}
