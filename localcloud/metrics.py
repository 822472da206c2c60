"""Metric data points in memory: what PutMetricData and invocations write, what alarms and GetMetricData read."""

from __future__ import annotations

import bisect
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple

from localcloud.clock import CloudClock

KEEP = 15 * 24 * 3600.0  # seconds of cloud time; AWS keeps one-minute data for 15 days


class Point(NamedTuple):
    """`samples` equal observations. `timestamp` in epoch seconds."""

    timestamp: float
    value: float
    samples: float
    unit: str


_TIME = attrgetter("timestamp")


@dataclass(frozen=True)
class MetricKey:
    """What names a metric: every dimension counts, as in CloudWatch."""

    account: str
    region: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


class Metrics:
    """All metrics of the cloud. Thread-safe."""

    def __init__(self, clock: CloudClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._points: dict[MetricKey, list[Point]] = {}  # each metric's by time
        self._changes: Counter[MetricKey] = Counter()

    def put(  # noqa: PLR0913 - PutMetricData's own fields
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        value: float,
        unit: str = "None",
        timestamp: float | None = None,
        *,
        count: float = 1,
        account: str = "123456789012",
        region: str = "us-east-1",
    ) -> None:
        """Record `value`, `count` times, at `timestamp` (epoch seconds; now by the cloud's clock when None)."""
        key = MetricKey(account, region, namespace, name, tuple(sorted(dimensions.items())))
        point = Point(self._clock.now() if timestamp is None else timestamp, float(value), float(count), unit)
        with self._lock:
            points = self._points.setdefault(key, [])
            bisect.insort_right(points, point, key=_TIME)
            self._changes[key] += 1
            if len(points) % 1000 == 0:
                del points[: bisect.bisect_left(points, self._clock.now() - KEEP, key=_TIME)]

    def points(self, key: MetricKey, start: float, end: float) -> list[Point]:
        """Return the points of one metric in [start, end), by time. Alarms ask all the time, so it must be quick."""
        with self._lock:
            points = self._points.get(key, [])
            first = bisect.bisect_left(points, start, key=_TIME)
            return points[first : bisect.bisect_left(points, end, first, key=_TIME)]

    def changes(self, keys: Iterable[MetricKey]) -> int:
        """Return a number that grows with each point that one of the metrics gets, whatever its time."""
        return sum(self._changes[key] for key in keys)

    def keys(self, account: str, region: str) -> list[MetricKey]:
        """Return the metrics of one account and region."""
        with self._lock:
            return [k for k in self._points if (k.account, k.region) == (account, region)]

    def dump(self) -> list[tuple[MetricKey, list[Point]]]:
        """Return all that is kept, to be saved."""
        with self._lock:
            return [(k, list(v)) for k, v in self._points.items()]

    def restore(self, saved: Iterable[tuple[MetricKey, list[Point]]]) -> None:
        """Take back what `dump` returned."""
        with self._lock:
            self._points = {k: sorted(v, key=_TIME) for k, v in saved}
            self._changes.update(self._points.keys())
