"""Requests with their policies, which several evaluators of IAM policies can answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from localcloud.authorization.context import condition_keys
from localcloud.authorization.decide import decide
from localcloud.authorization.documents import parse_policy
from localcloud.authorization.model import AccessRequest, ApplicablePolicies, Decision, Principal

ACCOUNT, ANOTHER = "111111111111", "222222222222"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/run"
USER = f"arn:aws:iam::{ACCOUNT}:user/ada"
AS_ROLE = Principal(arn=ROLE, session_arn=SESSION, account=ACCOUNT, user_id="AROAEXAMPLE:run", tags={"team": "red"})
AS_USER = Principal(arn=USER, account=ACCOUNT, user_id="AIDAEXAMPLE", user_name="ada", tags={"team": "red"})
AS_SERVICE = Principal(service="sns.amazonaws.com")


@dataclass(frozen=True)
class PolicyCase:
    """One request with its policies. `resource_account` is the account of the resource."""

    name: str
    principal: Principal
    action: str
    resource: str
    resource_account: str = ACCOUNT
    context: dict[str, tuple[str, ...]] = field(default_factory=dict)
    identity: tuple[dict[str, Any], ...] = ()
    boundary: dict[str, Any] | None = None
    session: dict[str, Any] | None = None
    resource_policy: dict[str, Any] | None = None

    @property
    def request(self) -> AccessRequest:
        """The request without its caller."""
        return AccessRequest(self.action, self.resource, self.context)

    def decided(self) -> Decision:
        """Return the local cloud's decision."""
        policies = ApplicablePolicies(
            identity=tuple(map(parse_policy, self.identity)),
            boundary=None if self.boundary is None else parse_policy(self.boundary),
            session=None if self.session is None else (parse_policy(self.session),),
            resource=None if self.resource_policy is None else parse_policy(self.resource_policy),
        )
        return decide(self.request, self.principal, policies, self.resource_account)

    def simulation(self) -> dict[str, Any]:
        """Return the same for iam-simulate."""
        principal = self.principal.session_arn or self.principal.arn or self.principal.service
        keys = condition_keys(self.request, self.principal, self.resource_account).values
        simulation: dict[str, Any] = {
            "request": {
                "principal": principal or {"type": "Anonymous"},
                "action": self.action,
                "resource": {"resource": self.resource, "accountId": self.resource_account},
                "contextVariables": {
                    key: values[0] if len(values) == 1 else list(values) for key, values in keys.items()
                },
            },
            "identityPolicies": [{"name": f"p{n}", "policy": each} for n, each in enumerate(self.identity)],
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
        }
        if self.boundary is not None:
            simulation["permissionBoundaryPolicies"] = [{"name": "boundary", "policy": self.boundary}]
        if self.session is not None:
            simulation["sessionPolicy"] = self.session
        if self.resource_policy is not None:
            simulation["resourcePolicy"] = self.resource_policy
        return simulation


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy of statements, which allow unless they say otherwise."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]}


OBJECT = "arn:aws:s3:::data/in/1.json"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/orders"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:hello"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0f1e2d3c-0000-4000-8000-000000000000"
TARGET_ROLE = f"arn:aws:iam::{ACCOUNT}:role/target"

READ = PolicyCase("read", AS_ROLE, "s3:GetObject", OBJECT)
SEND = PolicyCase("send", AS_ROLE, "sqs:SendMessage", QUEUE)
LIST = PolicyCase("list", AS_ROLE, "s3:ListBucket", "arn:aws:s3:::data")
QUERY = PolicyCase("query", AS_ROLE, "dynamodb:Query", TABLE)
