"""The buckets of Terraform's states and of plans and packages, and locks of states that a killed run left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from stepladder.core.aws import ABSENT_IN_S3, error_code
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, WARNING, Finding, SafeFix
from stepladder.settings.table import SERVICE
from stepladder.terraform import locks, roots
from stepladder.terraform.roots import Root

_UNENCRYPTED = "ServerSideEncryptionConfigurationNotFoundError"
_UNBLOCKED = "NoSuchPublicAccessBlockConfiguration"
_BLOCKED = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
_OLD = 3600.0
"""Seconds. No plan or apply of ours takes as long."""


def buckets(context: DoctorContext) -> Iterator[Finding]:
    """Yield what is wrong with the buckets: gone, without versions, unencrypted, or open to the public."""
    names = context.names
    for bucket in (names.state_bucket, names.artifacts_bucket):
        yield from _bucket(context, bucket)


def _bucket(context: DoctorContext, bucket: str) -> Iterator[Finding]:
    client, fix = context.client("s3"), context.restored_by("foundation")
    try:
        versioning = client.get_bucket_versioning(Bucket=bucket).get("Status", "")
    except Exception as error:
        if error_code(error) not in ABSENT_IN_S3:
            raise
        if context.has_foundation:
            yield Finding(ERROR, bucket, "the bucket is gone", fix)
        return
    if versioning != "Enabled":
        problem = "keeps no older versions, so a state that is lost or overwritten can't be restored"
        yield Finding(ERROR, bucket, problem, fix, SafeFix(f"turn on versions of {bucket}", _versions(client, bucket)))
    if not _configured(lambda: client.get_bucket_encryption(Bucket=bucket), _UNENCRYPTED):
        problem = "has no encryption by default"
        yield Finding(WARNING, bucket, problem, fix, SafeFix(f"encrypt {bucket}", _encryption(client, bucket)))
    block = _configured(lambda: client.get_public_access_block(Bucket=bucket), _UNBLOCKED)
    if not all((block or {}).get("PublicAccessBlockConfiguration", {}).get(key) for key in _BLOCKED):
        problem = "could be opened to the public: its public access block is off"
        yield Finding(ERROR, bucket, problem, fix, SafeFix(f"block public access to {bucket}", _block(client, bucket)))


def _configured(read: Callable[[], Any], missing: str) -> Any:
    try:
        return read()
    except Exception as error:
        if error_code(error) != missing:
            raise
        return None


def _versions(client: Any, bucket: str) -> Callable[[], object]:
    return lambda: client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def _encryption(client: Any, bucket: str) -> Callable[[], object]:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    return lambda: client.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})


def _block(client: Any, bucket: str) -> Callable[[], object]:
    settings = dict.fromkeys(_BLOCKED, True)
    return lambda: client.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=settings)


def location_locks(context: DoctorContext) -> Iterator[Finding]:
    """Yield locks of the states of foundation and delivery that are older than any run."""
    yield from _state_locks(context, shared=True)


def service_locks(context: DoctorContext) -> Iterator[Finding]:
    """Yield that the state of the environment's service is locked for longer than any run."""
    yield from _state_locks(context, shared=False)


def _state_locks(context: DoctorContext, *, shared: bool) -> Iterator[Finding]:
    for at in roots.existing(context.settings, context.environment):
        if (at.name != SERVICE) is shared:
            yield from _lock(context, at)


def _lock(context: DoctorContext, at: Root) -> Iterator[Finding]:
    lock = locks.read(context.rung.aws, at)
    if lock is None or (lock.created and context.clock.now() - lock.created.timestamp() < _OLD):
        return
    if locks.is_at_work(at, lock):
        return
    fix = f"when that run is dead for certain: `inv unlock --env {context.environment} --id {lock.id}`"
    yield Finding(WARNING, at.label, f"its state is locked by {lock}", fix)
