"""Who makes a request, and with which credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from localcloud.authorization.model import Principal
from stepladder.core.names import partition_of

ACCOUNT_KEY = re.compile(r"\d{12}")
"""An access key id of twelve digits is the account's root."""


@dataclass(frozen=True)
class IssuedKey:
    """Temporary credentials that the cloud issued: of a role's session, or of a session of a user or of the root.

    `policies` are the session's own policies as texts, None when it has none. Times are epoch seconds.
    """

    key_id: str
    secret: str
    token: str
    account: str
    partition: str
    issued: float
    expires: float
    identity: str
    session_name: str = ""
    federated_user: bool = False
    policies: tuple[str, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Caller:
    """A principal with what belongs to its session. `key` is None for a root's, a user's or nobody's request."""

    principal: Principal
    key_id: str = ""
    key: IssuedKey | None = None

    @property
    def arn(self) -> str:
        """The ARN that AWS shows: of the session, where there is one."""
        return self.principal.session_arn or self.principal.arn or self.principal.service or "anonymous"

    @property
    def owns(self) -> str:
        """The account whose root this is, or an empty text."""
        return self.principal.account if self.principal.is_root and self.key is None else ""


ANONYMOUS = Caller(Principal())


def root_of(account: str, region: str) -> Caller:
    """Return an account's root, as the credentials of `local.env` are."""
    arn = f"arn:{partition_of(region)}:iam::{account}:root"
    return Caller(Principal(arn=arn, account=account, is_root=True, user_id=account), account)


def service_of(name: str) -> Caller:
    """Return an AWS service that calls in its own name: `lambda.amazonaws.com`."""
    return Caller(Principal(service=name))
