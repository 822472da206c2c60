"""On whose behalf something inside the cloud calls: what policies of the called resource compare."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceCaller:
    """An AWS service that calls by itself, for a rule, a topic, a bucket, an API or a schedule.

    `service` is the principal (`events.amazonaws.com`). `source_arn` and `source_account` are what the conditions
    aws:SourceArn and aws:SourceAccount compare. With a `role` the service assumes it and calls as that role.
    """

    service: str
    source_arn: str = ""
    source_account: str = ""
    role: str = ""
