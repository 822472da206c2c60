"""Which child is whose: its name comes from the parent's, so that it needs no other memory."""

from __future__ import annotations

import hashlib
import os
from typing import Any


def child(event: dict[str, Any]) -> str:
    """Return the ARN of the child of an execution for a target: any number of requests mean the same one."""
    environment = event["target"]["environment"]
    name = f"{environment}-{hashlib.sha256(event['execution_arn'].encode()).hexdigest()[:40]}"
    return f"{os.environ['MACHINE'].replace(':stateMachine:', ':execution:')}:{name}"


def name(arn: str) -> str:
    """Return an execution's name."""
    return arn.rpartition(":")[2]
