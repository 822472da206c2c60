"""What Lambda makes sure of when a function is configured: that the role may do what Lambda will do with it.

The texts are AWS's, as the AWS provider of Terraform waits for them to pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from localcloud.authorization.model import AccessRequest
from localcloud.services.lambda_.model import FunctionKey, invalid
from stepladder.core.names import partition_of

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

OF_FUNCTIONS = "lambda:sourcefunctionarn"
"""The condition key of calls that a function makes itself. Lambda's own have none."""
_RECORDS = {
    "events": ("events:PutEvents",),
    "lambda": ("lambda:InvokeFunction",),
    "s3": ("s3:ListBucket", "s3:PutObject"),
    "sns": ("sns:Publish",),
    "sqs": ("sqs:SendMessage",),
}


def check_network(cloud: Cloud, key: FunctionKey, role: str, network: Mapping[str, Any]) -> None:
    """Refuse a VPC in whose subnets the role may make no network interfaces."""
    prefix = f"arn:{partition_of(key.region)}:ec2:{key.region}:{key.account}"
    resources = [f"{prefix}:network-interface/eni-0123456789abcdef0"]
    resources += [f"{prefix}:subnet/{each}" for each in network["SubnetIds"]]
    resources += [f"{prefix}:security-group/{each}" for each in network["SecurityGroupIds"]]
    if _lacks(cloud, key, role, (("ec2:CreateNetworkInterface", each) for each in resources)):
        raise invalid("The provided execution role does not have permissions to call CreateNetworkInterface on EC2")


def check_destination(cloud: Cloud, key: FunctionKey, role: str, arn: str) -> None:
    """Refuse a destination that the role may send no records to."""
    for action in _RECORDS[arn.split(":")[2]]:
        resource = f"{arn}/aws/lambda/async/{key.name}/record" if action == "s3:PutObject" else arn
        if _lacks(cloud, key, role, [(action, resource)]):
            name = action.partition(":")[2]
            raise invalid(f"The function's execution role does not have permissions to call {name} on {arn}")


def _lacks(cloud: Cloud, key: FunctionKey, role: str, accesses: Iterable[tuple[str, str]]) -> bool:
    caller = cloud.access.role_session(role, key.name)
    context: dict[str, tuple[str, ...]] = {OF_FUNCTIONS: ()}
    return any(cloud.access.refusal(AccessRequest(action, arn, context), caller) for action, arn in accesses)
