"""S3: Moto's, with bucket policies that know what a condition on the transport means."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.cloud import AwsRequest, Cloud


def install(cloud: Cloud) -> None:
    """Judge transport conditions once there is a policy (importing Moto's judge at the start would delay it)."""

    @cloud.action("s3", "PutBucketPolicy")
    def judged(request: AwsRequest) -> Any:
        _judge_transport()
        return request.forward()

    cloud.on_save("s3-judge", lambda: _judge_transport.cache_info().currsize > 0)
    cloud.on_load("s3-judge", lambda needed: _judge_transport() if needed else None)


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
