"""EventBridge: an event is authorised by its bus, its source and its detail type.

https://docs.aws.amazon.com/eventbridge/latest/userguide/policy-keys-eventbridge.html
"""

from __future__ import annotations

from collections.abc import Iterable

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall
from localcloud.authorization.model import AccessRequest


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what PutEvents needs, for each kind of event that it has."""
    if call.action != "PutEvents":
        return None
    events = [
        (_bus(call, str(entry.get("EventBusName") or "default")), entry.get("Source"), entry.get("DetailType"))
        for entry in call.params.get("Entries") or ()
    ]
    return [
        calls.request(
            call,
            "events:PutEvents",
            bus,
            {
                "events:source": (str(source),) if source else (),
                "events:detail-type": (str(detail_type),) if detail_type else (),
            },
        )
        for bus, source, detail_type in dict.fromkeys(events)
    ]


def _bus(call: AwsCall, name: str) -> str:
    return name if name.startswith("arn:") else call.arn("events", f"event-bus/{name}")
