"""Functions in a VPC: Lambda's network interfaces in it go up to 20 minutes after the function, by the function's role.

A role that is deleted before leaves them behind, in the way of the subnets and security groups
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html). So such a function goes first, and the rest
waits for its interfaces. Functions of the same subnets and security groups share interfaces: those of others stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stepladder.core.aws import error_code
from stepladder.core.release_facts import NOT_FOUND
from stepladder.core.step import Step
from stepladder.releases.rung import Rung
from stepladder.terraform.state_file import StateResource

LONGEST = 2700.0  # seconds: the AWS provider waits as long for a subnet
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


def functions(state: Iterable[StateResource]) -> list[StateResource]:
    """Return the functions of a state that are connected to a VPC."""
    return [each for each in state if each.type == "aws_lambda_function" and _connected(each)]


def _connected(function: StateResource) -> bool:
    return bool(_settings(function)[0])


def remove(rung: Rung, connected: Iterable[StateResource], step: Step) -> list[str]:
    """Delete the functions in a VPC and wait for their interfaces; return the ids of those that are still there.

    What these credentials may not read isn't waited for, and warned of.
    """
    connected = list(connected)
    for function in connected:
        step.progress(f"deleting {function.text('function_name')}")
        try:
            rung.lambda_client.delete_function(FunctionName=function.text("function_name"))
        except Exception as error:
            if error_code(error) != NOT_FOUND:
                raise
    left: list[str] = []
    try:
        shared = _of_others(rung, {each.text("function_name") for each in connected})
        names = [each.text("function_name") for each in connected if not _networks(_settings(each)) & shared]
        for _ in rung.clock.polls(LONGEST if names else 0):
            left = [each for name in names for each in _interfaces(rung, name)]
            if not left:
                break
            step.progress(f"waiting for Lambda to delete {len(left)} network interfaces: up to 20 minutes")
    except Exception as error:
        if error_code(error) not in _DENIED:
            raise
        denied = getattr(error, "operation_name", "")
        rung.console.warn(f"these credentials may not call {denied}: network interfaces of Lambda may stay in the VPC")
    return left


def _settings(function: StateResource) -> tuple[list[str], list[str]]:
    given = (function.attributes.get("vpc_config") or [{}])[0]
    return list(given.get("subnet_ids") or ()), list(given.get("security_group_ids") or ())


def _networks(given: tuple[list[str], list[str]]) -> set[tuple[str, frozenset[str]]]:
    """Return what decides an interface: a subnet with the security groups."""
    subnets, groups = given
    return {(subnet, frozenset(groups)) for subnet in subnets}


def _of_others(rung: Rung, own: set[str]) -> set[tuple[str, frozenset[str]]]:
    """Return the networks of all other functions of the account and region, whose interfaces stay with them."""
    shared: set[tuple[str, frozenset[str]]] = set()
    request: dict[str, str] = {}
    while True:
        answer: dict[str, Any] = rung.lambda_client.list_functions(**request)
        for other in answer["Functions"]:
            given = other.get("VpcConfig") or {}
            if other["FunctionName"] not in own:
                shared |= _networks((given.get("SubnetIds") or [], given.get("SecurityGroupIds") or []))
        if not answer.get("NextMarker"):
            return shared
        request["Marker"] = answer["NextMarker"]


def _interfaces(rung: Rung, function: str) -> list[str]:
    answer: dict[str, Any] = rung.aws.client("ec2").describe_network_interfaces(
        Filters=[{"Name": "description", "Values": [f"AWS Lambda VPC ENI-{function}-????????-*"]}]
    )
    return [each["NetworkInterfaceId"] for each in answer["NetworkInterfaces"]]
