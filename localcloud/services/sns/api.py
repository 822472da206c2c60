"""SNS: what Moto sends to queues stays Moto's. Functions get their notifications from here.

The record's shape was recorded on AWS by LocalStack's tests (tests/aws/services/sns/test_sns.py,
TestSNSSubscriptionLambda).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from localcloud import event_patterns
from localcloud.callers import ServiceCaller
from localcloud.cloud import AwsRequest, Cloud, Response, ServiceError
from localcloud.deliveries import Delivery, RetryPolicy, compact, deliver_persistently, logged
from localcloud.services.sns import filters

SERVICE = "sns.amazonaws.com"
_WORKERS = 8
_POLICY, _SCOPE = "FilterPolicy", "FilterPolicyScope"


def install(cloud: Cloud) -> None:
    """Stand in for Moto's deliveries to functions, and for its filters, once something is published."""
    notifications = Notifications(cloud)
    cloud.on_stop(notifications.close)

    @cloud.action("sns", "Publish", "PublishBatch")
    def publish(request: AwsRequest) -> Response:
        notifications.redirect()
        return request.forward_raw()

    @cloud.action("sns", "Subscribe")
    def subscribe(request: AwsRequest) -> Response:
        _check((request.params.get("Attributes") or {}).get(_POLICY))
        return request.forward_raw()

    @cloud.action("sns", "SetSubscriptionAttributes")
    def set_attributes(request: AwsRequest) -> Response:
        if request.params.get("AttributeName") == _POLICY:
            _check(request.params.get("AttributeValue"))
        return request.forward_raw()


def _check(policy: Any) -> None:
    if not policy:
        return
    try:
        event_patterns.parse(str(policy))
    except event_patterns.PatternError as error:
        raise ServiceError("InvalidParameter", f"Invalid parameter: FilterPolicy: {error}", 400) from None


class Notifications:
    """Deliveries of topics to functions."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="notification")

    def close(self) -> None:
        """Send nothing more."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def redirect(self) -> None:
        """Put this in the place of Moto's deliveries to functions. Moto's classes are the process's: the last wins."""
        from moto.sns.models import Subscription
        from moto.sns.utils import FilterPolicyMatcher

        by_moto = getattr(Subscription, "publish_by_moto", Subscription.publish)

        def publish(subscription: Any, message: str, message_id: str, **more: Any) -> None:
            matcher = subscription._filter_policy_matcher  # noqa: SLF001 - Moto's, which forgets a later scope
            if matcher is not None:
                matcher.filter_policy_scope = subscription.attributes.get(_SCOPE) or "MessageAttributes"
            if subscription.protocol != "lambda":
                by_moto(subscription, message, message_id, **more)
            elif matcher is None or matcher.matches(more.get("message_attributes"), message):
                self._send(subscription, message, message_id, more)

        def matches(matcher: Any, attributes: Mapping[str, Any] | None, message: str) -> bool:
            policy = matcher.filter_policy
            return not policy or filters.selects(policy, matcher.filter_policy_scope, attributes, message)

        Subscription.publish_by_moto = by_moto
        Subscription.publish = publish
        FilterPolicyMatcher.matches = matches

    def _send(self, subscription: Any, message: str, message_id: str, more: Mapping[str, Any]) -> None:
        if more.get("message_structure") == "json":
            message = subscription._parse_message_structure(message, "lambda")  # noqa: SLF001 - as Moto does
        attributes = more.get("message_attributes") or {}
        notification = subscription.get_post_data(message, message_id, more.get("subject"), attributes)
        region = subscription.topic.arn.split(":")[3]
        notification["UnsubscribeURL"] = (
            f"https://sns.{region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription.arn}"
        )
        self._workers.submit(logged()(self._deliver), subscription, notification, attributes)

    def _deliver(self, subscription: Any, notification: dict[str, Any], attributes: Mapping[str, Any]) -> None:
        arn = subscription.topic.arn
        policy = subscription.attributes.get("RedrivePolicy") or "{}"
        parsed = json.loads(policy) if isinstance(policy, str) else policy
        deliver_persistently(
            self._cloud,
            Delivery(
                ServiceCaller(SERVICE, arn, arn.split(":")[4]),
                subscription.endpoint,
                compact({"Records": [_record(subscription.arn, notification, attributes)]}),
            ),
            RetryPolicy(dead_letter=str(parsed.get("deadLetterTargetArn") or "")),
            {},
            compact(notification),
        )


def _record(subscription: str, notification: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Write a notification as a function gets it: its names differ from a queue's."""
    return {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "Sns": {
            "Type": notification["Type"],
            "MessageId": notification["MessageId"],
            "TopicArn": notification["TopicArn"],
            "Subject": notification.get("Subject"),
            "Message": notification["Message"],
            "Timestamp": notification["Timestamp"],
            "SignatureVersion": notification["SignatureVersion"],
            "Signature": notification["Signature"],
            "SigningCertUrl": notification["SigningCertURL"],
            "UnsubscribeUrl": notification["UnsubscribeURL"],
            "MessageAttributes": {name: _written(value) for name, value in attributes.items()},
        },
    }


def _written(attribute: Mapping[str, Any]) -> dict[str, str]:
    return {"Type": str(attribute["Type"]), "Value": str(attribute["Value"])}
