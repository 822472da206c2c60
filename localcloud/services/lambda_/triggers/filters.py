"""FilterCriteria of event source mappings: which records a function gets.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html, and for bodies
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html: a body that is JSON meets patterns that are
objects, a body that is plain text meets patterns that are arrays, and what doesn't fit is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from localcloud import event_patterns
from localcloud.event_patterns import PatternError
from localcloud.services.lambda_.model import invalid

_MOST = 10
_DATA = ("body",)  # the fields whose text is data: it may be JSON itself


def check(criteria: Mapping[str, Any]) -> None:
    """Refuse what AWS refuses, in its words."""
    filters = criteria.get("Filters") or []
    if len(filters) > _MOST:
        raise invalid(f"Maximum number of filters exceeded. Filter limit is {_MOST}.")
    for each in filters:
        try:
            event_patterns.parse(str(each.get("Pattern") or "{}"))
        except PatternError:
            raise invalid("Invalid filter pattern definition.") from None


def patterns(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the patterns of a mapping. None: every record matches."""
    filters = (config.get("FilterCriteria") or {}).get("Filters") or []
    return [event_patterns.parse(str(each.get("Pattern") or "{}")) for each in filters]


def selects(wanted: Iterable[Mapping[str, Any]], record: Mapping[str, Any]) -> bool:
    """Say whether one of the patterns matches a record."""
    return any(_matches(pattern, record) for pattern in wanted)


def _matches(pattern: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    parsed = dict(record)
    for name in _DATA:
        if name in pattern:
            value = _read(str(record.get(name, "")))
            if isinstance(pattern[name], Mapping) != isinstance(value, Mapping | list):
                return False
            parsed[name] = value
    return event_patterns.matches(pattern, parsed)


def _read(text: str) -> Any:
    """Return the object or array that a text says, or the text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, Mapping | list) else text
