"""What AWS's SDK adds to the results and errors of tasks.

An optimised integration hands on the answer's HTTP headers, and words errors as the first SDK for Java did (Lambda).
Recorded on AWS: tests/local/data/aws-recordings, test_lambda_task_service.json and others, 2025-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate
from typing import Any
from uuid import uuid4


def metadata(headers: Mapping[str, str], length: int, status: int = 200) -> dict[str, Any]:
    """Return the members that an optimised integration's result has beside the answer."""
    request_id = str(uuid4())
    every = {
        "Connection": "keep-alive",
        "Content-Length": str(length),
        "Date": formatdate(usegmt=True),
        "x-amzn-RequestId": request_id,
        **headers,
    }
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in every.items()},
            "HttpHeaders": every,
            "HttpStatusCode": status,
        },
        "SdkResponseMetadata": {"RequestId": request_id},
    }


LAMBDA = {"Content-Type": "application/json", "x-amzn-Remapped-Content-Length": "0"}
DYNAMODB = {"Content-Type": "application/x-amz-json-1.0", "Server": "Server", "x-amz-crc32": "0"}


def trace_id() -> str:
    """Return an X-Ray trace id as a call that isn't traced has it."""
    return f"Root=1-{uuid4().hex[:8]}-{uuid4().hex[:24]};Parent={uuid4().hex[:16]};Sampled=0"


def cause(message: str, title: str, status: int, code: str, *, sdk: bool) -> str:
    """Write the cause of a call's error."""
    request_id = uuid4()
    if not sdk:
        return (
            f"{message} (Service: {title}; Status Code: {status}; Error Code: {code}; Request ID: {request_id}; "
            "Proxy: null)"
        )
    return f"{message} (Service: {title}, Status Code: {status}, Request ID: {request_id}) (SDK Attempt Count: 1)"
