"""From an event on a bus to the targets of the rules that select it."""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from typing import Any

from localcloud import event_patterns
from localcloud.callers import ServiceCaller
from localcloud.cloud import Cloud
from localcloud.deliveries import Delivery, RetryPolicy, compact, deliver_persistently, logged
from localcloud.services.events import inputs

SERVICE = "events.amazonaws.com"
_WORKERS = 16
_DELIVERED = ("lambda", "sqs", "sns", "states", "logs")
_DEPTH = 3  # buses that an event passes

_parse = cache(event_patterns.parse)


class Rules:
    """Sends events to targets, in the background."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="event")

    def put(self, bus: str, event: Mapping[str, Any], depth: int = 0) -> None:
        """Put an event on a bus (by name) of its account and region. A bus that isn't there drops it, as on AWS."""
        # A module that another thread is importing is listed before it has its names.
        backends = getattr(sys.modules.get("moto.events.models"), "events_backends", None)
        if backends is None:
            return
        on_bus = backends[event["account"]][event["region"]].event_buses.get(bus)
        for rule in list(on_bus.rules.values()) if on_bus else ():
            if selects(rule, event):
                self.send(rule, event, depth)

    def send(self, rule: Any, event: Mapping[str, Any], depth: int = 0) -> None:
        """Send an event to all targets of one of Moto's rules, whether or not its pattern selects it."""
        for target in list(rule.targets):
            self._workers.submit(logged()(self._send), rule, target, dict(event), depth)

    def close(self) -> None:
        """Send nothing more."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _send(self, rule: Any, target: Mapping[str, Any], event: dict[str, Any], depth: int) -> None:
        arn = str(target["Arn"])
        _, _, service, region, account, resource = arn.split(":", 5)
        if service == "events" and resource.startswith("event-bus/"):
            if depth < _DEPTH:
                self.put(
                    resource.removeprefix("event-bus/"), {**event, "account": account, "region": region}, depth + 1
                )
        elif service in _DELIVERED:
            caller = ServiceCaller(SERVICE, rule.arn, rule.account_id, str(target.get("RoleArn") or ""))
            names = {
                "rule-arn": rule.arn,
                "rule-name": rule.name,
                "event.ingestion-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
            body = inputs.text(target, event, names)
            group = str((target.get("SqsParameters") or {}).get("MessageGroupId") or "")
            deliver_persistently(
                self._cloud,
                Delivery(caller, arn, body, group=group),
                RetryPolicy.of(target),
                {"RULE_ARN": rule.arn, "TARGET_ARN": arn},
                compact(event),
            )
        else:
            _send_by_moto(rule, target, event)


def selects(rule: Any, event: Mapping[str, Any]) -> bool:
    """Say whether a rule is enabled and has a pattern that selects an event."""
    text = rule.event_pattern.dump()
    return rule.state != "DISABLED" and bool(text) and event_patterns.matches(_parse(text), event)


def _send_by_moto(rule: Any, target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    """Leave archives and API destinations to Moto, which wants times as numbers."""
    only = copy.copy(rule)
    only.targets = [target]
    moment = datetime.fromisoformat(str(event["time"])).replace(tzinfo=UTC).timestamp()
    try:
        only.send_to_targets({**event, "time": moment, "ingestion-time": time.time()})
    except NotImplementedError:
        sys.stdout.write(f"{rule.arn}: the local cloud delivers nothing to {target['Arn']}\n")
