"""Moto's own services call functions in process: bring them here.

EventBridge rules, S3 notifications, SNS, log subscriptions and Secrets Manager call Moto's Lambda backend, which
keeps nothing here. CloudFormation makes permissions in it. This stands in for the parts of it that they use.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from localcloud.cloud import AwsRequest, Response
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.actions.permissions import allows
from localcloud.services.lambda_.execution.engine import Invoker
from localcloud.services.lambda_.execution.event_queue import EventQueue
from localcloud.services.lambda_.execution.logs import iso
from localcloud.services.lambda_.model import parse_name

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

_STACKS = ("CreateStack", "UpdateStack", "DeleteStack", "ExecuteChangeSet", "CreateChangeSet")


def install(invoker: Invoker, asynchronous: EventQueue) -> None:
    """Put ourselves in the place of Moto's backend."""

    def get_backend(account_id: str, region: str) -> Backend:
        return Backend(invoker, asynchronous, account_id, region)

    def redirect() -> None:
        from moto.awslambda import utils

        utils.get_backend = get_backend

    threading.Thread(
        target=redirect, daemon=True, name="redirect-moto"
    ).start()  # the import would keep the cloud from ready

    @invoker.cloud.action("cloudformation", *_STACKS)
    def stacks(request: AwsRequest) -> Response:
        _redirect_permissions(invoker.cloud)
        return request.forward_raw()

    @invoker.cloud.action("events", "PutEvents")
    def put_events(request: AwsRequest) -> Response:
        _redirect_events(get_backend)
        return request.forward_raw()


def _redirect_events(get_backend: Callable[[str, str], Backend]) -> None:
    """Have rules send events to functions, too: Moto knows other targets only, and breaks on these."""
    from moto.events.models import EventTemplateParser, Rule

    if getattr(Rule, "calls_functions", False):
        return
    others = Rule.send_to_targets

    def send_to_targets(rule: Any, original_event: dict[str, Any], transform_input: bool = True) -> None:
        rest = copy.copy(rule)
        rest.targets = [target for target in rule.targets if ":lambda:" not in target["Arn"]]
        others(rest, original_event, transform_input)
        if not rule.event_pattern.matches_event(original_event):
            return
        for target in rule.targets:
            if target not in rest.targets:
                transformer = target.get("InputTransformer", {})
                template, paths = transformer.get("InputTemplate"), transformer.get("InputPathsMap", {})
                event: Any = {**original_event, "time": iso()}
                if template:
                    event = EventTemplateParser.parse(
                        input_template=template, input_paths_map=paths, event=original_event
                    )
                get_backend(rule.account_id, rule.region_name).target(target, event)

    Rule.send_to_targets = send_to_targets
    Rule.calls_functions = True


class Backend:
    """What Moto's services use of its LambdaBackend, for one account and region."""

    def __init__(self, invoker: Invoker, asynchronous: EventQueue, account: str, region: str) -> None:
        self._invoker = invoker
        self._asynchronous = asynchronous
        self._account = account
        self._region = region

    def get_function(self, name: str, *_args: Any, **_kwargs: Any) -> InvokedResponse:
        """Return a function by name or ARN. Raises ResourceNotFoundException as a Moto error would."""
        key, qualifier = parse_name(name, self._account, self._region)
        self._invoker.target(key, qualifier)
        return InvokedResponse(self, name)

    def invoke(self, function_name: str, qualifier: str | None, body: Any, *_args: Any, **_kwargs: Any) -> str:
        """Invoke asynchronously, as EventBridge and Secrets Manager do."""
        self.send(function_name, qualifier or "", body, "events.amazonaws.com")
        return ""

    def target(self, target: dict[str, Any], event: dict[str, Any]) -> None:
        """Send an event to a rule's target when that is a function. `Input` replaces the event."""
        if ":lambda:" in target["Arn"]:
            try:
                self.send(target["Arn"], "", target.get("Input") or json.dumps(event), "events.amazonaws.com")
            except ServiceError as error:
                print(f"a rule's target can't be called: {error}", flush=True)  # noqa: T201 - the cloud's own log

    def send(self, name: str, qualifier: str, body: Any, principal: str) -> None:
        """Queue an event for a function, if its resource policy lets the service call it."""
        key, qualifier = parse_name(name, self._account, self._region, qualifier)
        with self._invoker.service.store.lock:
            function = self._invoker.service.store.get(key, qualifier)
            allowed = allows(function, qualifier, "lambda:InvokeFunction", principal)
        if not allowed:
            print(f"{principal} may not invoke {name}: no permission in the resource policy", flush=True)  # noqa: T201 - log
            return
        self._asynchronous.submit(key, qualifier, body if isinstance(body, bytes) else str(body).encode())

    def send_sns_message(
        self, function_name: str, message: str, subject: str | None = None, qualifier: str | None = None
    ) -> None:
        """Deliver a notification in the shape that SNS gives it."""
        notification = {"Type": "Notification", "Message": message, "Subject": subject}
        record = {"EventVersion": "1.0", "EventSource": "aws:sns", "Sns": notification}
        self.send(function_name, qualifier or "", json.dumps({"Records": [record]}), "sns.amazonaws.com")

    def send_log_event(
        self,
        *_args: Any,
        **_kwargs: Any,
    ) -> None:
        """Subscriptions of log groups to functions aren't offered."""


class InvokedResponse:
    """A function as S3's notifications see it."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend = backend
        self._name = name

    def invoke(self, body: str, *_args: Any) -> None:
        """Invoke asynchronously."""
        self._backend.send(self._name, "", body, "s3.amazonaws.com")


def _redirect_permissions(cloud: Cloud) -> None:
    """Have CloudFormation's AWS::Lambda::Permission added to, and removed from, our functions."""
    from moto.awslambda.models import Permission

    def create(
        _cls: Any,
        /,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> Any:
        properties = dict(cloudformation_json["Properties"])
        permission = Permission(region=region_name)
        permission.physical_resource_id = f"{resource_name}-permission"
        permission.removal = {
            "FunctionName": properties["FunctionName"],
            "StatementId": permission.physical_resource_id,
        }
        if str(properties.get("InvokedViaFunctionUrl", "")).lower() in ("true", "false"):
            properties["InvokedViaFunctionUrl"] = str(properties["InvokedViaFunctionUrl"]).lower() == "true"
        params = {**properties, "StatementId": permission.physical_resource_id}
        cloud.call("lambda", "AddPermission", params, region=region_name, account=account_id)
        return permission

    def delete(self: Any, account_id: str, region_name: str) -> None:
        try:
            cloud.call("lambda", "RemovePermission", self.removal, region=region_name, account=account_id)
        except ServiceError as error:
            if error.code != "ResourceNotFoundException":
                raise

    Permission.create_from_cloudformation_json = classmethod(create)
    Permission.delete = delete
