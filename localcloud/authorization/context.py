"""The global condition keys that follow from the caller.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from localcloud.authorization.conditions import ConditionKeys
from localcloud.authorization.model import AccessRequest, Principal

_FEDERATED = ":federated-user/"
UNKNOWN = frozenset(
    {
        "aws:calledvia",
        "aws:calledviafirst",
        "aws:calledvialast",
        "aws:ec2instancesourceprivateipv4",
        "aws:ec2instancesourcevpc",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:resourceorgid",
        "aws:resourceorgpaths",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourcevpc",
        "aws:sourcevpcarn",
        "aws:sourcevpce",
        "aws:referer",
        "aws:vpceaccount",
        "aws:vpceorgid",
        "aws:vpceorgpaths",
        "aws:vpcsourceip",
    }
)
"""Keys of an organisation, a network or a call in between: the local cloud has none of them."""

OF_SESSIONS = frozenset(
    {"aws:federatedprovider", "aws:sourceidentity", "aws:tokenissuetime", "lambda:sourcefunctionarn"}
)
"""Keys of a session that are unknown unless whoever knows the session gives them."""

OF_SERVICES = frozenset({"aws:sourceaccount", "aws:sourcearn", "aws:sourceowner"})
"""The same of a service's own calls."""


def condition_keys(request: AccessRequest, principal: Principal, resource_account: str) -> ConditionKeys:
    """Return the keys of a request: those of its call, its caller and its resource. The call's have precedence."""
    keys: dict[str, tuple[str, ...]] = {
        "aws:principalisawsservice": (str(bool(principal.service)).lower(),),
        "aws:securetransport": ("true",),  # the cloud's addresses stand for AWS's, which are all TLS
        "aws:viaawsservice": ("false",),
    }
    federated = _FEDERATED in principal.session_arn
    if principal.session_arn:
        keys["aws:multifactorauthpresent"] = ("false",)
    if principal.service:
        keys["aws:principalservicenameslist"] = (principal.service,)
    single = {
        "aws:resourceaccount": resource_account,
        "s3:resourceaccount": resource_account if request.action.startswith("s3:") else "",
        "aws:principalaccount": principal.account,
        "aws:principalarn": principal.session_arn if federated else principal.arn,
        "aws:principalservicename": principal.service,
        "aws:principaltype": _type(principal),
        "aws:userid": principal.user_id,
        "aws:username": "" if federated else principal.user_name,
        **{f"aws:principaltag/{name.lower()}": value for name, value in principal.tags.items()},
    }
    keys.update({name: (value,) for name, value in single.items() if value})
    keys.update(request.context)
    unknown = UNKNOWN | request.unknown
    if principal.session_arn:
        unknown |= OF_SESSIONS
    if principal.service:
        unknown |= OF_SERVICES
    return ConditionKeys(keys, unknown, request.tags)


def _type(principal: Principal) -> str:
    if principal.session_arn:
        return "FederatedUser" if _FEDERATED in principal.session_arn else "AssumedRole"
    if principal.is_root:
        return "Account"
    return "User" if principal.arn else "" if principal.service else "Anonymous"
