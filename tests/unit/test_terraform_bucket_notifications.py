"""A bucket's notifications have one owner: a trigger or the project's own Terraform."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.terraform import project

from stepladder.core.errors import BadInputError
from stepladder.terraform import references, roots

OWN = """
resource "aws_s3_bucket" "files" {{}}

# resource "aws_s3_bucket_notification" "old" {{ bucket = "uploads" }}
resource "aws_s3_bucket_notification" "ours" {{
  bucket = {bucket}

  queue {{
    queue_arn = "arn"
    events    = ["s3:ObjectCreated:*"]
  }}
}}
"""


def _check(tmp_path: Path, bucket: str, own: str) -> None:
    settings = project(tmp_path, triggers=[{"kind": "s3", "bucket": bucket}])
    (tmp_path / "terraform/service/own.tf").write_text(OWN.format(bucket=own))
    references.check(roots.root(settings, "staging", "service"))


@pytest.mark.parametrize(
    ("bucket", "own"),
    [
        ("${aws_s3_bucket.files.bucket}", "aws_s3_bucket.files.id"),
        ("${aws_s3_bucket.files.id}", "aws_s3_bucket.files.bucket"),
        ("uploads", '"uploads"'),
        ("${local.bucket}", "local.bucket"),
    ],
)
def test_a_bucket_of_a_trigger_whose_notifications_own_terraform_has_too_is_refused(
    tmp_path: Path, bucket: str, own: str
) -> None:
    with pytest.raises(
        BadInputError, match=r"aws_s3_bucket_notification\.ours in terraform/service and a trigger"
    ) as caught:
        _check(tmp_path, bucket, own)
    assert caught.value.kind == "two-bucket-notifications"


@pytest.mark.parametrize(
    ("bucket", "own"), [("uploads", "aws_s3_bucket.files.id"), ("${aws_s3_bucket.files.id}", '"uploads"')]
)
def test_notifications_of_another_bucket_are_nobodys_business(tmp_path: Path, bucket: str, own: str) -> None:
    _check(tmp_path, bucket, own)
