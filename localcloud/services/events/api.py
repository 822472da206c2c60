"""EventBridge's actions that do more than keep: PutEvents, and the checks of PutRule and PutTargets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from localcloud import deliveries, event_patterns
from localcloud.cloud import AwsRequest, Cloud, Environ, Response, ServiceError, WsgiApp, json_response
from localcloud.services.events import inputs, schedules
from localcloud.services.events.rules import Rules
from localcloud.services.events.schedules import Schedules
from stepladder.core import schedules as expressions

PAGE = "/_stepladder/lambda/schedule"
_MOST = 10
_REQUIRED = ("Source", "DetailType", "Detail")


def install(cloud: Cloud) -> None:
    """Register the actions."""
    rules = Rules(cloud)
    cloud.put_event = rules.put
    _install_schedules(cloud, rules)
    cloud.on_stop(rules.close)

    @cloud.action("events", "PutEvents")
    def put_events(request: AwsRequest) -> dict[str, Any] | Response:
        entries = request.params.get("Entries") or []
        if len(entries) > _MOST:
            return request.forward_raw()  # Moto words the refusal
        answers = [_put(rules, request, entry) for entry in entries]
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    cloud.action("events", "PutRule")(_put_rule)
    cloud.action("events", "PutTargets")(_put_targets)
    cloud.action("events", "TestEventPattern")(_test_event_pattern)


def _put_rule(request: AwsRequest) -> Response:
    if expression := str(request.params.get("ScheduleExpression") or ""):
        try:
            expressions.check(expression, rule=True)
        except expressions.ScheduleError:
            raise ServiceError("ValidationException", "Parameter ScheduleExpression is not valid.", 400) from None
    if pattern := request.params.get("EventPattern"):
        _parse(str(pattern))
    return request.forward_raw()


def _put_targets(request: AwsRequest) -> Response:
    for target in request.params.get("Targets") or []:
        inputs.check(target)
    return request.forward_raw()


def _test_event_pattern(request: AwsRequest) -> dict[str, bool]:
    pattern = _parse(str(request.params.get("EventPattern") or ""))
    try:
        event = json.loads(str(request.params.get("Event") or ""))
    except ValueError:
        raise ServiceError("ValidationException", "Parameter Event is not valid.", 400) from None
    return {"Result": event_patterns.matches(pattern, event)}


def _install_schedules(cloud: Cloud, rules: Rules) -> None:
    scheduler = Schedules(cloud, rules)
    schedules.install(cloud, scheduler)
    cloud.route(PAGE, _page(scheduler))
    cloud.on_ready(scheduler.start)
    cloud.on_stop(scheduler.close)
    cloud.on_save("schedules", scheduler.dump)
    cloud.on_load("schedules", scheduler.restore)


def _page(scheduler: Schedules) -> WsgiApp:
    """Return the page that calls what a schedule calls, now."""

    def page(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            order = json.loads(environ["wsgi.input"].read() or b"{}")
            response = json_response({"called": scheduler.run_now(str(order["name"]))})
        except ServiceError as error:
            response = json_response({"error": error.message}, error.status)
        except (ValueError, KeyError, TypeError) as error:
            response = json_response({"error": f"{type(error).__name__}: {error}"}, 400)
        start_response(f"{response.status} -", [*response.headers.items(), ("Content-Length", str(len(response.body)))])
        return [response.body]

    return page


def _parse(text: str) -> dict[str, Any]:
    try:
        return event_patterns.parse(text)
    except event_patterns.PatternError as error:
        raise ServiceError(
            "InvalidEventPatternException", f"Event pattern is not valid. Reason: {error}", 400
        ) from None


def _put(rules: Rules, request: AwsRequest, entry: Mapping[str, Any]) -> dict[str, str]:
    """Put one entry. Return its part of the answer."""
    for name in _REQUIRED:
        if not entry.get(name):
            reason = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": reason}
    if str(entry["Source"]).startswith("aws."):
        return {
            "ErrorCode": "NotAuthorizedForSourceException",
            "ErrorMessage": "Not authorized for the source.",
        }
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        detail = None
    if not isinstance(detail, dict):
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    event = deliveries.event(
        str(entry["Source"]),
        str(entry["DetailType"]),
        detail,
        region=request.region,
        account=request.account,
        resources=entry.get("Resources") or (),
        time=_time(entry.get("Time")),
    )
    where = str(entry.get("EventBusName") or "default")
    if where.startswith("arn:"):
        _, _, _, event["region"], event["account"], where = where.split(":", 5)
    rules.put(where.removeprefix("event-bus/"), event)
    return {"EventId": event["id"]}


def _time(moment: Any) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(moment, datetime) else ""
