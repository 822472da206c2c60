"""What a kill cut off in its creation is found in the state by its address."""

from __future__ import annotations

from typing import Any

from stepladder.terraform.tainted import addresses


def resource(kind: str, *instances: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"mode": "managed", "type": kind, "name": "this", "instances": list(instances), **more}


def test_only_tainted_objects_that_may_hold_data_or_callers_are_named() -> None:
    tainted = {"status": "tainted"}
    state = {
        "resources": [
            resource("aws_dynamodb_table", tainted, module="module.foundation"),
            resource("aws_ecr_repository", {}),
            resource("aws_sqs_queue", {"index_key": "this", **tainted}, {"index_key": "other"}),
            resource("aws_s3_bucket", {"index_key": 0, **tainted}),
            resource("aws_s3_bucket_policy", tainted),
            resource("aws_caller_identity", tainted, mode="data"),
        ]
    }
    assert addresses(state) == [
        "module.foundation.aws_dynamodb_table.this",
        'aws_sqs_queue.this["this"]',
        "aws_s3_bucket.this[0]",
    ]
    assert addresses({}) == []
