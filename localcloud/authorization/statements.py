"""Which statements of policies match a request, and what they do to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localcloud.authorization.conditions import ConditionKeys, Match, all_match
from localcloud.authorization.documents import PolicyDocument, PolicyStatement
from localcloud.authorization.model import AccessRequest, Principal
from localcloud.authorization.patterns import ANY, matches, matches_arn, with_wildcards
from localcloud.authorization.principals import Naming, naming
from localcloud.authorization.variables import UnresolvedVariableError, pattern_of


@dataclass
class Effects:
    """What policies of one kind do to a request.

    `denial` is the first statement that denies it, `unknown_denials` what is unknown of those that may.
    """

    denial: Mapping[str, Any] | None = None
    unknown_denials: list[str] = field(default_factory=list)
    grants: list[tuple[Naming, Match, tuple[str, ...]]] = field(default_factory=list)

    def allowed(self, least: Naming) -> tuple[Match, tuple[str, ...]]:
        """Return whether a statement allows that names the principal so or more directly, and what is unknown of it."""
        grants = [(match, unknown) for name, match, unknown in self.grants if name >= least]
        return max(grants, key=lambda grant: grant[0], default=(Match.NO, ()))


def evaluate(
    documents: Iterable[PolicyDocument],
    request: AccessRequest,
    keys: ConditionKeys,
    principal: Principal | None = None,
    *,
    bounded: bool = False,
) -> Effects:
    """Evaluate policies of one kind. Those of a resource are evaluated for a `principal`, which may have a boundary."""
    effects = Effects()
    for document in documents:
        for statement in document.statements:
            _apply(statement, effects, request, keys, principal, bounded=bounded)
    return effects


def _apply(
    statement: PolicyStatement,
    effects: Effects,
    request: AccessRequest,
    keys: ConditionKeys,
    principal: Principal | None,
    *,
    bounded: bool,
) -> None:
    if not _names_action(statement, request.action):
        return
    named = Naming.ITSELF if principal is None else _names_principal(statement, principal, bounded=bounded)
    if named is Naming.NOT:
        return
    arns = (request.resource, *request.also) if statement.allows else (request.resource,)
    match, unknown = _names_resource(statement, arns, keys)
    if match is not Match.NO:
        conditions, parts = all_match(statement.conditions, keys, variables=statement.variables)
        match, unknown = min(match, conditions), (*unknown, *parts, *statement.unknown)
    if match is Match.NO:
        return
    if statement.unknown:
        match = Match.UNKNOWN
    if statement.allows:
        effects.grants.append((named, match, unknown))
    elif match is Match.UNKNOWN:
        effects.unknown_denials += unknown
    elif effects.denial is None:
        effects.denial = statement.source


def _names_action(statement: PolicyStatement, action: str) -> bool:
    if statement.actions is not None:
        return any(matches(with_wildcards(each), action, ignore_case=True) for each in statement.actions)
    if statement.not_actions is not None:
        return not any(matches(with_wildcards(each), action, ignore_case=True) for each in statement.not_actions)
    return False


def _names_principal(statement: PolicyStatement, principal: Principal, *, bounded: bool) -> Naming:
    if statement.principals is not None:
        return naming(statement.principals, principal)
    if statement.not_principals is None:
        return Naming.NOT
    if bounded and not statement.allows:
        return Naming.ITSELF  # it denies every principal that has a boundary, whoever is named
    return Naming.NOT if naming(statement.not_principals, principal) is not Naming.NOT else Naming.ITSELF


def _names_resource(
    statement: PolicyStatement, arns: tuple[str, ...], keys: ConditionKeys
) -> tuple[Match, tuple[str, ...]]:
    """Compare the resource. A trust policy has none, and matches."""
    listed = statement.resources if statement.resources is not None else statement.not_resources
    if listed is None:
        return Match.YES, ()
    unknown: list[str] = []
    matching: set[str] = set()
    for each in listed:
        try:
            marked = pattern_of(each, keys, variables=statement.variables)
        except UnresolvedVariableError as error:
            if keys.is_unknown(error.key):
                unknown.append(f"condition key {error.key}")
            elif statement.resources is None:
                return Match.NO, ()  # nobody can say which resources the statement leaves out
            continue
        matching.update(arn for arn in arns if marked == ANY or matches_arn(marked, arn))
    if statement.resources is None:
        outside = set(arns) - matching
        return (Match.UNKNOWN if outside and unknown else Match.YES if outside else Match.NO), tuple(unknown)
    return (Match.YES, ()) if matching else (Match.UNKNOWN if unknown else Match.NO, tuple(unknown))
