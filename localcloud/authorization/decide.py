"""Evaluate the policies that apply to a request, as AWS does.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from localcloud.authorization.conditions import ConditionKeys, Match
from localcloud.authorization.context import condition_keys
from localcloud.authorization.documents import PolicyDocument
from localcloud.authorization.model import (
    BOUNDARY,
    IDENTITY,
    RESOURCE,
    SESSION,
    AccessRequest,
    ApplicablePolicies,
    Decision,
    Principal,
)
from localcloud.authorization.principals import Naming
from localcloud.authorization.statements import Effects, evaluate

OWN_RESOURCE_POLICY = ("sts:assumerole", "sts:tagsession", "sts:setsourceidentity", "kms:")
"""Actions that an identity's policies alone never allow, not even in one account: the trust policy or the key's policy
must name the caller, or the account. https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html"""


def decide(
    request: AccessRequest, principal: Principal, policies: ApplicablePolicies, resource_account: str
) -> Decision:
    """Decide about one action on one resource, which is in `resource_account`.

    What isn't understood is never a denial: the decision names it, and is what it would be in the caller's favour.
    """
    keys = condition_keys(request, principal, resource_account)
    decision = _PolicyEvaluation(request, principal, policies, keys, resource_account)
    return decision.decide()


class _PolicyEvaluation:
    def __init__(
        self,
        request: AccessRequest,
        principal: Principal,
        policies: ApplicablePolicies,
        keys: ConditionKeys,
        resource_account: str,
    ) -> None:
        self.request = request
        self.principal = principal
        self.same_account = principal.account == resource_account
        self.least = Match.YES
        self.unknown: list[str] = []

        def effects(documents: Iterable[PolicyDocument]) -> Effects:
            return evaluate(documents, request, keys)

        boundary, session, resource = policies.boundary, policies.session, policies.resource
        self.identity = effects(policies.identity)
        self.boundary = None if boundary is None else effects([boundary])
        self.session = None if session is None else effects(session)
        self.has_resource_policy = resource is not None
        self.resource = evaluate([resource] if resource else [], request, keys, principal, bounded=boundary is not None)

    def decide(self) -> Decision:
        kinds = {IDENTITY: self.identity, RESOURCE: self.resource, BOUNDARY: self.boundary, SESSION: self.session}
        for kind, effects in kinds.items():
            if effects is None:
                continue
            if effects.denial is not None:
                return Decision(allowed=False, explicit=True, policy_type=kind, statement=effects.denial)
            self.unknown += effects.unknown_denials
        lacking = self._lacking()
        if lacking:
            self.least = Match.UNKNOWN  # only what may be allowed is allowed because of what is unknown
            lacking = self._lacking()
        if lacking:
            return Decision(allowed=False, policy_type=lacking, missing=self._missing(lacking))
        return Decision(allowed=True, unknown=tuple(dict.fromkeys(self.unknown)))

    def _lacking(self) -> str:
        """Return the kind of policy that lacks a statement, or nothing when the request is allowed."""
        if not self.principal.arn:
            return "" if self._granted(Naming.ITSELF) else RESOURCE
        if not self.same_account:
            return self._identity_lacking() or ("" if self._granted(Naming.ACCOUNT) else RESOURCE)
        if self._granted(Naming.ITSELF):
            return ""
        if self._granted(Naming.ROLE):
            return self._limits_lacking()
        if self._trusts_account():
            return self._identity_lacking()
        return RESOURCE

    def _trusts_account(self) -> bool:
        """Say whether an identity's policies count for a resource of the same account."""
        if not self.request.action.lower().startswith(OWN_RESOURCE_POLICY) or not self.has_resource_policy:
            return True
        return self._granted(Naming.ACCOUNT)

    def _granted(self, naming: Naming) -> bool:
        """Say whether the resource's policy allows a principal that it names so, or more directly."""
        return self._counts(self.resource, naming)

    def _identity_lacking(self) -> str:
        if not self.principal.is_root and not self._counts(self.identity):
            return IDENTITY
        return self._limits_lacking()

    def _limits_lacking(self) -> str:
        if self.boundary is not None and not self._counts(self.boundary):
            return BOUNDARY
        if self.session is not None and not self._counts(self.session):
            return SESSION
        return ""

    def _counts(self, effects: Effects, naming: Naming = Naming.NOT) -> bool:
        match, unknown = effects.allowed(naming)
        if match < self.least:
            return False
        self.unknown += unknown
        return True

    def _missing(self, kind: str) -> Mapping[str, Any]:
        statement: dict[str, Any] = {"Effect": "Allow"}
        if kind == RESOURCE:
            statement["Principal"] = self._as_principal()
        return {**statement, "Action": self.request.action, "Resource": self.request.resource}

    def _as_principal(self) -> dict[str, str] | str:
        if self.principal.service:
            return {"Service": self.principal.service}
        if self.principal.federated:
            return {"Federated": self.principal.federated}
        return {"AWS": self.principal.arn} if self.principal.arn else "*"
