"""SQS and SNS: whoever sends to an encrypted queue or topic uses its key, and so does who receives from the queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
"""

from __future__ import annotations

from collections.abc import Iterable

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall, UnknownAccessError
from localcloud.authorization.calls.kms import is_own, key_access
from localcloud.authorization.model import AccessRequest

_SENT = ("GenerateDataKey", "Decrypt")
KEY_USES = {
    "Publish": _SENT,
    "PublishBatch": _SENT,
    "ReceiveMessage": ("Decrypt",),
    "SendMessage": _SENT,
    "SendMessageBatch": _SENT,
}


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a call needs, with the uses of the key that encrypts the messages."""
    requests = calls.by_tables(call)
    if requests is None or call.action not in KEY_USES:
        return requests
    return [*requests, *(use for each in requests for use in _key_uses(call, each.resource))]


def _key_uses(call: AwsCall, arn: str) -> Iterable[AccessRequest]:
    try:
        key = _key(call, arn)
        if is_own(key):
            for name in KEY_USES[call.action]:
                context = {f"aws:{call.service}:arn": arn}
                yield key_access(call, name, key, via=call.service, context=context)
    except UnknownAccessError:
        return


def _key(call: AwsCall, arn: str) -> str:
    """Return the key of a queue or a topic, or an empty text."""
    if not arn.startswith("arn:"):
        return ""
    if call.service == "sns":
        attributes = call.read("sns", "GetTopicAttributes", of=arn, TopicArn=arn)["Attributes"]
    else:
        names = {"QueueUrl": call.text("QueueUrl"), "AttributeNames": ["KmsMasterKeyId"]}
        attributes = call.read("sqs", "GetQueueAttributes", of=arn, **names).get("Attributes") or {}
    return str(attributes.get("KmsMasterKeyId") or "")
