"""Where reviewed plans are kept: encrypted, under `plans/` of the artifacts bucket, until its lifecycle deletes them.

A plan is two objects beside each other: `<key>.tfplan`, which may hold secrets, and `<key>.json`, which says what it
was made from and does. The key is `plans/<environment>/<root>/<hash of the files>/<time>-<hash of the JSON>`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from stepladder.core.aws import ABSENT_IN_S3, Aws, error_code
from stepladder.core.errors import RefusedError
from stepladder.terraform import kept
from stepladder.terraform.kept import KeptPlan
from stepladder.terraform.roots import Root

_DENIED = {"403", "AccessDenied"}
_LARGEST = 32 * 1024 * 1024  # bytes of a manifest that is read
_MANIFEST = r"[0-9a-f]{16}/[0-9]{8}T[0-9]{6}-[0-9a-f]{16}\.json"
_NEWEST = 50  # manifests that are looked through for the one of a change


class TamperedError(RefusedError):
    """A kept plan whose bytes aren't those that were kept."""

    kind = "plan-tampered"


def put(aws: Aws, at: Root, plan: KeptPlan, file: Path) -> str:
    """Keep a plan with its file; return its address."""
    text = plan.text().encode()
    time = re.sub(r"[-:]|\+00:00", "", plan.created)
    key = f"{at.names.plans_prefix(at.name)}{plan.files}/{time}-{hashlib.sha256(text).hexdigest()[:16]}"
    client, bucket = aws.client("s3"), at.names.artifacts_bucket
    owner = {"Bucket": bucket, "ExpectedBucketOwner": at.environment.account, "ServerSideEncryption": "AES256"}
    client.put_object(Key=f"{key}.tfplan", Body=file.read_bytes(), **owner)
    client.put_object(Key=f"{key}.json", Body=text, ContentType="application/json", **owner)
    return f"s3://{bucket}/{key}.tfplan"


def find(aws: Aws, at: Root, now: KeptPlan, message: str) -> KeptPlan | None:
    """Return the newest plan that was reviewed for these files, else the newest for this change; None without one.

    `now` says what the files and the commit are. `message` is the commit's, which names the change request that it
    merged. Raises `TamperedError` when the plan was changed after it was kept, and what S3 raises.
    """
    keys = _keys(aws, at)
    exact = [key for key in keys if f"/{now.files}/" in key]
    if exact:
        return _read(aws, at, exact[-1])
    for key in reversed(keys[-_NEWEST:]):
        plan = None
        with contextlib.suppress(TamperedError):  # it may be any change's
            plan = _read(aws, at, key)
        if plan and (plan.change in merged(message) or set(plan.commits) & set(now.commits)):
            return plan
    return None


def merged(message: str) -> frozenset[str]:
    """Return the numbers of the change requests that a commit merges by its message, as forges write it.

    GitHub ends the subject of a squash in `(#12)`, GitLab has a line `See merge request group/project!12`. A number
    elsewhere in a message is only spoken of.
    """
    subject = message.partition("\n")[0]
    return frozenset(re.findall(r"\(#(\d+)\)\s*$", subject)) | frozenset(
        re.findall(r"^Merge pull request #(\d+)\b", subject)
        + re.findall(r"^See merge request \S*!(\d+)\s*$", message, re.MULTILINE)
    )


def is_denied(error: BaseException) -> bool:
    """Say whether S3 refused a call for the lack of a permission."""
    return error_code(error) in _DENIED


def _keys(aws: Aws, at: Root) -> list[str]:
    """Return the keys of the manifests, the oldest first whatever their folders. What is named otherwise isn't ours."""
    own = re.compile(re.escape(at.names.plans_prefix(at.name)) + _MANIFEST)
    keys = [
        entry["Key"] for page in _pages(aws, at) for entry in page.get("Contents", ()) if own.fullmatch(entry["Key"])
    ]
    return sorted(keys, key=lambda key: key.rpartition("/")[2])


def _pages(aws: Aws, at: Root) -> Iterator[dict[str, list[dict[str, str]]]]:
    client = aws.client("s3")
    more: dict[str, str] = {}
    where = {"Bucket": at.names.artifacts_bucket, "Prefix": at.names.plans_prefix(at.name)}
    while True:
        try:
            page = client.list_objects_v2(**where, **more)
        except Exception as error:
            if error_code(error) in ABSENT_IN_S3:  # no foundation yet
                return
            raise
        yield page
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _read(aws: Aws, at: Root, key: str) -> KeptPlan | None:
    """Read a plan, and see that its two objects are what was kept under this key; None when it was deleted just now."""
    raw = _bytes(aws, at, key)
    if not raw:
        return None
    try:
        plan = kept.read(json.loads(raw))
        problem = _problem(aws, at, key, raw, plan)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        problem = f"it can't be read ({error!r})"
    if problem:
        raise TamperedError(f"the reviewed plan {key} of {at.label} was changed after it was kept: {problem}")
    return plan


def _problem(aws: Aws, at: Root, key: str, raw: bytes, plan: KeptPlan) -> str:
    folder, _, name = key.removesuffix(".json").rpartition("/")
    if name.rpartition("-")[2] != hashlib.sha256(raw).hexdigest()[:16]:
        return "its hash is not the one in its name"
    if f"{at.names.plans_prefix(at.name)}{plan.files}" != folder:
        return "it lies where another plan belongs"
    if hashlib.sha256(_bytes(aws, at, f"{folder}/{name}.tfplan")).hexdigest() != plan.plan_sha256:
        return "its plan file is another one"
    return ""


def _bytes(aws: Aws, at: Root, key: str) -> bytes:
    try:
        answer = aws.client("s3").get_object(Bucket=at.names.artifacts_bucket, Key=key)
    except Exception as error:
        if error_code(error) in ABSENT_IN_S3:
            return b""
        raise
    return bytes(answer["Body"].read(_LARGEST))
