"""IAM and STS: users, roles and policies have paths, which a call seldom names.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
"""

from __future__ import annotations

from collections.abc import Iterable

from localcloud.authorization import calls
from localcloud.authorization.calls.call import AwsCall, UnknownAccessError
from localcloud.authorization.calls.reference import actions
from localcloud.authorization.model import AccessRequest

_ENTITIES = {
    "group": ("GroupName", "GetGroup", "Group"),
    "instance-profile": ("InstanceProfileName", "GetInstanceProfile", "InstanceProfile"),
    "role": ("RoleName", "GetRole", "Role"),
    "user": ("UserName", "GetUser", "User"),
}
"""Resource types: the parameter that names one, and the call that reads its ARN."""

_ARNS = {
    "oidc-provider": "OpenIDConnectProviderArn",
    "policy": "PolicyArn",
    "saml-provider": "SAMLProviderArn",
}
_BOUNDARIES = frozenset(
    {
        "CreateRole",
        "CreateUser",
        "PutRolePermissionsBoundary",
        "PutUserPermissionsBoundary",
    }
)


def accesses(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a call needs."""
    if call.service == "sts":
        return _sts(call)
    action = actions("iam").get(call.action.lower())
    if action is None:
        return None
    if not action.resources:
        return [calls.request(call, f"iam:{action.name}", "*")]
    if simulated := call.text("PolicySourceArn"):
        return [calls.request(call, f"iam:{action.name}", simulated)]
    arn, boundary = _entity(call, action.resources)
    more = {"iam:permissionsboundary": boundary}
    requests = [calls.request(call, f"iam:{action.name}", arn, more)]
    if call.action == "AddRoleToInstanceProfile":
        role = _read_arn(call, "role", call.text("RoleName"))[0]
        requests.append(calls.request(call, "iam:PassRole", role, {"iam:passedtoservice": ("ec2.amazonaws.com",)}))
    return requests


def _entity(call: AwsCall, types: tuple[str, ...]) -> tuple[str, tuple[str, ...] | None]:
    """Return the resource of a call, and its permissions boundary as far as the call or the cloud says it."""
    if call.action == "CreateServiceLinkedRole":
        service = call.text("AWSServiceName")
        return call.arn("iam", f"role/aws-service-role/{service}/AWSServiceRoleFor*", region=""), ()
    for name in types:
        if name in _ARNS and (arn := call.text(_ARNS[name])):
            return arn, ()
        if name == "policy" and (policy := call.text("PolicyName")) and call.action == "CreatePolicy":
            return _named(call, "policy", policy), ()
        if name == "oidc-provider" and (url := call.text("Url")):
            return _named(call, "oidc-provider", url.partition("://")[2]), ()
        if name in _ENTITIES and (entity := call.text(_ENTITIES[name][0])):
            if call.action.startswith("Create") and call.action.lower() == f"create{name}".replace("-", ""):
                return _named(call, name, entity), call.texts("PermissionsBoundary")
            arn, boundary = _read_arn(call, name, entity)
            return arn, call.texts("PermissionsBoundary") if call.action in _BOUNDARIES else boundary
    raise UnknownAccessError("what the call is about")


def _named(call: AwsCall, kind: str, name: str) -> str:
    path = call.text("Path") or "/"
    return call.arn("iam", f"{kind}{path}{name}", region="")


def _read_arn(call: AwsCall, kind: str, name: str) -> tuple[str, tuple[str, ...] | None]:
    """Return an entity's ARN with its path, and its boundary. What isn't there has neither."""
    parameter, action, member = _ENTITIES[kind]
    try:
        entity = call.read("iam", action, **{parameter: name})[member]
    except UnknownAccessError:
        return call.arn("iam", f"{kind}/{name}", region=""), None
    boundary = (entity.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    return str(entity["Arn"]), (str(boundary),) if boundary else ()


def _sts(call: AwsCall) -> Iterable[AccessRequest] | None:
    """Return what a session needs: tags and a source identity are permissions of their own.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
    """
    role = call.text("RoleArn")
    if not role:
        return None
    names = [call.action]
    if call.params.get("Tags"):
        names.append("TagSession")
    if call.text("SourceIdentity"):
        names.append("SetSourceIdentity")
    return [calls.request(call, f"sts:{name}", role, _of_provider(name)) for name in names]


def _of_provider(action: str) -> dict[str, tuple[str, ...] | None]:
    """Return the keys of identity providers as missing: STS itself decides about the calls that bring a token."""
    listed = [key.lower() for key in actions("sts")[action.lower()].keys]
    return {key: () for key in listed if not key.startswith(("aws:", "sts:"))}
