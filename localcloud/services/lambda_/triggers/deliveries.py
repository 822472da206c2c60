"""Where other services call functions: whether the function's policy lets them, and then asynchronously."""

from __future__ import annotations

from localcloud.authorization.decide import decide
from localcloud.authorization.documents import parse_policy
from localcloud.authorization.model import AccessRequest, ApplicablePolicies, Principal
from localcloud.callers import ServiceCaller
from localcloud.cloud import ACCOUNT, REGION
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution.engine import Invoked, Invoker
from localcloud.services.lambda_.execution.event_queue import EventQueue
from localcloud.services.lambda_.model import Function, FunctionKey, parse_name
from localcloud.services.lambda_.service import LambdaService

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
        if not permits(self._invoker.service, key, qualifier, caller):
            raise ServiceError(
                "AccessDeniedException",
                f"{caller.service} is not authorized to perform: {_INVOKE} on resource: {arn} because no "
                f"resource-based policy allows the {_INVOKE} action",
                403,
            )
        self._invoker.target(key, qualifier)
        return key, qualifier


def permits(service: LambdaService, key: FunctionKey, qualifier: str, caller: ServiceCaller) -> bool:
    """Say whether a service may invoke a function. With a role it calls as that role, in whose policies it stands."""
    if caller.role:
        return True
    with service.store.lock:
        function = service.store.get(key, qualifier)
        return _policy_allows(function, qualifier, caller)


def _policy_allows(function: Function, qualifier: str, caller: ServiceCaller) -> bool:
    policy = function.policies.get(qualifier)
    if policy is None:
        return False
    arn = f"{function.key.arn}:{qualifier}" if qualifier else function.key.arn
    keys = {"aws:sourcearn": caller.source_arn, "aws:sourceaccount": caller.source_account}
    context = {name: (value,) for name, value in keys.items() if value}
    document = parse_policy({"Version": "2012-10-17", "Statement": list(policy.statements.values())})
    decision = decide(
        AccessRequest(_INVOKE, arn, context),
        Principal(service=caller.service),
        ApplicablePolicies(resource=document),
        function.key.account,
    )
    return decision.allowed
