"""S3: Moto's, with notifications as AWS sends them; bucket policies are left to the cloud's evaluation of IAM."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from stepladder.core.names import partition_of

if TYPE_CHECKING:
    from localcloud.cloud import AwsRequest, Cloud, Response


def install(cloud: Cloud) -> None:
    """Keep Moto from evaluating bucket policies, once there is one (importing it at the start would delay it)."""

    @cloud.action("s3", "PutBucketPolicy")
    def put_policy(request: AwsRequest) -> Any:
        _leave_policies()
        return request.forward()

    _install_notifications(cloud)
    cloud.on_save("s3-judge", lambda: _leave_policies.cache_info().currsize > 0)
    cloud.on_load("s3-judge", lambda needed: _leave_policies() if needed else None)


def _install_notifications(cloud: Cloud) -> None:
    """Send notifications once a bucket is to send some (importing Moto's buckets at the start would delay it)."""
    from localcloud.services.s3 import checks
    from localcloud.services.s3.notifications import BucketNotifications

    notifications = BucketNotifications(cloud)
    cloud.on_stop(notifications.close)
    used = False

    def redirect() -> None:
        nonlocal used
        used = True
        notifications.redirect()

    @cloud.action("s3", "PutBucketNotificationConfiguration")
    def put(request: AwsRequest) -> Response:
        configuration = request.params.get("NotificationConfiguration") or {}
        arn = f"arn:{partition_of(request.region)}:s3:::{request.params['Bucket']}"
        targets = not request.params.get("SkipDestinationValidation")
        checks.check(cloud, configuration, arn, request.account, targets=targets)
        redirect()
        return request.forward_raw(checks.with_lower_names(request.params))

    @cloud.action("s3", "PutObjectTagging", "DeleteObjectTagging", "PutObjectAcl")
    def change(request: AwsRequest) -> Response:
        with notifications.of_change():
            return request.forward_raw()

    @cloud.action("s3", "GetBucketNotificationConfiguration")
    def get(request: AwsRequest) -> dict[str, Any]:
        answer = request.forward()  # Moto leaves out that events go to EventBridge
        if _sends_events(request.account, str(request.params["Bucket"])):
            answer["EventBridgeConfiguration"] = {}
        return answer

    cloud.on_save("s3-notifications", lambda: used)
    cloud.on_load("s3-notifications", lambda needed: redirect() if needed else None)


def _sends_events(account: str, bucket: str) -> bool:
    backends = getattr(sys.modules.get("moto.s3.models"), "s3_backends", {account: {}})
    for backend in backends[account].values():
        if bucket in backend.buckets:
            configuration = backend.buckets[bucket].notification_configuration
            return configuration is not None and configuration.event_bridge is not None
    return False


@functools.cache
def _leave_policies() -> None:
    """Let Moto find no statement that concerns a call: it knows no conditions, and the call was decided on before."""
    from moto.iam.access_control import IAMPolicyStatement, PermissionResult

    def is_action_permitted(_self: Any, *_args: Any, **_kwargs: Any) -> Any:
        return PermissionResult.NEUTRAL

    IAMPolicyStatement.is_action_permitted = is_action_permitted
