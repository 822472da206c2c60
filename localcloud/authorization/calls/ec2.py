"""EC2: what describes is authorised on all resources, and the rest isn't known.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
"""

from __future__ import annotations

from collections.abc import Iterable

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall
from localcloud.authorization.model import AccessRequest


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a call that describes needs."""
    return [calls.request(call, f"ec2:{call.action}", "*")] if call.action.startswith("Describe") else None
