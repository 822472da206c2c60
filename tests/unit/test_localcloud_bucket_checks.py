"""Which notification configurations of a bucket the local cloud refuses."""

from __future__ import annotations

import pytest

from localcloud.cloud import ServiceError
from localcloud.services.s3.checks import check

TARGET = "arn:aws:lambda:us-east-1:123456789012:function:f"


def refused(*events: str) -> bool:
    rows = [{"LambdaFunctionArn": TARGET, "Events": [each]} for each in events]
    try:
        check(None, {"LambdaFunctionConfigurations": rows}, "arn:aws:s3:::b", "123456789012", targets=False)
    except ServiceError:
        return True
    return False


@pytest.mark.parametrize(
    ("one", "other", "is_refused"),
    [
        ("s3:ObjectRemoved:Delete", "s3:ObjectRemoved:DeleteMarkerCreated", False),
        ("s3:ObjectRemoved:*", "s3:ObjectRemoved:DeleteMarkerCreated", True),
        ("s3:ObjectCreated:Put", "s3:ObjectCreated:Put", True),
        ("s3:ObjectCreated:*", "s3:ObjectRemoved:*", False),
    ],
)
def test_two_configurations_overlap_only_when_one_event_is_of_both(one, other, is_refused):
    assert (refused(one, other), refused(other, one)) == (is_refused, is_refused)
