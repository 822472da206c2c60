"""What is decided, for whom, by which policies, and the decision."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.authorization.documents import PolicyDocument

Context = Mapping[str, tuple[str, ...]]
"""Values of condition keys. The keys' names are in lower case."""

IDENTITY = "identity-based policy"
RESOURCE = "resource-based policy"
BOUNDARY = "permissions boundary"
SESSION = "session policy"


@dataclass(frozen=True)
class AccessRequest:
    """One action on one resource, which a policy must allow. A call to AWS may be several.

    `resource` is an ARN, or "*" for an action that names none. `context` holds the condition keys of the call, not
    those of its caller. `unknown` names the keys that AWS would fill and the local cloud can't; a name that ends in "/"
    or ":" stands for all keys that begin with it, as "aws:resourcetag/".

    `also` are other ARNs of the same resource: where AWS doesn't say by which of them it authorises an action, an Allow
    may name any. A Deny counts for `resource` only.

    `tags` reads the tags of the resource, for policies that ask for aws:ResourceTag/..., or returns None if it can't.
    """

    action: str
    resource: str
    context: Context = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    also: tuple[str, ...] = ()
    tags: Callable[[], Mapping[str, str] | None] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Principal:
    """Who calls.

    `arn` is the user's, the role's or the account's root's: what resource policies name. `session_arn` is an assumed
    role's session, or empty. An AWS service that calls in its own name has `service` and nothing else, a caller who
    comes with a web identity token has `federated`, the provider's ARN. One that has none of these is anonymous.
    """

    arn: str = ""
    session_arn: str = ""
    account: str = ""
    service: str = ""
    is_root: bool = False
    user_id: str = ""
    user_name: str = ""
    federated: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ApplicablePolicies:
    """The policies that apply to a request. A trust policy is the resource policy of sts:AssumeRole.

    `session` is None when the session has no policy of its own, and `boundary` when the principal has no boundary.
    """

    identity: tuple[PolicyDocument, ...] = ()
    boundary: PolicyDocument | None = None
    session: tuple[PolicyDocument, ...] | None = None
    resource: PolicyDocument | None = None


@dataclass(frozen=True)
class Decision:
    """Whether a request is allowed, and why not.

    `policy_type` is the kind of policy that denies, in AWS's words; `explicit` says that a statement does, which is
    `statement`. Otherwise `missing` is a statement that would allow it in a policy of that kind. `unknown` lists what
    was not understood of policies that decide: AWS might deny what is allowed with it.
    """

    allowed: bool
    explicit: bool = False
    policy_type: str = ""
    statement: Mapping[str, Any] | None = None
    missing: Mapping[str, Any] | None = None
    unknown: tuple[str, ...] = ()
