"""How the new version does while traffic shifts onto it: its share, its errors, the alarms that fire.

Nothing here decides: the state machine and CodeDeploy do. Whoever may not read metrics or alarms sees less.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from stepladder.aws_lambda import alias as aliases
from stepladder.core import aws, names
from stepladder.core.aws import error_code
from stepladder.promotion.executions import Desk, Execution
from stepladder.promotion.history import Target, View

_EVERY, _EVERY_LOCAL = 15.0, 0.5  # real seconds between two looks at metrics and alarms, which AWS bills
_NEWEST = 120.0  # seconds that a metric's minute may still be filled
_MINUTE = 60
_ONCE = 1.0  # seconds
_RETURNING = ("rolling back", "verifying the rollback")


class Vitals:
    """What is looked at besides the history, each target at most so often."""

    def __init__(self, desk: Desk, execution: Execution, *, is_local: bool) -> None:
        self._desk = desk
        self._release = f"rel={execution.input['release_id']} "
        self._every = _EVERY_LOCAL if is_local else _EVERY
        self._looked: dict[str, float] = {}
        self._ours: dict[tuple[str, str], bool] = {}
        self._denied: set[str] = set()

    def refresh(self, view: View) -> bool:
        """Look at the targets that shift, or just did; say whether anything changed."""
        before = [_seen(target) for target in view.targets]
        for target in view.targets:
            if target.is_shifting or target.phase in _RETURNING:
                self._share(target)
                self._health(view, target)
            elif target.phase in ("released", "verified", "verifying the alias", "unchanged"):
                target.share = 1.0
            elif target.phase in ("rolled back", "restored"):
                target.share = 0.0
        return before != [_seen(target) for target in view.targets]

    def _share(self, target: Target) -> None:
        """Read how much of the traffic the new version has: whichever of the alias's versions is this release's."""
        alias = aliases.read(self._client(target, "lambda"), target.function)
        if alias is None:
            return
        shares = {alias.version: 1.0 - sum(alias.weights.values()), **alias.weights}
        ours = [version for version in shares if self._is_ours(target, version)]
        target.share = shares[ours[0]] if ours else 0.0
        target.version = ours[0] if ours else target.version

    def _is_ours(self, target: Target, version: str) -> bool:
        """Say whether this release published a version."""
        key = (target.environment, version)
        if key not in self._ours:
            named = {"FunctionName": target.function, "Qualifier": version}
            try:
                told = self._client(target, "lambda").get_function_configuration(**named)
            except Exception as error:
                if aws.explain(error) is None:
                    raise
                return version == target.version
            self._ours[key] = f"{told.get('Description', '')} ".startswith(self._release)
        return self._ours[key]

    def _health(self, view: View, target: Target) -> None:
        now = self._desk.rung.clock.monotonic()
        if not target.version or now - self._looked.get(target.environment, -self._every) < self._every:
            return
        self._looked[target.environment] = now
        self._allowed("metrics", lambda: self._errors(view, target))
        self._allowed("alarms", lambda: self._alarms(target))

    def _errors(self, view: View, target: Target) -> None:
        dimensions = {
            "FunctionName": target.function,
            "Resource": f"{target.function}:live",
            "ExecutedVersion": target.version,
        }
        found = self._cloudwatch(target).get_metric_data(
            MetricDataQueries=[_query(name, dimensions) for name in ("Invocations", "Errors")],
            StartTime=datetime.fromtimestamp((target.shifted or target.since) // _MINUTE * _MINUTE, UTC),
            EndTime=datetime.fromtimestamp(view.now + _NEWEST, UTC),
        )
        sums = {result["Id"]: sum(result["Values"]) for result in found.get("MetricDataResults", ())}
        target.calls, target.errors = int(sums.get("invocations", 0)), int(sums.get("errors", 0))

    def _alarms(self, target: Target) -> None:
        found = self._cloudwatch(target).describe_alarms(
            AlarmNames=[f"{target.function}-{what}" for what in names.ALARMS], StateValue="ALARM"
        )
        fires = (alarm["AlarmName"] for alarm in found.get("MetricAlarms", ()))
        target.alarms = tuple(dict.fromkeys((*target.alarms, *fires)))  # one that is quiet again has fired

    def _allowed(self, what: str, look: Any) -> None:
        """Look, and never again once that is denied; what AWS can't answer now is looked at the next time."""
        if what in self._denied:
            return
        try:
            look()
        except Exception as error:
            if aws.explain(error) is None:  # not the SDK's
                raise
            code = error_code(error)
            if "AccessDenied" in code or "NotAuthorized" in code or "Unauthorized" in code:
                self._denied.add(what)

    def _cloudwatch(self, target: Target) -> Any:
        """Return a client that asks once: the drawing doesn't stand still while others are served."""
        return self._desk.at(target.environment).aws.client("cloudwatch", lasting=_ONCE)

    def _client(self, target: Target, service: str) -> Any:
        return self._desk.at(target.environment).aws.client(service)


def _query(name: str, dimensions: dict[str, str]) -> dict[str, Any]:
    metric = {
        "Namespace": "AWS/Lambda",
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }
    return {"Id": name.lower(), "MetricStat": {"Metric": metric, "Period": _MINUTE, "Stat": "Sum"}}


def _seen(target: Target) -> tuple[Any, ...]:
    return target.share, target.version, target.errors, target.alarms
