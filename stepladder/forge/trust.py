"""What a role's trust policy expects of a job's identity token, and how a token compares with it, claim by claim.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stepladder.forge import claim_reasons

ACTION = "sts:assumerolewithwebidentity"
_PROVIDER = ":oidc-provider/"
_COMPARED = ("stringequals", "stringlike", "stringequalsignorecase")


@dataclass(frozen=True)
class ClaimCondition:
    """One condition on a claim. `operator` is in lower case, and none of ours where it can't be compared here."""

    claim: str
    operator: str
    values: tuple[str, ...]

    def holds(self, actual: tuple[str, ...]) -> bool | None:
        """Say whether a token's values fit, None where that can't be said here."""
        operator = self.operator.removeprefix("foranyvalue:").removesuffix("ifexists")
        if operator not in _COMPARED:
            return None
        if not actual:
            return self.operator.endswith("ifexists")
        return any(_fits(operator, expected, value) for expected in self.values for value in actual)


@dataclass(frozen=True)
class TrustStatement:
    """Tokens of one issuer (an address without a scheme, as IAM names it) that meet all conditions."""

    issuer: str
    conditions: tuple[ClaimCondition, ...]


@dataclass(frozen=True)
class ComparedClaim:
    """A claim: what is expected, what the token says, whether that is equal (None: it can't be said), and why not."""

    claim: str
    expected: tuple[str, ...]
    actual: str
    equal: bool | None
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """A token beside the statement of a policy that it comes nearest to. Without a token nothing is compared."""

    claims: tuple[ComparedClaim, ...] = field(default=())

    @property
    def equal(self) -> bool:
        """Whether the policy lets the token in, as far as it can be compared."""
        return bool(self.claims) and all(each.equal is not False for each in self.claims)


def of_jobs(issuer: str, audience: str, subjects: Sequence[str]) -> tuple[TrustStatement, ...]:
    """Return the statements for a forge's jobs with these subjects; one that ends in `*` is a pattern."""
    patterns = tuple(subject for subject in subjects if subject.endswith("*"))
    whole = tuple(subject for subject in subjects if not subject.endswith("*"))
    aud = ClaimCondition("aud", "stringequals", (audience,))
    kinds = (("stringequals", whole), ("stringlike", patterns))
    return tuple(
        TrustStatement(issuer.removeprefix("https://"), (aud, ClaimCondition("sub", operator, values)))
        for operator, values in kinds
        if values
    )


def of_policy(document: Mapping[str, Any]) -> tuple[TrustStatement, ...]:
    """Return the statements of a trust policy that let web identity tokens in."""
    return tuple(_statements(document))


def _statements(document: Mapping[str, Any]) -> Iterator[TrustStatement]:
    for statement in _listed(document.get("Statement")):
        actions = {str(action).lower() for action in _listed(statement.get("Action"))}
        principal = statement.get("Principal")
        if (
            statement.get("Effect") != "Allow"
            or not actions & {ACTION, "sts:*", "*"}
            or not isinstance(principal, dict)
        ):
            continue
        for provider in _listed(principal.get("Federated")):
            issuer = str(provider).partition(_PROVIDER)[2] or str(provider)
            yield TrustStatement(issuer, tuple(_conditions(statement.get("Condition") or {}, issuer)))


def _conditions(blocks: Mapping[str, Any], issuer: str) -> Iterator[ClaimCondition]:
    """Yield the conditions. One on another key than a claim of the issuer's keeps its name, and can't be compared."""
    for operator, keys in blocks.items():
        for key, values in keys.items():
            own = key.lower().startswith(f"{issuer.lower()}:")
            claim = key[len(issuer) + 1 :] if own else key
            expected = tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in _listed(values))
            yield ClaimCondition(claim, operator.lower() if own else "unknown", expected)


def compare(statements: Sequence[TrustStatement], claims: Mapping[str, Any]) -> Comparison:
    """Compare a token with the statement that it comes nearest to: of its own issuer, with the fewest differences."""
    compared = [_compared(statement, claims) for statement in statements]
    return min(compared, key=_distance, default=Comparison())


def expected(statements: Sequence[TrustStatement]) -> Comparison:
    """Return what statements expect, with no token beside it."""
    rows: dict[str, tuple[str, ...]] = {}
    for statement in statements:
        pairs = [("iss", (f"https://{statement.issuer}",)), *((c.claim, c.values) for c in statement.conditions)]
        for claim, values in pairs:
            rows[claim] = tuple(dict.fromkeys((*rows.get(claim, ()), *values)))
    return Comparison(tuple(ComparedClaim(claim, values, "", None) for claim, values in rows.items()))


def facts(statements: Sequence[TrustStatement]) -> frozenset[object]:
    """Return what statements say, whatever the order in which they say it."""
    return frozenset(
        (statement.issuer, frozenset((c.claim, c.operator, frozenset(c.values)) for c in statement.conditions))
        for statement in statements
    )


def _distance(comparison: Comparison) -> tuple[int, int]:
    wrong = [each.claim for each in comparison.claims if each.equal is False]
    return ("iss" in wrong, len(wrong))


def _compared(statement: TrustStatement, claims: Mapping[str, Any]) -> Comparison:
    conditions = (ClaimCondition("iss", "stringequals", (f"https://{statement.issuer}",)), *statement.conditions)
    return Comparison(tuple(_claim(condition, claims) for condition in conditions))


def _claim(condition: ClaimCondition, claims: Mapping[str, Any]) -> ComparedClaim:
    actual = values_of(claims, condition.claim)
    holds = condition.holds(actual)
    why = ""
    if holds is None:
        why = f"can't be compared here: {condition.operator} {condition.claim}"
    elif not holds:
        why = claim_reasons.why(condition.claim, condition.values, actual, claims)
    return ComparedClaim(condition.claim, condition.values, ", ".join(actual), holds, why)


def values_of(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a claim's values as texts; for the audience, the authorised party where a token names one."""
    value = claims.get("azp") if name == "aud" and claims.get("azp") else claims.get(name)
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in _listed(value))


def _fits(operator: str, expected: str, value: str) -> bool:
    if operator == "stringequals":
        return expected == value
    if operator == "stringequalsignorecase":
        return expected.lower() == value.lower()
    pattern = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in expected)
    return bool(re.fullmatch(pattern, value, re.DOTALL))


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
