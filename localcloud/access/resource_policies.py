"""The policies of resources, and whose resources they are: mostly Moto's, by the resource's ARN.

Services of the local cloud's own add theirs with `ResourcePolicies.add`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from localcloud.access import identities
from localcloud.access.identities import DENIES_ALL
from localcloud.authorization.documents import PolicyDocument, parse_policy

Reader = Callable[["ResourceArn"], Any]


@dataclass(frozen=True)
class ResourceArn:
    """An ARN in its parts."""

    text: str
    partition: str
    service: str
    region: str
    account: str
    name: str

    @classmethod
    def parse(cls, text: str) -> ResourceArn | None:
        """Read an ARN, or return None for what is none."""
        parts = text.split(":", 5)
        if len(parts) < 6 or parts[0] != "arn":  # noqa: PLR2004 - the parts of an ARN
            return None
        return cls(text, *parts[1:])


class ResourcePolicies:
    """Finds a resource's policy and account by its ARN."""

    def __init__(self) -> None:
        self._readers: dict[str, Reader] = {
            "dynamodb": _table,
            "ecr": _policy_in("repositories", prefix="repository/"),
            "events": _policy_in("event_buses", prefix="event-bus/"),
            "iam": _trust,
            "kms": _policy_in("keys", prefix="key/"),
            "logs": _log_group,
            "s3": _bucket,
            "secretsmanager": _secret,
            "sns": _policy_in("topics", by_arn=True),
            "sqs": _policy_in("queues"),
        }

    def add(self, service: str, reader: Reader) -> None:
        """Have a service read the policies of its resources: a text, what JSON says, or None."""
        self._readers[service] = reader

    def of(self, resource: str) -> PolicyDocument | None:
        """Return the policy of a resource, or None when it has none or doesn't exist."""
        arn = ResourceArn.parse(resource)
        reader = self._readers.get(arn.service) if arn else None
        policy = reader(arn) if arn and reader else None
        if not policy:
            return None
        try:
            return parse_policy(policy.decode() if isinstance(policy, bytes) else policy)
        except ValueError:
            return DENIES_ALL

    @staticmethod
    def account(resource: str, otherwise: str) -> str:
        """Return the account of a resource: buckets don't name theirs."""
        arn = ResourceArn.parse(resource)
        if arn is None:
            return otherwise
        if arn.account:
            return arn.account if arn.account.isdigit() else otherwise
        if arn.service == "s3":
            owners = getattr(_moto("s3", "s3_backends"), "bucket_accounts", {})
            owner = owners.get(arn.name.partition("/")[0])
            return str(owner[1]) if owner else otherwise
        return otherwise


def _moto(service: str, name: str) -> Any:
    """Return the backends of a service, or an empty object when nobody has used it."""
    return getattr(sys.modules.get(f"moto.{service}.models"), name, {})


def _of(service: str, arn: ResourceArn, region: str = "") -> Any:
    backends = _moto(service, f"{service}_backends")
    try:
        return backends[arn.account][region or arn.region]
    except KeyError:  # no such account or region
        return None


def _policy_in(collection: str, *, prefix: str = "", by_arn: bool = False) -> Reader:
    """Return a reader of the policies in a backend's collection, by the ARN or by the name behind a prefix."""

    def read(arn: ResourceArn) -> Any:
        backend = _of(arn.service, arn)
        key = arn.text if by_arn else arn.name.removeprefix(prefix)
        resource = getattr(backend, collection).get(key) if backend else None
        return resource.policy if resource is not None else None

    return read


def _trust(arn: ResourceArn) -> Any:
    role = identities.role(arn.text) if arn.name.startswith("role/") else None
    return role.assume_role_policy_document if role is not None else None


def _bucket(arn: ResourceArn) -> Any:
    name = arn.name.partition("/")[0]
    backends = _moto("s3", "s3_backends")
    owner = getattr(backends, "bucket_accounts", {}).get(name)
    if not owner:
        return None
    bucket = backends[owner[1]][owner[0]].buckets.get(name)
    return bucket.policy if bucket is not None else None


def _table(arn: ResourceArn) -> Any:
    backend = _of("dynamodb", arn)
    policy = backend.resource_policies.get(arn.text) if backend else None
    return policy.policy_doc if policy is not None else None


def _log_group(arn: ResourceArn) -> Any:
    """Return all resource policies of CloudWatch Logs as one: they belong to the account and region."""
    backend = _of("logs", arn)
    documents = [_read(each.policy_document) for each in list(backend.resource_policies.values())] if backend else []
    listed = (each.get("Statement", []) for each in documents if isinstance(each, dict))
    statements = [one for each in listed for one in (each if isinstance(each, list) else [each])]
    return {"Version": "2012-10-17", "Statement": statements} if statements else None


def _read(text: str) -> Any:
    """Return what a policy's JSON says, or None: Moto keeps what is none, and the others count all the same."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _secret(arn: ResourceArn) -> Any:
    backend = _of("secretsmanager", arn)
    secrets = list(backend.secrets.values()) if backend else []
    return next((each.policy for each in secrets if arn.text in (each.arn, getattr(each, "name", ""))), None)
