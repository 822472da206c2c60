"""Which actions on which resources a call to AWS is, as IAM sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.authorization.model import AccessRequest


def accesses(
    service: str, action: str, params: Mapping[str, Any], region: str, account: str
) -> tuple[AccessRequest, ...] | None:
    """Return what a call needs to be allowed, all of it, or None when the map doesn't know the call.

    `service` and `action` are botocore's names, `params` as boto3 takes them. An empty tuple is a call that needs no
    permission, as sts:GetCallerIdentity. `account` is the caller's: a resource of another one is named by its ARN.
    """
    del service, action, params, region, account
    return None
