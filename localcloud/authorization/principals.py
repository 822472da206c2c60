"""How a statement's principals are those of a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum

from localcloud.authorization.model import Principal

_ROOT = re.compile(r"arn:[^:]+:iam::(\d{12}):root")
_ACCOUNT = re.compile(r"\d{12}")
_SERVICE = re.compile(r"(?P<name>[a-z0-9-]+)(?:\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d+))?\.amazonaws\.com(?:\.cn)?")


class Naming(IntEnum):
    """As what a statement names a principal, the most direct last.

    A grant to an account lets that account's own policies decide. One to a role's ARN is limited by the role's boundary
    and by session policies, one to a user, a session or everybody is not.
    """

    NOT = 0
    ACCOUNT = 1
    ROLE = 2
    ITSELF = 3


def naming(principals: Mapping[str, tuple[str, ...]], principal: Principal) -> Naming:
    """Return as what a Principal element names a principal."""
    return max(
        (_naming(kind, name, principal) for kind, names in principals.items() for name in names), default=Naming.NOT
    )


def _naming(kind: str, name: str, principal: Principal) -> Naming:
    if kind in ("Service", "Federated"):
        own = _is_service(name, principal.service) if kind == "Service" else name == principal.federated
        return Naming.ITSELF if name and own else Naming.NOT
    if kind != "AWS" or not name:
        return Naming.NOT
    if name in ("*", principal.session_arn):
        return Naming.ITSELF
    if (root := _ROOT.fullmatch(name)) or _ACCOUNT.fullmatch(name):
        return Naming.ACCOUNT if principal.account == (root[1] if root else name) else Naming.NOT
    if name in (principal.arn, principal.user_id.partition(":")[0]):  # IAM keeps a deleted principal by its id
        return Naming.ROLE if principal.session_arn else Naming.ITSELF
    return Naming.NOT


def _is_service(name: str, service: str) -> bool:
    """Compare two names of services, of which one may name a region or a partition: states.us-east-1.amazonaws.com."""
    named, own = _SERVICE.fullmatch(name), _SERVICE.fullmatch(service)
    if named is None or own is None:
        return name == service
    regions = {named["region"], own["region"]} - {None}
    return named["name"] == own["name"] and len(regions) <= 1
