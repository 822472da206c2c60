"""Count last day's uploads every night, and write a report beside them."""

import json
import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import EventBridgeEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@cache
def s3() -> Any:
    """Return the client, made once for each execution environment."""
    return boto3.client("s3")


def report(due: datetime) -> str:
    """Write the report of the day before `due`; return its key. Written twice, it is the same object."""
    bucket, day = os.environ["BUCKET"], (due - timedelta(days=1)).date().isoformat()
    pages = s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"uploads/{day}/")
    sizes = [item["Size"] for page in pages for item in page.get("Contents", [])]
    key = f"reports/{day}.json"
    body = json.dumps({"day": day, "uploads": len(sizes), "bytes": sum(sizes)})
    s3().put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
    logger.info("reported", day=day, uploads=len(sizes))
    return key


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, str]:
    """Report for the time that the schedule names; anything else is an error, so that the alarm sees it."""
    if "time" not in event:
        raise ValueError("this is no event of a schedule: it has no time")
    return {"report": report(datetime.fromisoformat(EventBridgeEvent(event).time).astimezone(UTC))}
