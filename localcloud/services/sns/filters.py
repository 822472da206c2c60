"""Which messages a subscription's filter policy selects: by their attributes, or by their body.

https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from localcloud import event_patterns

_ATTRIBUTES = "MessageAttributes"


def selects(policy: Mapping[str, Any], scope: str, attributes: Mapping[str, Any] | None, body: str) -> bool:
    """Say whether a policy selects a message. `attributes` are as SNS hands them on: `Type` and `Value`."""
    if scope in ("", _ATTRIBUTES):
        return event_patterns.matches(policy, {name: _value(each) for name, each in (attributes or {}).items()})
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(parsed, Mapping | list) and event_patterns.matches(policy, parsed)


def _value(attribute: Mapping[str, Any]) -> Any:
    """Return what an attribute compares as: a text, a number, or the values of a list."""
    kind, value = str(attribute.get("Type", "")), attribute.get("Value")
    if kind.startswith("Number"):
        try:
            return float(str(value))
        except ValueError:
            return value
    if kind == "String.Array":
        try:
            return json.loads(str(value))
        except ValueError:
            return value
    return value if kind.startswith("String") else {}  # no operator compares binary values
