"""What a bucket reports of its objects: to functions, queues, topics, and to EventBridge.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html. Shapes and refusals were
recorded on AWS by LocalStack's tests (tests/aws/services/s3/test_s3_notifications_lambda.py and its neighbours).
"""

from __future__ import annotations

import contextlib
import itertools
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

from localcloud.callers import ServiceCaller
from localcloud.cloud import Cloud, ServiceError
from localcloud.deliveries import Delivery, compact, deliver, event, logged

SERVICE = "s3.amazonaws.com"
_WORKERS = 8
_REMOVED = "s3:ObjectRemoved:"
_CHANGES = ("s3:ObjectTagging:", "s3:ObjectAcl:")
_KINDS = {"cloud_function": "", "queue": "", "topic": "Amazon S3 Notification"}
_DETAIL_TYPES = {
    "s3:ObjectCreated": "Object Created",
    "s3:ObjectRemoved": "Object Deleted",
    "s3:ObjectTagging:Put": "Object Tags Added",
    "s3:ObjectTagging:Delete": "Object Tags Deleted",
    "s3:ObjectAcl:Put": "Object ACL Updated",
    "s3:ObjectRestore:Post": "Object Restore Initiated",
    "s3:ObjectRestore:Completed": "Object Restore Completed",
}
_REASONS = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "s3:ObjectRemoved:Delete": "DeleteObject",
    "s3:ObjectRemoved:DeleteMarkerCreated": "DeleteObject",
}


class BucketNotifications:
    """Sends them, in the background."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="bucket")
        self._numbers = itertools.count(time.time_ns())
        self._thread = threading.local()

    def close(self) -> None:
        """Send nothing more."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    @contextlib.contextmanager
    def of_change(self) -> Iterator[None]:
        """Report tags and an ACL: a call changes just those. Moto reports them with each new object, too."""
        self._thread.changes = True
        try:
            yield
        finally:
            self._thread.changes = False

    def redirect(self) -> None:
        """Put this in the place of Moto's notifications, which lack half of AWS's fields and events."""
        from moto.s3 import notifications
        from moto.s3.models import S3Backend

        by_moto = getattr(S3Backend, "delete_object_by_moto", S3Backend.delete_object)

        def send_event(account_id: str, event_name: Any, bucket: Any, key: Any) -> None:
            name = str(event_name.value)
            if name.startswith(_CHANGES) and not getattr(self._thread, "changes", False):
                return
            if not (name.startswith(_REMOVED) and bucket.is_versioned):  # Moto forgets most removals of versions
                self.send(account_id, name, bucket, key.name, key)

        def delete_object(
            backend: Any, bucket_name: str, key_name: str, version_id: Any = None, bypass: Any = False
        ) -> Any:
            answer = by_moto(backend, bucket_name, key_name, version_id=version_id, bypass=bypass)
            bucket, (done, meta) = backend.get_bucket(bucket_name), answer
            if done and getattr(bucket, "is_versioned", False) and meta.get("version-id"):
                name = f"{_REMOVED}{'Delete' if version_id else 'DeleteMarkerCreated'}"
                self.send(backend.account_id, name, bucket, key_name, None, str(meta["version-id"]))
            return answer

        S3Backend.delete_object_by_moto = by_moto
        S3Backend.delete_object = delete_object
        notifications.send_event = send_event
        notifications.send_test_event = self.send_test

    def send(self, account: str, name: str, bucket: Any, key: str, owner: Any, version: str = "") -> None:
        """Report one object. `owner` is Moto's object, or None of one that is gone."""
        configuration = bucket.notification_configuration
        if configuration is None:
            return
        facts = self._facts(name, bucket, key, owner, version)
        for kind, subject in _KINDS.items():
            for each in getattr(configuration, kind):
                if each.matches(name, key):
                    body = compact({"Records": [_record(account, name, bucket, each.id, facts)]})
                    self._submit(account, bucket, each.arn, body, subject)
        if configuration.event_bridge is not None:
            self._put_event(account, name, bucket, key, facts)

    def send_test(self, account_id: str, bucket: Any) -> None:
        """Send queues and topics the test event. Functions get none."""
        configuration = bucket.notification_configuration
        for kind in ("queue", "topic"):
            for arn in dict.fromkeys(each.arn for each in getattr(configuration, kind)):
                body = {
                    "Service": "Amazon S3",
                    "Event": "s3:TestEvent",
                    "Time": _now(),
                    "Bucket": bucket.name,
                    "RequestId": uuid4().hex[:16].upper(),
                    "HostId": uuid4().hex,
                }
                self._submit(account_id, bucket, arn, compact(body), _KINDS[kind])

    def _facts(self, name: str, bucket: Any, key: str, owner: Any, version: str) -> dict[str, Any]:
        """Return what a record says of the object. What is removed has no size and no ETag."""
        facts: dict[str, Any] = {"key": quote_plus(key, safe="/*").replace("~", "%7E")}
        if owner is not None and not name.startswith(_REMOVED):
            facts |= {"size": owner.size, "eTag": owner.etag.strip('"')}
        known = version or (str(getattr(owner, "version_id", "") or "") if bucket.is_versioned else "")
        if known and known != "null":
            facts["versionId"] = known
        return {**facts, "sequencer": f"{next(self._numbers):018X}"}

    def _submit(self, account: str, bucket: Any, arn: str, body: str, subject: str) -> None:
        caller = ServiceCaller(SERVICE, bucket.arn, account)
        self._workers.submit(logged()(self._deliver), Delivery(caller, arn, body, subject=subject))

    def _deliver(self, delivery: Delivery) -> None:
        try:
            deliver(self._cloud, delivery)
        except ServiceError as error:
            sys.stdout.write(f"{delivery.caller.source_arn} could not notify {delivery.arn}: {error}\n")
            sys.stdout.flush()

    def _put_event(self, account: str, name: str, bucket: Any, key: str, facts: Mapping[str, Any]) -> None:
        kind = _DETAIL_TYPES.get(name) or _DETAIL_TYPES.get(name.rpartition(":")[0])
        if kind is None:
            return
        names = {"eTag": "etag", "versionId": "version-id"}
        thing = {names.get(field, field): value for field, value in facts.items()} | {"key": key}
        detail: dict[str, Any] = {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": thing,
            "request-id": uuid4().hex[:16].upper(),
            "requester": account,
            "source-ip-address": "127.0.0.1",
        }
        if reason := _REASONS.get(name):
            detail["reason"] = reason
        if name.startswith(_REMOVED):
            marker = name.endswith("DeleteMarkerCreated")
            detail["deletion-type"] = "Delete Marker Created" if marker else "Permanently Deleted"
        where = {"region": bucket.region_name, "account": account}
        self._cloud.put_event("default", event("aws.s3", kind, detail, **where, resources=[bucket.arn]))


def _record(account: str, name: str, bucket: Any, configuration: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    principal = {"principalId": f"AWS:{account}"}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region_name,
        "eventTime": _now(),
        "eventName": name.removeprefix("s3:"),
        "userIdentity": principal,
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": uuid4().hex[:16].upper(), "x-amz-id-2": uuid4().hex},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration,
            "bucket": {"name": bucket.name, "ownerIdentity": {"principalId": account}, "arn": bucket.arn},
            "object": dict(facts),
        },
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def configurations(configuration: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield AWS's name of a target's kind, the target's ARN and what was configured for it."""
    for kind, member, name in (
        ("CloudFunction", "LambdaFunctionConfigurations", "LambdaFunctionArn"),
        ("Queue", "QueueConfigurations", "QueueArn"),
        ("Topic", "TopicConfigurations", "TopicArn"),
    ):
        for each in configuration.get(member) or ():
            yield kind, str(each.get(name) or ""), each
