"""Where other services call functions: whether the function's policy lets them, and then asynchronously."""

from __future__ import annotations

from localcloud.callers import ServiceCaller
from localcloud.cloud import ACCOUNT, REGION
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution.engine import Invoked, Invoker
from localcloud.services.lambda_.execution.event_queue import EventQueue
from localcloud.services.lambda_.model import FunctionKey, parse_name

_INVOKE = "lambda:InvokeFunction"


class FunctionDeliveries:
    """Calls of functions that name a service as their caller."""

    def __init__(self, invoker: Invoker, asynchronous: EventQueue) -> None:
        self._invoker = invoker
        self._asynchronous = asynchronous

    def send(self, caller: ServiceCaller, arn: str, payload: bytes) -> None:
        """Queue an event. Raises `ServiceError` where there is no such function, or it may not be called."""
        key, qualifier = self._permitted(caller, arn)
        self._asynchronous.submit(key, qualifier, payload)

    def call(self, caller: ServiceCaller, arn: str, payload: bytes) -> Invoked:
        """Invoke and wait for the answer. Raises what `send` does, and what an invocation does."""
        key, qualifier = self._permitted(caller, arn)
        return self._invoker.invoke(key, qualifier, payload)

    def permits(self, caller: ServiceCaller, arn: str) -> bool:
        """Say whether there is such a function, and its policy lets the caller invoke it."""
        try:
            self._permitted(caller, arn)
        except ServiceError as error:
            return error.code == "ResourceConflictException"  # it is there, and not ready yet
        return True

    def _permitted(self, caller: ServiceCaller, arn: str) -> tuple[FunctionKey, str]:
        key, qualifier = parse_name(arn, caller.source_account or ACCOUNT, REGION)
        if refused := self._invoker.cloud.access.service_refusal(caller, _INVOKE, arn):
            raise ServiceError("AccessDeniedException", refused, 403)
        self._invoker.target(key, qualifier)
        return key, qualifier
