"""The health of a new version while traffic shifts onto it: its share, its errors, the alarms that fire.

It is only shown: the state machine and CodeDeploy decide. Without the permission to read metrics or alarms, they are
left out.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from stepladder.aws_lambda import alias as aliases
from stepladder.core import aws, names
from stepladder.core.aws import error_code
from stepladder.core.release_facts import belongs_to
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.history import LadderView, Target

_EVERY, _EVERY_LOCAL = 15.0, 0.5  # real seconds between two polls of metrics and alarms, which AWS bills
_AT_ONCE = 6  # targets that are all read at each refresh
_SOME, _SOME_LOCAL = 2, 10  # of more targets
_NEWEST = 120.0  # seconds that a metric's minute may still be filled
_MINUTE, _DAY = 60, 86400
_ONCE = 1.0  # seconds
_RETURNING = ("rolling back", "verifying the rollback")


class VersionHealth:
    """Polls share, errors and alarms of each target that shifts."""

    def __init__(self, machine: StateMachine, execution: Execution, *, is_local: bool) -> None:
        self._machine = machine
        self._release = execution.input["release_id"]
        self._every = _EVERY_LOCAL if is_local else _EVERY
        self._polled_at: dict[str, float] = {}
        self._published: dict[tuple[str, str], bool] = {}
        self._denied: set[str] = set()
        self._turns: dict[str, int] = {}
        self._some = _SOME_LOCAL if is_local else _SOME

    def refresh(self, view: LadderView) -> bool:
        """Poll the targets that shift or are rolled back; return whether anything changed."""
        before = [_seen(target) for target in view.targets]
        moving = self._in_turn([each for each in view.targets if each.is_shifting or each.phase in _RETURNING])
        for target in view.targets:
            if target.is_shifting or target.phase in _RETURNING:
                if target.environment in moving:
                    self._read_share(target)
                    self._read_health(view, target)
            elif target.phase in ("released", "verified", "verifying the alias", "unchanged"):
                target.share = 1.0
            elif target.phase in ("rolled back", "restored"):
                target.share = 0.0
        return before != [_seen(target) for target in view.targets]

    def _in_turn(self, targets: list[Target]) -> frozenset[str]:
        """Return which targets are read now. Of many a few each time: Lambda takes 15 such calls a second from all."""
        if len(targets) > _AT_ONCE:
            targets = sorted(targets, key=lambda target: self._turns.get(target.environment, 0))[: self._some]
        for target in targets:
            self._turns[target.environment] = max(self._turns.values(), default=0) + 1
        return frozenset(target.environment for target in targets)

    def _read_share(self, target: Target) -> None:
        """Read the share of traffic of whichever of the alias's versions this release published."""
        alias = aliases.read(self._client(target, "lambda"), target.function)
        if alias is None:
            return
        shares = {alias.version: 1.0 - sum(alias.weights.values()), **alias.weights}
        versions = [version for version in shares if self._is_of_release(target, version)]
        target.old.version = next((version for version in shares if version not in versions), target.old.version)
        target.share = shares[versions[0]] if versions else 0.0
        target.version = versions[0] if versions else target.version

    def _is_of_release(self, target: Target, version: str) -> bool:
        """Return whether this release published a version, by the version's description."""
        key = (target.environment, version)
        if key not in self._published:
            named = {"FunctionName": target.function, "Qualifier": version}
            try:
                configuration = self._client(target, "lambda").get_function_configuration(**named)
            except Exception as error:
                if aws.explain(error) is None:
                    raise
                return version == target.version
            self._published[key] = belongs_to(configuration.get("Description", ""), self._release)
        return self._published[key]

    def _read_health(self, view: LadderView, target: Target) -> None:
        now = self._machine.rung.clock.monotonic()
        if not target.version or now - self._polled_at.get(target.environment, -self._every) < self._every:
            return
        self._polled_at[target.environment] = now
        self._unless_denied("metrics", lambda: self._read_errors(view, target))
        self._unless_denied("alarms", lambda: self._read_alarms(target))

    def _read_errors(self, view: LadderView, target: Target) -> None:
        first = (target.shifted or target.since) // _MINUTE * _MINUTE
        old = target.old.version if target.compares else ""
        versions = [version for version in (target.version, old) if version]
        queries = [_query(name, target, version) for name in ("Invocations", "Errors") for version in versions]
        sums = {name: int(sum(values)) for name, values in self._read_metrics(view, target, queries, first).items()}
        target.calls, target.errors = sums[f"invocations_{target.version}"], sums[f"errors_{target.version}"]
        if old:
            target.old.calls, target.old.errors = sums[f"invocations_{old}"], sums[f"errors_{old}"]
            self._read_p99(view, target, first)

    def _read_p99(self, view: LadderView, target: Target, first: float) -> None:
        """Read both versions' p99 of the whole shift, as one period of CloudWatch's."""
        period = min(_DAY, math.ceil((view.now + _NEWEST - first) / _MINUTE) * _MINUTE)
        versions = (target.version, target.old.version)
        queries = [_query("Duration", target, version, period, "p99") for version in versions]
        values = self._read_metrics(view, target, queries, first // period * period)
        target.p99, target.old.p99 = (max(values[f"duration_{version}"], default=None) for version in versions)

    def _read_metrics(
        self, view: LadderView, target: Target, queries: list[dict[str, Any]], first: float
    ) -> dict[str, list[float]]:
        answer = self._cloudwatch(target).get_metric_data(
            MetricDataQueries=queries,
            StartTime=datetime.fromtimestamp(first, UTC),
            EndTime=datetime.fromtimestamp(view.now + _NEWEST, UTC),
        )
        values: dict[str, list[float]] = {query["Id"]: [] for query in queries}
        for result in answer.get("MetricDataResults", ()):
            values[result["Id"]] += result["Values"]
        return values

    def _read_alarms(self, target: Target) -> None:
        answer = self._cloudwatch(target).describe_alarms(
            AlarmNames=[f"{target.function}-{what}" for what in names.ALARMS], StateValue="ALARM"
        )
        fires = (alarm["AlarmName"] for alarm in answer.get("MetricAlarms", ()))
        target.alarms = tuple(dict.fromkeys((*target.alarms, *fires)))  # an alarm that is OK again has fired

    def _unless_denied(self, what: str, read: Any) -> None:
        """Call `read` unless that was denied before. Other errors of AWS are left to the next poll."""
        if what in self._denied:
            return
        try:
            read()
        except Exception as error:
            if aws.explain(error) is None:  # not the SDK's
                raise
            code = error_code(error)
            if "AccessDenied" in code or "NotAuthorized" in code or "Unauthorized" in code:
                self._denied.add(what)

    def _cloudwatch(self, target: Target) -> Any:
        """Return a client that doesn't retry, so that the picture is not held up."""
        return self._machine.at(target.environment).aws.client("cloudwatch", lasting=_ONCE)

    def _client(self, target: Target, service: str) -> Any:
        return self._machine.at(target.environment).aws.client(service)


def _query(name: str, target: Target, version: str, period: int = _MINUTE, statistic: str = "Sum") -> dict[str, Any]:
    resource = f"{target.function}:live"
    dimensions = {"FunctionName": target.function, "Resource": resource, "ExecutedVersion": version}
    metric = {
        "Namespace": "AWS/Lambda",
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }
    stat = {"Metric": metric, "Period": period, "Stat": statistic}
    return {"Id": f"{name.lower()}_{version}", "MetricStat": stat}


def _seen(target: Target) -> tuple[Any, ...]:
    return target.share, target.version, target.errors, target.alarms, target.old.errors, target.p99
