"""A function's VPC: its subnets and security groups must be there, as on AWS. The network itself isn't isolated.

The texts are AWS's as people report them: aws/aws-sdk-js#1293, smoketurner/serverless-vpc-plugin#765,
aws/aws-lambda-dotnet#60.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.model import FunctionKey, invalid

if TYPE_CHECKING:
    from localcloud.cloud import Cloud


def configured(cloud: Cloud, key: FunctionKey, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return a VpcConfig with its VpcId, or nothing for no subnets. Raises InvalidParameterValueException."""
    subnets, groups = list(wanted.get("SubnetIds") or ()), list(wanted.get("SecurityGroupIds") or ())
    if bool(subnets) != bool(groups):
        raise invalid("SubnetIds and SecurityIds must coexist or be both empty list.")
    if not subnets:
        return {}
    vpcs = _vpcs(cloud, key, "DescribeSubnets", "SubnetIds", "Subnets", subnets)
    if len(vpcs) > 1:
        raise invalid("Subnets are required to be in the same VPC.")
    if vpcs != _vpcs(cloud, key, "DescribeSecurityGroups", "GroupIds", "SecurityGroups", groups):
        raise invalid("Security Groups are required to be in the same VPC.")
    return {
        "SubnetIds": subnets,
        "SecurityGroupIds": groups,
        "VpcId": vpcs.pop(),
        "Ipv6AllowedForDualStack": bool(wanted.get("Ipv6AllowedForDualStack")),
    }


def _vpcs(cloud: Cloud, key: FunctionKey, action: str, parameter: str, member: str, ids: list[str]) -> set[str]:
    """Return the VPCs of some subnets or security groups."""
    try:
        answer = cloud.call("ec2", action, {parameter: ids}, region=key.region, account=key.account)
    except ServiceError as error:
        raise invalid(
            f"Error occurred while {action}. EC2 Error Code: {error.code}. EC2 Error Message: {error.message}"
        ) from None
    return {str(each["VpcId"]) for each in answer[member]}
