"""SQS: Moto's, with policies written as AWS writes them: without spaces, or every Terraform plan finds a change."""

from __future__ import annotations

import json
from typing import Any

from localcloud.cloud import AwsRequest, Cloud

POLICIES = ("RedrivePolicy", "RedriveAllowPolicy")


def install(cloud: Cloud) -> None:
    """Register the actions."""

    @cloud.action("sqs", "GetQueueAttributes")
    def get_queue_attributes(request: AwsRequest) -> dict[str, Any]:
        answer = request.forward()
        attributes = answer.get("Attributes") or {}
        for name in POLICIES:
            if name in attributes:
                attributes[name] = json.dumps(json.loads(attributes[name]), separators=(",", ":"))
        return answer
