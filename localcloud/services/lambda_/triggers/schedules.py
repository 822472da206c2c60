"""Schedules that call functions, by the cloud's clock: EventBridge Scheduler's, and rules with a schedule."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from localcloud.cloud import AwsRequest, Cloud, Response
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution.engine import Invoker
from localcloud.services.lambda_.execution.event_queue import EventQueue
from localcloud.services.lambda_.model import not_found, parse_name
from localcloud.services.lambda_.triggers.cron import due_times, is_zone
from localcloud.services.lambda_.triggers.moto_services import Backend
from stepladder.core import schedules

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class _Plan:
    """One schedule of either kind. `owner` is Moto's object."""

    arn: str
    name: str
    expression: str
    zone: str
    account: str
    region: str
    owner: Any
    is_rule: bool


def install(cloud: Cloud) -> None:
    """Refuse the expressions that AWS refuses. The rest of both services is Moto's."""

    @cloud.action("scheduler", "CreateSchedule", "UpdateSchedule")
    def schedule(request: AwsRequest) -> Response:
        expression = str(request.params.get("ScheduleExpression", ""))
        _check(expression, f"Invalid Schedule Expression {expression}.", rule=False)
        zone = str(request.params.get("ScheduleExpressionTimezone") or "UTC")
        if not is_zone(zone):
            raise ServiceError("ValidationException", f"Invalid ScheduleExpressionTimezone {zone}.")
        _check_input(request.params.get("Target") or {})
        return request.forward_raw()

    @cloud.action("events", "PutRule")
    def rule(request: AwsRequest) -> Response:
        if expression := str(request.params.get("ScheduleExpression") or ""):
            _check(expression, "Parameter ScheduleExpression is not valid.", rule=True)
        return request.forward_raw()


def _check(expression: str, message: str, *, rule: bool) -> None:
    try:
        schedules.check(expression, rule=rule)
    except schedules.ScheduleError:
        raise ServiceError("ValidationException", message) from None


def _check_input(target: Mapping[str, Any]) -> None:
    """Refuse an Input that is no JSON: a function gets nothing else."""
    if str(target.get("Arn", "")).split(":")[2:3] == ["lambda"] and target.get("Input"):
        try:
            json.loads(target["Input"])
        except ValueError:
            raise ServiceError("ValidationException", "The target's Input must be well-formed JSON.") from None


class Schedules:
    """Looks at Moto's schedules and calls what is due."""

    def __init__(self, invoker: Invoker, asynchronous: EventQueue) -> None:
        self._invoker = invoker
        self._cloud = invoker.cloud
        self._asynchronous = asynchronous
        self._stopped = threading.Event()
        self._seen: dict[tuple[str, str], float] = {}  # (ARN, expression) -> when it was first seen
        self._until: dict[tuple[str, str], float] = {}  # up to when it has been called
        threading.Thread(target=self._loop, daemon=True, name="schedules").start()

    def close(self) -> None:
        """Stop."""
        self._stopped.set()

    def run_now(self, name: str) -> int:
        """Call what schedules of this name call, now. Return how many there were. Raises when there is none."""
        plans = [plan for plan in _plans() if plan.name == name]
        if not plans:
            raise not_found(f"Schedule {name} does not exist.")
        for plan in plans:
            self._call(plan, self._cloud.clock.now())
        return len(plans)

    def _loop(self) -> None:
        while not self._stopped.wait(_POLL_SECONDS):
            now = self._cloud.clock.now()
            for plan in _plans():
                self._poll(plan, now)

    def _poll(self, plan: _Plan, now: float) -> None:
        key = (plan.arn, plan.expression)
        first = self._seen.setdefault(key, now)
        since = self._until.get(key, first)
        self._until[key] = now
        if getattr(plan.owner, "state", "ENABLED") != "ENABLED":
            return
        # a schedule with a rate calls at once, a rule after its first period
        at_once = not plan.is_rule and plan.expression.startswith("rate") and since == first == now
        times = [now] if at_once else due_times(plan.expression, plan.zone, first, since, now)
        for moment in times:
            self._call(plan, moment)

    def _call(self, plan: _Plan, moment: float) -> None:
        try:
            if plan.is_rule:
                event = _event(plan, moment)
                for target in list(plan.owner.targets):
                    Backend(self._invoker, self._asynchronous, plan.account, plan.region).target(target, event)
            else:
                self._call_target(plan, moment)
        except ServiceError as error:
            print(f"schedule {plan.name} could not call its target: {error}", flush=True)  # noqa: T201 - the cloud's log

    def _call_target(self, plan: _Plan, moment: float) -> None:
        target = plan.owner.target
        arn = str(target["Arn"])
        text = str(target.get("Input") or "") or json.dumps(_notification(plan, moment))
        for name, value in (
            ("schedule-arn", plan.arn),
            ("scheduled-time", _iso(moment)),
            ("execution-id", uuid4().hex[:16]),
            ("attempt-number", "1"),
        ):
            text = text.replace(f"<aws.scheduler.{name}>", value)
        if arn.split(":")[2] != "lambda":
            print(f"schedule {plan.name}: the local cloud calls functions only, not {arn}", flush=True)  # noqa: T201 - log
            return
        key, qualifier = parse_name(arn, plan.account, plan.region)
        self._invoker.target(key, qualifier)
        self._asynchronous.submit(key, qualifier, text.encode())


def _plans() -> Iterator[_Plan]:
    """Yield every schedule. Nothing of Moto's is imported for that."""
    for account, region, backend in _each("moto.scheduler.models", "scheduler_backends"):
        for group in list(backend.schedule_groups.values()):
            for one in list(group.schedules.values()):
                zone = one.schedule_expression_timezone
                yield _Plan(one.arn, one.name, one.schedule_expression, zone, account, region, one, is_rule=False)
    for account, region, backend in _each("moto.events.models", "events_backends"):
        for bus in list(backend.event_buses.values()):
            for rule in list(bus.rules.values()):
                if rule.scheduled_expression:
                    yield _Plan(
                        rule.arn, rule.name, rule.scheduled_expression, "UTC", account, region, rule, is_rule=True
                    )


def _each(module: str, name: str) -> Iterator[tuple[str, str, Any]]:
    # A module that another thread is importing is listed before it has its names.
    for account, regions in list(getattr(sys.modules.get(module), name, {}).items()):
        for region, backend in list(regions.items()):
            yield account, region, backend


def _event(plan: _Plan, moment: float) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": plan.account,
        "time": _iso(moment),
        "region": plan.region,
        "resources": [plan.arn],
        "detail": {},
    }


def _notification(plan: _Plan, moment: float) -> dict[str, Any]:
    """Make what EventBridge Scheduler delivers where a target names no Input.

    That there is such a notification: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_Target.html. That
    its `detail` is a text, unlike a rule's: cloud-custodian/cloud-custodian#9566.
    """
    return {**_event(plan, moment), "source": "aws.scheduler", "detail": "{}"}


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
