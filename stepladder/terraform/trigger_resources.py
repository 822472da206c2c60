"""Find what a killed run made of a trigger: event source mappings, and an HTTP API with what it has.

API Gateway takes a second API of a name, but no second route or stage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from stepladder.core.aws import Aws
from stepladder.core.names import Names
from stepladder.settings.triggers import UNNAMED

Values = Mapping[str, Any]
Find = Callable[[Aws, Names, Values], str | None]
KEY, NAME = "for_each key", "name in the code"
"""Beside a resource's values: the parts of its address that no other resource of its kind has."""
_QUEUE = "queue"
"""What the module calls the mapping of a queue."""
_APIS = "apigatewayv2"


def event_source_mapping(aws: Aws, names: Names, values: Values) -> str | None:
    """Return the id of the mapping of a source to our alias; both ARNs may be unknown in a plan.

    The alias's follows from the names, and that of a queue of ours too. Any other source without an ARN isn't made yet.
    """
    source = values.get("event_source_arn")
    if not source and values[NAME] == _QUEUE:
        behind = "" if values[KEY] == UNNAMED else f"-{values[KEY]}"
        source = f"arn:{names.partition}:sqs:{names.region}:{names.account}:{names.function}{behind}"
    if not source:
        return None
    target = values.get("function_name") or f"{names.function_arn}:live"
    listed = aws.client("lambda").list_event_source_mappings(FunctionName=target, EventSourceArn=source)
    return next((str(mapping["UUID"]) for mapping in listed["EventSourceMappings"]), None)


def api(aws: Aws, _names: Names, values: Values) -> str | None:
    """Return the id of the API with this name and all the tags that the plan would give it."""
    expected = values.get("tags_all") or {}
    same = (
        each["ApiId"]
        for each in _all(aws.client(_APIS).get_apis)
        if each["Name"] == values["name"] and _has(each, expected)
    )
    return next(same, None) if expected else None


def integration(aws: Aws, _names: Names, values: Values) -> str | None:
    """Return the import id of an API's integration of this address."""
    known = _all(aws.client(_APIS).get_integrations, ApiId=values["api_id"])
    same = (each["IntegrationId"] for each in known if each.get("IntegrationUri") == values["integration_uri"])
    return _within(values["api_id"], same)


def route(aws: Aws, _names: Names, values: Values) -> str | None:
    """Return the import id of an API's route."""
    known = _all(aws.client(_APIS).get_routes, ApiId=values["api_id"])
    return _within(values["api_id"], (each["RouteId"] for each in known if each["RouteKey"] == values["route_key"]))


def stage(aws: Aws, _names: Names, values: Values) -> str | None:
    """Return the import id of an API's stage."""
    known = _all(aws.client(_APIS).get_stages, ApiId=values["api_id"])
    return _within(values["api_id"], (each["StageName"] for each in known if each["StageName"] == values["name"]))


def _all(call: Callable[..., Any], **about: str) -> Iterator[Mapping[str, Any]]:
    """Yield what a call lists, page after page."""
    more: dict[str, str] = {}
    while True:
        page = call(**about, **more)
        yield from page["Items"]
        if not page.get("NextToken"):
            return
        more = {"NextToken": page["NextToken"]}


def _has(one: Mapping[str, Any], tags: Mapping[str, str]) -> bool:
    return all(one.get("Tags", {}).get(name) == value for name, value in tags.items())


def _within(api_id: str, ids: Iterable[str]) -> str | None:
    own = next(iter(ids), None)
    return f"{api_id}/{own}" if own else None
