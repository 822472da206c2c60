"""What uses a published version besides aliases: durable executions, provisioned concurrency, event sources, callers.

What can't be found out counts as used: a version that is kept for nothing costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.core.aws import error_code
from stepladder.core.clock import Clock, is_throttled, retrying
from stepladder.core.release_facts import NOT_FOUND

EXECUTING, PROVISIONED, CALLED, UNKNOWN = "executing", "provisioned", "called", "unknown"
_LIVE = ("RUNNING", "PAUSING", "PAUSED")
_OLDER_LIVE = ("RUNNING",)
"""A durable execution's states in which it goes on; some regions know only this one."""
_REFUSED = frozenset({"InvalidParameterValueException", "ValidationException"})
_SECONDS = 60.0  # Lambda takes 15 reads a second from an account


class VersionUsers:
    """Who uses the versions of the functions of one account and region. `client` is Lambda's."""

    def __init__(self, client: Any, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def of(self, function: str, versions: Iterable[FunctionState], *, callers: bool) -> dict[str, str]:
        """Return why each used version of a function is used; `callers` asks for each one's policy too, a call each.

        A version that is nowhere in use isn't in the answer.
        """
        every = list(versions)
        if not every:
            return {}
        reasons: dict[str, str] = {}
        for reason, used in ((PROVISIONED, self._provisioned(function)), (CALLED, self._configured(function))):
            if used is None:
                return dict.fromkeys([each.version for each in every], UNKNOWN)
            reasons |= {each.version: reason for each in every if each.version in used}
        for each in every:
            why = reasons.get(each.version) or self._use(function, each, callers=callers)
            reasons |= {each.version: why} if why else {}
        return reasons

    def _use(self, function: str, version: FunctionState, *, callers: bool) -> str:
        """Return why one version is used; empty when it isn't."""
        if self._sources is None:
            return UNKNOWN
        if f"{function}:{version.version}" in self._sources:
            return CALLED
        if version.durable and (why := self._executing(function, version.version)):
            return why
        return self._permitted(function, version.version) if callers else ""

    def _executing(self, function: str, version: str) -> str:
        """Say whether a durable execution of a version goes on: it was started on this code, and is replayed on it."""
        for statuses in (_LIVE, _OLDER_LIVE):
            request: dict[str, Any] = {"FunctionName": function, "Qualifier": version, "Statuses": list(statuses)}
            try:
                answer = self._read(self._client.list_durable_executions_by_function, request | {"MaxItems": 1})
            except Exception as error:  # noqa: BLE001 - see the module
                if error_code(error) in _REFUSED and statuses is _LIVE:
                    continue
                return UNKNOWN
            return EXECUTING if answer.get("DurableExecutions") or answer.get("NextMarker") else ""
        return UNKNOWN

    def _permitted(self, function: str, version: str) -> str:
        """Say whether somebody is permitted to invoke a version by its number."""
        try:
            self._read(self._client.get_policy, {"FunctionName": function, "Qualifier": version})
        except Exception as error:  # noqa: BLE001 - see the module
            return "" if error_code(error) == NOT_FOUND else UNKNOWN
        return CALLED

    def _provisioned(self, function: str) -> set[str] | None:
        """Return the qualifiers with provisioned concurrency; None when that can't be read."""
        given = {"FunctionName": function}
        return self._qualifiers("list_provisioned_concurrency_configs", "ProvisionedConcurrencyConfigs", given)

    def _configured(self, function: str) -> set[str] | None:
        """Return the qualifiers whose asynchronous calls somebody configured; None when that can't be read."""
        given = {"FunctionName": function}
        return self._qualifiers("list_function_event_invoke_configs", "FunctionEventInvokeConfigs", given)

    @cached_property
    def _sources(self) -> set[str] | None:
        """The functions, with their qualifiers, that event sources call; read once for all functions."""
        arns = self._arns("list_event_source_mappings", "EventSourceMappings", {})
        return None if arns is None else {arn.partition(":function:")[2] for arn in arns}

    def _qualifiers(self, method: str, key: str, given: dict[str, str]) -> set[str] | None:
        arns = self._arns(method, key, given)
        return None if arns is None else {arn.rpartition(":")[2] for arn in arns}

    def _arns(self, method: str, key: str, given: dict[str, str]) -> set[str] | None:
        """Return the functions' ARNs that a call lists, to its last page; None when they can't be read."""
        request, arns = dict(given), set[str]()
        try:
            while True:
                answer = self._read(getattr(self._client, method), request)
                arns |= {str(each.get("FunctionArn", "")) for each in answer.get(key, ())}
                if not answer.get("NextMarker"):
                    return arns
                request["Marker"] = answer["NextMarker"]
        except Exception as error:
            if not error_code(error):
                raise
            return None

    def _read(self, call: Callable[..., Any], request: dict[str, Any]) -> Any:
        return retrying(lambda: call(**request), self._clock, timeout=_SECONDS, passes=is_throttled)
