"""IAM: Moto's, with AWS's own managed policies brought in one by one, when they are named.

Loading all 1,500 at the start costs a fifth of a second and much of the saved state.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from localcloud.cloud import AwsRequest, Cloud, Response, ServiceError
from localcloud.services.iam import oidc_providers, simulation

ROLE_POLICIES = 10_240  # characters of all inline policies of a role
OF_AWS = ":iam::aws:policy/"
ACTIONS = (
    "AttachGroupPolicy",
    "AttachRolePolicy",
    "AttachUserPolicy",
    "GetPolicy",
    "GetPolicyVersion",
    "ListEntitiesForPolicy",
    "ListPolicyVersions",
)


def install(cloud: Cloud) -> None:
    """Register the actions."""
    oidc_providers.install(cloud)
    simulation.install(cloud)

    @cloud.action("iam", *ACTIONS)
    def with_policy(request: AwsRequest) -> Response:
        _add_managed_policy(request.account, str(request.params.get("PolicyArn", "")))
        return request.forward_raw()

    @cloud.action("iam", "PutRolePolicy")
    def put_role_policy(request: AwsRequest) -> Response:
        _check_size(request)
        return request.forward_raw()


def _check_size(request: AwsRequest) -> None:
    """Refuse what makes a role's inline policies too large together. White space doesn't count.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """
    from moto.iam.models import iam_backends

    name, params = str(request.params.get("RoleName", "")), request.params
    roles = iam_backends[request.account]["aws"].roles.values()
    inline = next((dict(role.policies) for role in roles if role.name == name), {})
    inline[str(params.get("PolicyName", ""))] = str(params.get("PolicyDocument", ""))
    if sum(len("".join(document.split())) for document in inline.values()) > ROLE_POLICIES:
        raise ServiceError(
            "LimitExceeded", f"Maximum policy size of {ROLE_POLICIES} bytes exceeded for role {name}", 409
        )


@functools.cache
def _known() -> dict[str, Any]:
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    known: dict[str, Any] = json.loads(aws_managed_policies_data)
    return known


def _add_managed_policy(account: str, arn: str) -> None:
    if OF_AWS not in arn:
        return
    from moto.iam.models import AWSManagedPolicy, iam_backends

    backend = iam_backends[account]["aws"]
    name = arn.rpartition("/")[2]
    if arn in backend.managed_policies or name not in _known():
        return
    policy = AWSManagedPolicy.from_data(name, account, "aws", _known()[name])
    if policy.arn == arn:
        backend.managed_policies[arn] = policy
