"""Empty what AWS only deletes when it is empty: buckets with every version in them, and image repositories."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stepladder.core.aws import ABSENT_IN_S3, Aws, error_code
from stepladder.core.errors import StepladderError

_PAGE = 1000  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
_IMAGES = 100  # https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_BatchDeleteImage.html
_NO_REPOSITORY = "RepositoryNotFoundException"


def _say_nothing(_count: int) -> None:
    """Show no progress."""


def bucket(
    aws: Aws, name: str, account: str, *, prefix: str = "", progress: Callable[[int], None] = _say_nothing
) -> int:
    """Delete every version and delete marker under a prefix; return how many, 0 for a bucket that isn't there.

    Raises `StepladderError` when S3 keeps some, as those under an object lock.
    """
    s3, deleted = aws.client("s3"), 0
    while True:
        page = _page(s3, name, account, prefix)
        if not page:
            return deleted
        answer = s3.delete_objects(Bucket=name, Delete={"Objects": page, "Quiet": True}, ExpectedBucketOwner=account)
        if kept := answer.get("Errors"):
            first = kept[0]
            raise StepladderError(
                f"S3 keeps {len(kept)} objects of {name}, such as {first.get('Key')}: {first.get('Code')}",
                kind="destroy-incomplete",
                hint="an object lock or a bucket policy holds them: lift it, then run the same command again",
            )
        deleted += len(page)
        progress(deleted)


def _page(s3: Any, name: str, account: str, prefix: str) -> list[dict[str, str]]:
    try:
        answer = s3.list_object_versions(Bucket=name, Prefix=prefix, MaxKeys=_PAGE, ExpectedBucketOwner=account)
    except Exception as error:
        if error_code(error) in ABSENT_IN_S3:
            return []
        raise
    every = [*answer.get("Versions", ()), *answer.get("DeleteMarkers", ())]
    return [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in every]


def count(aws: Aws, name: str, account: str, *, prefix: str = "") -> tuple[int, bool]:
    """Return how many versions the first page of a bucket has, and whether there are more; 0 for no bucket."""
    try:
        answer = aws.client("s3").list_object_versions(
            Bucket=name, Prefix=prefix, MaxKeys=_PAGE, ExpectedBucketOwner=account
        )
    except Exception as error:
        if error_code(error) in ABSENT_IN_S3:
            return 0, False
        raise
    return len([*answer.get("Versions", ()), *answer.get("DeleteMarkers", ())]), bool(answer.get("IsTruncated"))


def repository(aws: Aws, name: str, account: str) -> int:
    """Delete every image of a repository; return how many, 0 for one that isn't there.

    An index is deleted before the images that it names, which ECR refuses to delete until then.
    """
    ecr, deleted = aws.client("ecr"), 0
    while True:
        try:
            answer = ecr.list_images(registryId=account, repositoryName=name, maxResults=_IMAGES)
        except Exception as error:
            if error_code(error) == _NO_REPOSITORY:
                return deleted
            raise
        digests = sorted({each["imageDigest"] for each in answer["imageIds"] if each.get("imageDigest")})
        if not digests:
            return deleted
        done = ecr.batch_delete_image(
            registryId=account, repositoryName=name, imageIds=[{"imageDigest": digest} for digest in digests]
        )
        gone = {each["imageDigest"] for each in done.get("imageIds", ()) if each.get("imageDigest")}
        if not gone:
            why = (done.get("failures") or [{}])[0]
            raise StepladderError(
                f"ECR keeps {len(digests)} images of {name}: {why.get('failureReason') or 'no reason given'}",
                kind="destroy-incomplete",
                hint="delete them in ECR's console, then run the same command again",
            )
        deleted += len(gone)
