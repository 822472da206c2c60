"""Schedules by the cloud's clock: EventBridge Scheduler's, and rules with a schedule. Moto keeps both."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from localcloud.callers import ServiceCaller
from localcloud.cloud import AwsRequest, Cloud, Response, ServiceError
from localcloud.deliveries import Delivery, RetryPolicy, deliver_persistently, event, logged
from localcloud.services.events.cron import due_times, is_zone
from localcloud.services.events.rules import Rules
from stepladder.core import schedules

SERVICE = "scheduler.amazonaws.com"
_POLL_SECONDS = 0.2
_WORKERS = 16
_Key = tuple[str, str]  # an ARN and its expression: a changed expression begins anew


@dataclass(frozen=True)
class SchedulePlan:
    """One schedule of either kind. `owner` is Moto's object. `begins` and `ends` are epoch seconds, or None."""

    arn: str
    name: str
    expression: str
    zone: str
    account: str
    region: str
    owner: Any
    is_rule: bool
    begins: float | None = None
    ends: float | None = None


def install(cloud: Cloud, scheduler: Schedules) -> None:
    """Refuse the expressions that AWS refuses. The rest of the service is Moto's."""

    @cloud.action("scheduler", "CreateSchedule", "UpdateSchedule")
    def schedule(request: AwsRequest) -> Response:
        expression = str(request.params.get("ScheduleExpression", ""))
        try:
            schedules.check(expression)
        except schedules.ScheduleError:
            raise _invalid(f"Invalid Schedule Expression {expression}.") from None
        zone = str(request.params.get("ScheduleExpressionTimezone") or "UTC")
        if not is_zone(zone):
            raise _invalid(f"Invalid ScheduleExpressionTimezone {zone}.")
        _check_window(request.params.get("FlexibleTimeWindow") or {})
        _check_input(request.params.get("Target") or {})
        answer = request.forward_raw()
        scheduler.notice()
        return answer


def _check_window(window: Mapping[str, Any]) -> None:
    if window.get("Mode") == "FLEXIBLE" and not window.get("MaximumWindowInMinutes"):
        raise _invalid("MaximumWindowInMinutes must be provided when the Mode is FLEXIBLE.")


def _check_input(target: Mapping[str, Any]) -> None:
    """Refuse an Input that is no JSON: a function gets nothing else."""
    if str(target.get("Arn", "")).split(":")[2:3] == ["lambda"] and target.get("Input"):
        try:
            json.loads(target["Input"])
        except ValueError:
            raise _invalid("The target's Input must be well-formed JSON.") from None


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, 400)


class Schedules:
    """Looks at Moto's schedules and calls what is due."""

    def __init__(self, cloud: Cloud, rules: Rules) -> None:
        self._cloud = cloud
        self._rules = rules
        self._stopped = threading.Event()
        self._seen: dict[_Key, float] = {}  # when it was first seen
        self._until: dict[_Key, float] = {}  # up to when it has been called
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="schedule")

    def start(self) -> None:
        """Begin, once the state is loaded."""
        threading.Thread(target=self._loop, daemon=True, name="schedules").start()

    def close(self) -> None:
        """Stop."""
        self._stopped.set()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def dump(self) -> dict[_Key, float]:
        """Return since when each schedule runs."""
        return dict(self._seen)

    def restore(self, saved: dict[_Key, float]) -> None:
        """Go on with saved schedules. What was due while the cloud was down is not called."""
        self._seen.update(saved)
        self._until.update(dict.fromkeys(saved, self._cloud.clock.now()))

    def notice(self) -> None:
        """Begin the time of what was just made."""
        now = self._cloud.clock.now()
        for plan in plans():
            self._seen.setdefault((plan.arn, plan.expression), now)

    def run_now(self, name: str) -> int:
        """Call what schedules of this name call, now. Return how many there were. Raises when there is none."""
        named = [plan for plan in plans() if plan.name == name]
        if not named:
            raise ServiceError("ResourceNotFoundException", f"Schedule {name} does not exist.", 404)
        for plan in named:
            self._call(plan, self._cloud.clock.now())
        return len(named)

    def _loop(self) -> None:
        while not self._stopped.wait(_POLL_SECONDS):
            with logged():
                self.poll()

    def poll(self) -> None:
        """Call what is due. A schedule that can't be called holds up no other."""
        now, known = self._cloud.clock.now(), list(self._seen)  # before the plans: one may be made meanwhile
        present = list(plans())
        for plan in present:
            with logged():
                self._poll(plan, now)
        keys = {(plan.arn, plan.expression) for plan in present}
        for gone in [key for key in known if key not in keys]:
            self._seen.pop(gone, None)
            self._until.pop(gone, None)

    def _poll(self, plan: SchedulePlan, now: float) -> None:
        key = (plan.arn, plan.expression)
        first, is_new = self._seen.setdefault(key, now), key not in self._until
        since = self._until.get(key, first)
        self._until[key] = now
        if getattr(plan.owner, "state", "ENABLED") == "DISABLED":
            return
        begins = max(first, plan.begins or 0.0)
        # a schedule with a rate calls at once, a rule after its first period
        at_once = not plan.is_rule and plan.expression.startswith("rate") and since <= begins <= now
        times = [begins] if at_once and (is_new or since < begins) else []
        times += due_times(plan.expression, plan.zone, begins, max(since, begins), now)
        for moment in times:
            if plan.ends is None or moment <= plan.ends:
                self._call(plan, moment)
        if times and plan.expression.startswith("at("):
            self._complete(plan)

    def _complete(self, plan: SchedulePlan) -> None:
        """Delete a schedule that has run for the last time, where it says so."""
        if getattr(plan.owner, "action_after_completion", None) == "DELETE":
            params = {"Name": plan.name, "GroupName": plan.owner.group_name}
            self._cloud.call("scheduler", "DeleteSchedule", params, region=plan.region, account=plan.account)

    def _call(self, plan: SchedulePlan, moment: float) -> None:
        if plan.is_rule:
            made = event(
                "aws.events",
                "Scheduled Event",
                {},
                region=plan.region,
                account=plan.account,
                time=_iso(moment),
                resources=[plan.arn],
            )
            self._rules.send(plan.owner, made)
        else:
            self._workers.submit(logged()(self._deliver), plan, moment)

    def _deliver(self, plan: SchedulePlan, moment: float) -> None:
        target = dict(plan.owner.target)
        text = str(target.get("Input") or "") or json.dumps(_notification(plan, moment))
        words = {
            "schedule-arn": plan.arn,
            "scheduled-time": _iso(moment),
            "execution-id": uuid4().hex[:16],
            "attempt-number": "1",
        }
        for name, value in words.items():
            text = text.replace(f"<aws.scheduler.{name}>", value)
        group = plan.arn.replace(":schedule/", ":schedule-group/").rpartition("/")[0]
        caller = ServiceCaller(SERVICE, group, plan.account, str(target.get("RoleArn") or ""))
        parameters = {**(target.get("SqsParameters") or {}), **(target.get("EventBridgeParameters") or {})}
        deliver_persistently(
            self._cloud,
            Delivery(
                *(caller, str(target["Arn"]), text),
                group=str(parameters.get("MessageGroupId") or ""),
                source=str(parameters.get("Source") or ""),
                kind=str(parameters.get("DetailType") or ""),
            ),
            RetryPolicy.of(target),
            {
                "SCHEDULE_ARN": plan.arn,
                "TARGET_ARN": str(target["Arn"]),
                "SCHEDULED_TIME": words["scheduled-time"],
                "EXECUTION_ID": words["execution-id"],
                "IS_PAYLOAD_TRUNCATED": "false",
            },
        )


def plans() -> Iterator[SchedulePlan]:
    """Yield every schedule. Nothing of Moto's is imported for that."""
    for account, region, backend in _each("moto.scheduler.models", "scheduler_backends"):
        for group in list(backend.schedule_groups.values()):
            for one in list(group.schedules.values()):
                zone = one.schedule_expression_timezone
                yield SchedulePlan(
                    *(one.arn, one.name, one.schedule_expression, zone, account, region, one),
                    is_rule=False,
                    begins=_moment(one.start_date),
                    ends=_moment(one.end_date),
                )
    for account, region, backend in _each("moto.events.models", "events_backends"):
        for bus in list(backend.event_buses.values()):
            for rule in list(bus.rules.values()):
                if rule.scheduled_expression:
                    yield SchedulePlan(
                        *(rule.arn, rule.name, rule.scheduled_expression, "UTC", account, region, rule), is_rule=True
                    )


def _each(module: str, name: str) -> Iterator[tuple[str, str, Any]]:
    # A module that another thread is importing is listed before it has its names.
    for account, regions in list(getattr(sys.modules.get(module), name, {}).items()):
        for region, backend in list(regions.items()):
            yield account, region, backend


def _moment(date: Any) -> float | None:
    """Read a StartDate or EndDate as Moto keeps it: what came in the request."""
    if not date:
        return None
    try:
        return float(date)
    except (TypeError, ValueError):
        pass
    try:
        moment = datetime.fromisoformat(str(date))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _notification(plan: SchedulePlan, moment: float) -> dict[str, Any]:
    """Make what EventBridge Scheduler delivers where a target names no Input.

    That there is such a notification: https://docs.aws.amazon.com/scheduler/latest/APIReference/API_Target.html. That
    its `detail` is a text, unlike a rule's: cloud-custodian/cloud-custodian#9566.
    """
    where = {"region": plan.region, "account": plan.account}
    return event("aws.scheduler", "Scheduled Event", "{}", **where, time=_iso(moment), resources=[plan.arn])


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
