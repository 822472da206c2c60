"""CloudFormation: Moto's, but a stack fails whose resources Moto would only pretend to make.

Functions, state machines and deployment groups of the local cloud aren't Moto's. Moto would make such a resource in a
store of its own that nothing reads, and call it created. Permissions of functions are made, in
`lambda_.triggers.moto_services`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from localcloud.cloud import AwsRequest, Cloud, Handler
from localcloud.protocol.codec import Response

NOT_MADE = ("AWS::CloudWatch::", "AWS::CodeDeploy::", "AWS::Lambda::", "AWS::Serverless::", "AWS::StepFunctions::")
_MADE = "AWS::Lambda::Permission"
_ACTIONS = {"CreateStack": "CREATE_FAILED", "ExecuteChangeSet": "", "UpdateStack": "UPDATE_FAILED"}
_FAILED, _UPDATED = "CREATE_FAILED", "UPDATE_COMPLETE"


def install(cloud: Cloud) -> None:
    """Read each stack after Moto has made or changed it."""
    for action in _ACTIONS:
        handler = cloud.handlers.pop(("cloudformation", action), AwsRequest.forward_raw)
        cloud.action("cloudformation", action)(functools.partial(_change, handler))
    for action, member in (
        ("DescribeStackResources", "StackResources"),
        ("ListStackResources", "StackResourceSummaries"),
    ):
        cloud.action("cloudformation", action)(_Listed(member))


def reason(kind: str) -> str:
    """Return why a resource isn't made, or an empty text for one that is."""
    if not kind.startswith(NOT_MADE) or kind == _MADE:
        return ""
    return f"the local cloud makes no {kind} by CloudFormation; use the service's own API, or Terraform"


class _Listed:
    """The handler of an action that lists resources with their status."""

    def __init__(self, member: str) -> None:
        self._member = member

    def __call__(self, request: AwsRequest) -> Mapping[str, Any]:
        answer = request.forward()
        for row in answer.get(self._member, []):
            if why := reason(row.get("ResourceType", "")):
                row.update(ResourceStatus=_FAILED, ResourceStatusReason=why)
        return answer


def _change(handler: Handler, request: AwsRequest) -> Mapping[str, Any] | Response | None:
    answer = handler(request)
    if isinstance(answer, Response) and answer.status < HTTPStatus.MULTIPLE_CHOICES:
        _judge(request)
    return answer


def _judge(request: AwsRequest) -> None:
    """Fail a stack that has a resource which isn't made, with the reason in its events."""
    stack = _stack(request)
    resources = stack.parse_template(stack.template).get("Resources") or {} if stack else {}
    unmade = {name: why for name, of in resources.items() if (why := reason(str(of.get("Type", ""))))}
    if not unmade:
        return
    from moto.cloudformation.models import Event

    status = _ACTIONS[request.action] or ("UPDATE_FAILED" if stack.status == _UPDATED else _FAILED)
    stack.events[:] = [event for event in stack.events if event.resource_status != stack.status]
    stack.status = status
    for name, why in unmade.items():
        kind = resources[name]["Type"]
        stack.events.append(Event(stack.stack_id, stack.name, name, "", kind, _FAILED, why, None))
    stack._add_stack_event(status, f"The following resource(s) failed to create: [{', '.join(unmade)}].")  # noqa: SLF001


def _stack(request: AwsRequest) -> Any:
    from moto.cloudformation.models import cloudformation_backends

    backend = cloudformation_backends[request.account][request.region]
    name = request.params.get("StackName", "")
    if not name:  # a change set's ARN is enough to execute it
        name = backend.change_sets[request.params["ChangeSetName"]].stack_name
    return next((stack for stack in backend.stacks.values() if name in (stack.name, stack.stack_id)), None)
