"""The principals that Moto's IAM keeps, and the policies of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from localcloud.access.callers import Caller, IssuedKey
from localcloud.access.keys import user_key
from localcloud.authorization.documents import PolicyDocument, parse_policy
from localcloud.authorization.model import Principal

DENIES_ALL = parse_policy({"Version": "2012-10-17", "Statement": []})
"""A policy that can't be read, or a boundary that is gone: nothing is allowed by it."""


@dataclass(frozen=True)
class IdentityPolicies:
    """The policies of a user or a role, and its boundary."""

    documents: tuple[PolicyDocument, ...] = ()
    boundary: PolicyDocument | None = None


def _backend(account: str, partition: str) -> Any:
    from moto.iam.models import iam_backends

    return iam_backends[account][partition]


def role(arn: str) -> Any:
    """Return Moto's role of an ARN, or None."""
    parts = arn.split(":")
    if len(parts) != 6 or not parts[4].isdigit():  # noqa: PLR2004 - the parts of an ARN
        return None
    roles = list(_backend(parts[4], parts[1]).roles.values())
    return next((each for each in roles if each.arn == arn), None)


def user(arn: str) -> Any:
    """Return Moto's user of an ARN, or None."""
    parts = arn.split(":")
    users = list(_backend(parts[4], parts[1]).users.values())
    return next((each for each in users if each.arn == arn), None)


def session(key: IssuedKey) -> Caller | None:
    """Return who holds the key of a session, or None when the role or the user is gone."""
    if key.identity.endswith(":root"):
        arn = _session_arn(key) if key.federated_user else ""
        principal = Principal(arn=key.identity, session_arn=arn, account=key.account, is_root=True, user_id=key.account)
        return Caller(principal, key.key_id, key)
    if ":user/" in key.identity:
        owner = user(key.identity)
        if owner is None:
            return None
        return Caller(_of_user(owner, _session_arn(key) if key.federated_user else ""), key.key_id, key)
    assumed = role(key.identity)
    return None if assumed is None else Caller(_of_session(assumed, key), key.key_id, key)


def session_of_missing(key: IssuedKey) -> Caller:
    """Return a session of a role that doesn't exist: it has no policies."""
    principal = Principal(
        arn=key.identity, session_arn=_session_arn(key), account=key.account, user_id=f"AROA:{key.session_name}"
    )
    return Caller(principal, key.key_id, key)


def _session_arn(key: IssuedKey) -> str:
    kind = f"federated-user/{key.session_name}"
    if not key.federated_user:
        kind = f"assumed-role/{key.identity.rpartition('/')[2]}/{key.session_name}"
    return f"arn:{key.partition}:sts::{key.account}:{kind}"


def _of_session(assumed: Any, key: IssuedKey) -> Principal:
    return Principal(
        arn=assumed.arn,
        session_arn=_session_arn(key),
        account=key.account,
        user_id=f"{assumed.id}:{key.session_name}",
        tags={**{tag["Key"]: tag["Value"] for tag in _tags(assumed.tags)}, **key.tags},
    )


def _of_user(owner: Any, session_arn: str = "") -> Principal:
    return Principal(
        arn=owner.arn,
        session_arn=session_arn,
        account=owner.account_id,
        user_id=owner.id,
        user_name=owner.name,
        tags={tag["Key"]: tag["Value"] for tag in _user_tags(owner)},
    )


def _tags(tags: Any) -> Iterable[dict[str, str]]:
    return list(tags.values()) if isinstance(tags, dict) else list(tags or ())


def _user_tags(owner: Any) -> Iterable[dict[str, str]]:
    tags: Iterable[dict[str, str]] = _backend(owner.account_id, owner.arn.split(":")[1]).tagger.list_tags_for_resource(
        owner.arn
    )["Tags"]
    return tags


def holder(key_id: str) -> tuple[Caller, str] | None:
    """Return the user who holds an access key, and the key's secret, or None for none that is active."""
    named = user_key(key_id)
    if named is None:
        return None
    account, partition, key = named
    owner = _backend(account, partition).users.get(key.user_name)
    owner = owner or next((u for u in _backend(account, partition).users.values() if u.name == key.user_name), None)
    if owner is None or key.status != "Active":
        return None
    return Caller(_of_user(owner), key_id), key.secret_access_key


def policies_of(principal: Principal) -> IdentityPolicies:
    """Return the policies of a principal, or none for a root, a service, and whoever is gone."""
    if ":role/" in principal.arn:
        owner = role(principal.arn)
        groups: list[Any] = []
    elif ":user/" in principal.arn:
        owner = user(principal.arn)
        backend = _backend(principal.account, principal.arn.split(":")[1])
        groups = [group for group in list(backend.groups.values()) if owner in group.users]
    else:
        return IdentityPolicies()
    if owner is None:
        return IdentityPolicies()
    documents = tuple(parsed(text) for each in (owner, *groups) for text in _texts(each))
    backend = _backend(principal.account, principal.arn.split(":")[1])
    boundary_arn = getattr(owner, "permissions_boundary_arn", None)
    if not boundary_arn:
        return IdentityPolicies(documents)
    boundary = backend.managed_policies.get(boundary_arn)
    return IdentityPolicies(documents, parsed(_document(boundary)) if boundary else DENIES_ALL)


def managed_policy(arn: str, account: str, partition: str) -> str | None:
    """Return the text of a managed policy, or None."""
    policy = _backend(account, partition).managed_policies.get(arn)
    return None if policy is None else str(_document(policy))


def _texts(owner: Any) -> Iterator[str]:
    yield from list(owner.policies.values())
    for policy in list(owner.managed_policies.values()):
        yield _document(policy)


def _document(policy: Any) -> Any:
    """Return the default version of a managed policy."""
    return next(each.document for each in policy.versions if each.version_id == policy.default_version_id)


def parsed(text: Any) -> PolicyDocument:
    """Read a policy; one that can't be read allows nothing."""
    try:
        return parse_policy(text)
    except ValueError:
        return DENIES_ALL
