"""S3: Moto's, with notifications as AWS sends them, and with bucket policies that know a condition on transport."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any

from stepladder.core.names import partition_of

if TYPE_CHECKING:
    from localcloud.cloud import AwsRequest, Cloud, Response


def install(cloud: Cloud) -> None:
    """Judge transport conditions once there is a policy (importing Moto's judge at the start would delay it)."""

    @cloud.action("s3", "PutBucketPolicy")
    def judged(request: AwsRequest) -> Any:
        _judge_transport()
        return request.forward()

    _install_notifications(cloud)
    cloud.on_save("s3-judge", lambda: _judge_transport.cache_info().currsize > 0)
    cloud.on_load("s3-judge", lambda needed: _judge_transport() if needed else None)


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
def _judge_transport() -> None:
    """Let a policy that denies plain HTTP pass: on loopback the transport is as good as TLS.

    Moto looks at no condition of a bucket policy, so that "deny unless TLS" would deny everything.
    """
    from moto.iam.access_control import IAMPolicyStatement, PermissionResult

    judge = IAMPolicyStatement.is_action_permitted

    @functools.wraps(judge)
    def is_action_permitted(self: Any, *args: Any, **kwargs: Any) -> Any:
        conditions = self._statement.get("Condition", {})
        if conditions.get("Bool", {}).get("aws:SecureTransport") in ("false", False):
            return PermissionResult.NEUTRAL
        return judge(self, *args, **kwargs)

    IAMPolicyStatement.is_action_permitted = is_action_permitted
