"""Requests that name no action known to botocore: which of them are let through, to be answered or refused by Moto.

Moto reads some requests more freely than AWS does. What it would do for them, no policy has been asked about.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from localcloud.access import refusals
from localcloud.access.callers import ANONYMOUS, Caller
from localcloud.protocol import codec
from localcloud.protocol.codec import ServiceError

if TYPE_CHECKING:
    from localcloud.cloud import AwsRequest

_BUCKET = re.compile(r"/(?!moto-api(?:/|$))[a-z0-9][a-z0-9.-]+/?")
_NO_ACTION = {
    "json": ("UnknownOperationException", "The requested operation is not recognized by the service."),
    "query": ("InvalidAction", "Could not find operation {} for this version."),
    "ec2": ("InvalidAction", "The action {} is not valid for this web service."),
}


def refusal(request: AwsRequest, caller: Caller) -> ServiceError | None:
    """Return the error of a request that AWS would not take, or None for one that nothing is known of."""
    if caller is ANONYMOUS:
        return None if _is_browsers(request) else refusals.unauthenticated(refusals.MISSING, "s3", request.protocol)
    if request.protocol not in _NO_ACTION or not codec.is_known(request.service):
        return None
    code, message = _NO_ACTION[request.protocol]
    return ServiceError(code, message.format(request.action or "(none)"), 400)


def _is_browsers(request: AwsRequest) -> bool:
    """Say whether a page may send this to S3 unsigned: a question (CORS), or a form whose fields are signed."""
    if request.method == "OPTIONS":
        return True
    is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
    return request.method == "POST" and is_form and bool(_BUCKET.fullmatch(request.path))
