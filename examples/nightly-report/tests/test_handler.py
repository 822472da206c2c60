import json

import boto3
import pytest
from app.handler import handler, s3
from moto import mock_aws


@pytest.fixture(autouse=True)
def bucket(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # the shell may point at a local cloud
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("BUCKET", "uploads")
    s3.cache_clear()
    with mock_aws():
        made = boto3.resource("s3").create_bucket(
            Bucket="uploads", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield made
    s3.cache_clear()


def test_the_day_before_is_counted_and_no_other(event, context, bucket):
    for key in ("uploads/2026-01-01/a", "uploads/2026-01-01/b", "uploads/2026-01-02/c"):
        bucket.put_object(Key=key, Body=b"1234")
    assert handler(event("event"), context) == {"report": "reports/2026-01-01.json"}
    written = json.loads(bucket.Object("reports/2026-01-01.json").get()["Body"].read())
    assert written == {"day": "2026-01-01", "uploads": 2, "bytes": 8}


def test_what_no_schedule_sent_is_an_error(event, context):
    with pytest.raises(ValueError, match="no event of a schedule"):
        handler(event("bad-event"), context)
