"""S3: IAM's actions are named for what is done, not as the calls are.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall
from localcloud.authorization.calls.kms import is_own, key_access
from localcloud.authorization.calls.reference import actions
from localcloud.authorization.model import AccessRequest

NAMES = {
    "CompleteMultipartUpload": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "DeleteBucketInventoryConfiguration": "PutInventoryConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketMetricsConfiguration": "PutMetricsConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketAnalyticsConfiguration": "GetAnalyticsConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketIntelligentTieringConfiguration": "GetIntelligentTieringConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketMetricsConfiguration": "GetMetricsConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBucketAnalyticsConfigurations": "GetAnalyticsConfiguration",
    "ListBucketIntelligentTieringConfigurations": "GetIntelligentTieringConfiguration",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "ListBucketMetricsConfigurations": "GetMetricsConfiguration",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketAnalyticsConfiguration": "PutAnalyticsConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketIntelligentTieringConfiguration": "PutIntelligentTieringConfiguration",
    "PutBucketInventoryConfiguration": "PutInventoryConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketMetricsConfiguration": "PutMetricsConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutBucketReplication": "PutReplicationConfiguration",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "SelectObjectContent": "GetObject",
    "UploadPart": "PutObject",
}
"""IAM's action of a call, where it isn't the call's name."""

WITH_VERSION = {
    "DeleteObject": "DeleteObjectVersion",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
    "GetObject": "GetObjectVersion",
    "GetObjectAcl": "GetObjectVersionAcl",
    "GetObjectAttributes": "GetObjectVersionAttributes",
    "GetObjectTagging": "GetObjectVersionTagging",
    "PutObjectAcl": "PutObjectVersionAcl",
    "PutObjectTagging": "PutObjectVersionTagging",
}
"""The action in its place when the call names a version of the object."""

PARAMETERS = {
    "s3:delimiter": ("Delimiter",),
    "s3:if-match": ("IfMatch",),
    "s3:if-none-match": ("IfNoneMatch",),
    "s3:locationconstraint": ("CreateBucketConfiguration.LocationConstraint",),
    "s3:max-keys": ("MaxKeys",),
    "s3:object-lock-legal-hold": ("ObjectLockLegalHoldStatus", "LegalHold.Status"),
    "s3:object-lock-mode": ("ObjectLockMode", "Retention.Mode"),
    "s3:prefix": ("Prefix",),
    "s3:versionid": ("VersionId",),
    "s3:x-amz-acl": ("ACL",),
    "s3:x-amz-copy-source": ("CopySource",),
    "s3:x-amz-grant-full-control": ("GrantFullControl",),
    "s3:x-amz-grant-read": ("GrantRead",),
    "s3:x-amz-grant-read-acp": ("GrantReadACP",),
    "s3:x-amz-grant-write": ("GrantWrite",),
    "s3:x-amz-grant-write-acp": ("GrantWriteACP",),
    "s3:x-amz-metadata-directive": ("MetadataDirective",),
    "s3:x-amz-object-ownership": ("ObjectOwnership",),
    "s3:x-amz-server-side-encryption": ("ServerSideEncryption",),
    "s3:x-amz-server-side-encryption-aws-kms-key-id": ("SSEKMSKeyId",),
    "s3:x-amz-server-side-encryption-customer-algorithm": ("SSECustomerAlgorithm",),
    "s3:x-amz-storage-class": ("StorageClass",),
    "s3:x-amz-website-redirect-location": ("WebsiteRedirectLocation",),
}
"""Condition keys and the parameters that give them."""

MISSING: dict[str, tuple[str, ...]] = {
    "aws:resourcetag/${tagkey}": (),
    "s3:accessgrantsinstancearn": (),
    "s3:accesspointnetworkorigin": (),
    "s3:accesspointtag/${tagkey}": (),
    "s3:buckettag/${tagkey}": (),
    "s3:dataaccesspointaccount": (),
    "s3:dataaccesspointarn": (),
}
"""Keys of access points, of access grants, and of buckets' tags, which a bucket has to be set up for."""


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a call on S3 needs."""
    bucket, key = call.text("Bucket"), call.text("Key")
    if call.action in ("CopyObject", "UploadPartCopy"):
        copy = _arn(call, bucket, key)
        return [
            _source(call),
            _access(call, "PutObject", copy),
            *_besides(call, copy),
            *_key_uses(call, bucket, key),
        ]
    if call.action == "DeleteObjects":
        return list(_deleted(call, bucket))
    name = NAMES.get(call.action, call.action)
    if call.text("VersionId"):
        name = WITH_VERSION.get(name, name)
    action = actions("s3").get(name.lower())
    if action is None:
        return None
    on_objects = "object" in action.resources
    resource = _arn(call, bucket, key if on_objects else "") if action.resources else "*"
    return [_access(call, action.name, resource), *_besides(call, resource), *_key_uses(call, bucket, key)]


def _access(call: AwsCall, name: str, resource: str, **values: tuple[str, ...]) -> AccessRequest:
    more: dict[str, tuple[str, ...] | None] = {
        "s3:authtype": ("REST-HEADER",),
        "s3:signatureversion": ("AWS4-HMAC-SHA256",),
    }
    for condition, parameters in PARAMETERS.items():
        more[condition] = next((given for each in parameters if (given := call.texts(each))), ())
    more.update(_object_tags(call))
    more.update({name: values or None for name, values in values.items()})
    return calls.request(call, f"s3:{name}", resource, {**more, **_of_others(more)})


def _of_others(more: dict[str, tuple[str, ...] | None]) -> dict[str, tuple[str, ...] | None]:
    tags = tuple(key.partition("/")[2] for key in more if key.startswith("s3:requestobjecttag/"))
    return {"s3:requestobjecttagkeys": tags, "s3:requestobjecttag/<key>": (), **MISSING}


def _object_tags(call: AwsCall) -> dict[str, tuple[str, ...]]:
    """Return the tags that a call gives an object: text of a header, or a set."""
    tagging = call.params.get("Tagging")
    if isinstance(tagging, str):
        return {f"s3:requestobjecttag/{name.lower()}": (value,) for name, value in parse_qsl(tagging)}
    if isinstance(tagging, dict) and call.action == "PutObjectTagging":
        return {f"s3:requestobjecttag/{tag['Key'].lower()}": (tag["Value"],) for tag in tagging.get("TagSet") or ()}
    return {}


def _arn(call: AwsCall, bucket: str, key: str = "") -> str:
    if bucket.startswith("arn:"):  # an access point
        return f"{bucket}/object/{key}" if key else bucket
    return f"arn:{call.partition}:s3:::{bucket}/{key}" if key else f"arn:{call.partition}:s3:::{bucket}"


def _source(call: AwsCall) -> AccessRequest:
    """Return the reading of what is copied. The source is a text with an encoded key, or an object."""
    source = call.params.get("CopySource", "")
    if isinstance(source, dict):
        bucket, key, version = source.get("Bucket", ""), source.get("Key", ""), source.get("VersionId", "")
    else:
        path, _, query = str(source).partition("?versionId=")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        version = query
    return _access(call, "GetObjectVersion" if version else "GetObject", _arn(call, bucket, key))


def _deleted(call: AwsCall, bucket: str) -> Iterable[AccessRequest]:
    for each in (call.params.get("Delete") or {}).get("Objects") or ():
        name = "DeleteObjectVersion" if each.get("VersionId") else "DeleteObject"
        yield _access(call, name, _arn(call, bucket, str(each.get("Key", ""))))


BESIDES = {
    "PutObjectAcl": ("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWriteACP"),
    "PutObjectLegalHold": ("ObjectLockLegalHoldStatus",),
    "PutObjectRetention": ("ObjectLockMode", "ObjectLockRetainUntilDate"),
    "PutObjectTagging": ("Tagging",),
}
"""What a written object needs for these parameters. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html"""

BESIDES_BUCKET = {
    "PutBucketAcl": ("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP"),
    "PutBucketObjectLockConfiguration": ("ObjectLockEnabledForBucket",),
    "PutBucketOwnershipControls": ("ObjectOwnership",),
    "PutBucketVersioning": ("ObjectLockEnabledForBucket",),
}
"""The same of a new bucket. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html"""


def _besides(call: AwsCall, resource: str) -> Iterable[AccessRequest]:
    """Yield what a written object or a new bucket needs for its lists of grants, its tags and its locks."""
    needed: dict[str, tuple[str, ...]] = {}
    if call.action in ("CopyObject", "CreateMultipartUpload", "PutObject"):
        needed = BESIDES
    elif call.action == "CreateBucket":
        needed = BESIDES_BUCKET
    for name, parameters in needed.items():
        if call.text(*parameters) not in ("", "false"):
            yield _access(call, name, resource)


def _key_uses(call: AwsCall, bucket: str, key: str) -> Iterable[AccessRequest]:
    """Yield the use of a key that a call names for an object. The default key of a bucket isn't read.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
    """
    if is_own(name := call.text("SSEKMSKeyId")):
        context = {"aws:s3:arn": _arn(call, bucket, key)}
        yield key_access(call, "GenerateDataKey", name, via="s3", context=context)
