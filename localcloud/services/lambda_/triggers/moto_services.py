"""Moto's own services call functions in process: bring them here.

Log subscriptions and Secrets Manager call Moto's Lambda backend, which
keeps nothing here. CloudFormation makes permissions in it. This stands in for the parts of it that they use.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from localcloud.callers import ServiceCaller
from localcloud.cloud import AwsRequest, Response
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.model import parse_name
from localcloud.services.lambda_.triggers.deliveries import FunctionDeliveries

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

_STACKS = ("CreateStack", "UpdateStack", "DeleteStack", "ExecuteChangeSet", "CreateChangeSet")


def install(cloud: Cloud, deliveries: FunctionDeliveries) -> None:
    """Put ourselves in the place of Moto's backend."""

    def get_backend(account_id: str, region: str) -> Backend:
        return Backend(deliveries, account_id, region)

    def redirect() -> None:
        from moto.awslambda import utils

        utils.get_backend = get_backend

    threading.Thread(
        target=redirect, daemon=True, name="redirect-moto"
    ).start()  # the import would keep the cloud from ready

    @cloud.action("cloudformation", *_STACKS)
    def stacks(request: AwsRequest) -> Response:
        _redirect_permissions(cloud)
        return request.forward_raw()


class Backend:
    """What Moto's services use of its LambdaBackend, for one account and region."""

    def __init__(self, deliveries: FunctionDeliveries, account: str, region: str) -> None:
        self._deliveries = deliveries
        self._account = account
        self._region = region

    def get_function(self, name: str, *_args: Any, **_kwargs: Any) -> InvokedResponse:
        """Return a function by name or ARN."""
        return InvokedResponse(self, name)

    def invoke(self, function_name: str, qualifier: str | None, body: Any, *_args: Any, **_kwargs: Any) -> str:
        """Invoke asynchronously, as Secrets Manager does."""
        self.send(f"{function_name}:{qualifier}" if qualifier else function_name, body, "secretsmanager.amazonaws.com")
        return ""

    def send(self, name: str, body: Any, principal: str) -> None:
        """Queue an event for a function, if its resource policy lets the service call it."""
        key, qualifier = parse_name(name, self._account, self._region)
        caller = ServiceCaller(principal, source_account=self._account)
        arn = f"{key.arn}:{qualifier}" if qualifier else key.arn
        try:
            self._deliveries.send(caller, arn, body if isinstance(body, bytes) else str(body).encode())
        except ServiceError as error:
            print(f"{principal} can't call {name}: {error}", flush=True)  # noqa: T201 - the cloud's own log

    def send_log_event(
        self,
        *_args: Any,
        **_kwargs: Any,
    ) -> None:
        """Subscriptions of log groups to functions aren't offered."""


class InvokedResponse:
    """A function as Secrets Manager's rotation sees it."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend = backend
        self._name = name

    def invoke(self, body: str, *_args: Any) -> None:
        """Invoke asynchronously."""
        self._backend.send(self._name, body, "secretsmanager.amazonaws.com")


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
