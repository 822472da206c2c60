"""SimulatePrincipalPolicy: what a user's or a role's own policies and boundary allow, decided as a call would be.

As on AWS, no resource's policy counts unless it is passed. Passed policies and context aren't taken here.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from __future__ import annotations

from typing import Any

from localcloud.access import identities
from localcloud.authorization.decide import decide
from localcloud.authorization.model import AccessRequest, ApplicablePolicies, Decision, Principal
from localcloud.cloud import AwsRequest, Cloud, ServiceError

_REFUSED = ("CallerArn", "ContextEntries", "PolicyInputList", "ResourcePolicy")


def install(cloud: Cloud) -> None:
    """Register the action."""
    cloud.action("iam", "SimulatePrincipalPolicy")(simulate)


def simulate(request: AwsRequest) -> dict[str, Any]:
    """Return the decision for each action on each resource."""
    for name in _REFUSED:
        if request.params.get(name):
            raise ServiceError("InvalidInput", f"{name} is not simulated by the local cloud", 400)
    principal = _principal(str(request.params.get("PolicySourceArn", "")))
    held = identities.policies_of(principal)
    policies = ApplicablePolicies(identity=held.documents, boundary=held.boundary)
    results = [
        _result(action, resource, decide(AccessRequest(action, resource), principal, policies, principal.account))
        for action in request.params.get("ActionNames", [])
        for resource in request.params.get("ResourceArns") or ["*"]
    ]
    return {"EvaluationResults": results, "IsTruncated": False}


def _principal(arn: str) -> Principal:
    if ":role/" in arn and identities.role(arn) is not None:
        return Principal(arn=arn, account=arn.split(":")[4])
    if ":user/" in arn and (owner := identities.user(arn)) is not None:
        return Principal(arn=arn, account=arn.split(":")[4], user_name=owner.name)
    raise ServiceError("NoSuchEntity", f"The principal {arn} does not exist.", 404)


def _result(action: str, resource: str, decision: Decision) -> dict[str, Any]:
    outcome = "allowed" if decision.allowed else "explicitDeny" if decision.explicit else "implicitDeny"
    return {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": outcome,
        "MatchedStatements": [],
        "MissingContextValues": [key for key in decision.unknown if not key.endswith(("/", ":"))],
    }
