"""Stop what calls the functions, before anything that they need is destroyed.

Event sources are disabled, and then each function is given no concurrency: whoever calls it is turned away, as AWS
says to do (https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html). Both are undone by the next
apply of Terraform, should the destroying not go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.core.clock import Clock, is_throttled, retrying
from stepladder.core.release_facts import NOT_FOUND
from stepladder.releases.rung import Rung

_SECONDS = 60.0
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
_STOPS = frozenset({"Disabled", "Disabling", "Deleting"})
_PROVISIONED = "InvalidParameterValueException"
"""What Lambda answers while concurrency is provisioned for an alias."""
_BUSY = "ResourceInUseException"


def stop(rung: Rung) -> list[str]:
    """Stop the traffic of one function; return what was stopped, in words. What may not be stopped is warned of."""
    client, function = rung.lambda_client, rung.names.function
    stopped = []
    try:
        for mapping in event_sources(client, function, rung.clock):
            if mapping.get("State") not in _STOPS:
                _disable(client, mapping["UUID"], rung.clock)
                stopped.append(f"event source {mapping.get('EventSourceArn', mapping['UUID']).rpartition(':')[2]}")
        if _refuse_calls(client, function, rung.clock):
            stopped.append(f"calls of {function}")
    except Exception as error:
        if error_code(error) not in _DENIED:
            raise
        denied = getattr(error, "operation_name", "")
        rung.console.warn(f"these credentials may not call {denied}: {function} takes calls until it is destroyed")
    return stopped


def event_sources(client: Any, function: str, clock: Clock) -> Iterator[dict[str, Any]]:
    """Yield the event source mappings of a function and of its alias; none without a function."""
    for name in (function, f"{function}:{names.ALIAS}"):
        request: dict[str, str] = {"FunctionName": name}
        while True:
            try:
                answer = retrying(
                    lambda: client.list_event_source_mappings(**request),  # noqa: B023 - called at once
                    clock,
                    timeout=_SECONDS,
                    passes=is_throttled,
                )
            except Exception as error:
                if error_code(error) != NOT_FOUND:
                    raise
                break
            yield from answer["EventSourceMappings"]
            if not answer.get("NextMarker"):
                break
            request["Marker"] = answer["NextMarker"]


def remove_event_sources(rung: Rung) -> int:
    """Delete the event source mappings that a function leaves behind; return how many."""
    removed = 0
    for mapping in {each["UUID"]: each for each in event_sources(rung.lambda_client, rung.names.function, rung.clock)}:
        try:
            retrying(
                lambda: rung.lambda_client.delete_event_source_mapping(UUID=mapping),  # noqa: B023 - called at once
                rung.clock,
                timeout=_SECONDS,
                passes=_passes,
            )
            removed += 1
        except Exception as error:
            if error_code(error) != NOT_FOUND:
                raise
    return removed


def _disable(client: Any, mapping: str, clock: Clock) -> None:
    try:
        retrying(
            lambda: client.update_event_source_mapping(UUID=mapping, Enabled=False),
            clock,
            timeout=_SECONDS,
            passes=_passes,
        )
    except Exception as error:
        if error_code(error) != NOT_FOUND:
            raise


def _refuse_calls(client: Any, function: str, clock: Clock) -> bool:
    """Give a function no concurrency; say whether that was so. Provisioned concurrency forbids it."""
    try:
        retrying(
            lambda: client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0),
            clock,
            timeout=_SECONDS,
            passes=_passes,
        )
    except Exception as error:
        if error_code(error) not in {NOT_FOUND, _PROVISIONED}:
            raise
        return False
    return True


def _passes(error: Exception) -> bool:
    return is_throttled(error) or error_code(error) in {_BUSY, "ResourceConflictException"}
