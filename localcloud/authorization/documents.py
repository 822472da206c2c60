"""Policy documents, read once and kept.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

WITH_VARIABLES = "2012-10-17"
"""The version of the language that has policy variables: in 2008-10-17, and without one, `${` is a text."""


@dataclass(frozen=True)
class PolicyCondition:
    """One key of one operator. `qualifier` is ForAllValues, ForAnyValue or empty."""

    name: str
    operator: str
    qualifier: str
    if_exists: bool
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class PolicyStatement:
    """One statement. Of `actions` and `not_actions`, one is None; the same goes for resources and principals.

    A statement of a resource policy has principals, others have neither. Values are as they are written.
    """

    sid: str
    allows: bool
    actions: tuple[str, ...] | None = None
    not_actions: tuple[str, ...] | None = None
    resources: tuple[str, ...] | None = None
    not_resources: tuple[str, ...] | None = None
    principals: Mapping[str, tuple[str, ...]] | None = None
    not_principals: Mapping[str, tuple[str, ...]] | None = None
    conditions: tuple[PolicyCondition, ...] = ()
    variables: bool = True
    unknown: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class PolicyDocument:
    """A policy's statements."""

    statements: tuple[PolicyStatement, ...] = ()


def parse_policy(policy: str | Mapping[str, Any]) -> PolicyDocument:
    """Read a policy, as JSON or as what JSON says. Raises `ValueError` for what is no policy."""
    return _parse_text(policy if isinstance(policy, str) else json.dumps(policy))


@lru_cache(maxsize=1024)
def _parse_text(text: str) -> PolicyDocument:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:  # the second of one that is nested thousands deep
        raise ValueError(f"no policy: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("no policy: it is no object")  # noqa: TRY004 - as for what is no JSON
    variables = document.get("Version") == WITH_VARIABLES
    statements = document.get("Statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    return PolicyDocument(tuple(_statement(each, variables) for each in listed if isinstance(each, dict)))


KNOWN = frozenset(
    "Sid Effect Action NotAction Resource NotResource Principal NotPrincipal Condition".split()  # noqa: SIM905
)


def _statement(statement: dict[str, Any], variables: bool) -> PolicyStatement:
    unknown = [f"element {name}" for name in statement if name not in KNOWN]
    effect = statement.get("Effect")
    if effect not in ("Allow", "Deny"):
        unknown.append(f"effect {effect}")
    conditions = tuple(_conditions(statement.get("Condition") or {}, unknown))
    return PolicyStatement(
        sid=str(statement.get("Sid", "")),
        allows=effect != "Deny",
        actions=_texts(statement, "Action"),
        not_actions=_texts(statement, "NotAction"),
        resources=_texts(statement, "Resource"),
        not_resources=_texts(statement, "NotResource"),
        principals=_principals(statement.get("Principal")),
        not_principals=_principals(statement.get("NotPrincipal")),
        conditions=conditions,
        variables=variables,
        unknown=tuple(unknown),
        source=statement,
    )


def _texts(statement: Mapping[str, Any], name: str) -> tuple[str, ...] | None:
    return _values(statement[name]) if name in statement else None


def _values(value: Any) -> tuple[str, ...]:
    return tuple(_text(each) for each in (value if isinstance(value, list) else [value]))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _principals(value: Any) -> Mapping[str, tuple[str, ...]] | None:
    if value is None:
        return None
    if isinstance(value, dict):
        return {kind: _values(names) for kind, names in value.items()}
    return {"AWS": _values(value)}


def _conditions(block: Any, unknown: list[str]) -> Iterable[PolicyCondition]:
    """Yield a statement's conditions. What is no block of conditions is added to what is unknown."""
    if not isinstance(block, dict):
        unknown.append("element Condition")
        return
    for name, keys in block.items():
        if not isinstance(keys, dict):
            unknown.append(f"condition {name}")
            continue
        qualifier, colon, rest = name.partition(":")
        operator = rest if colon else name
        if_exists = operator.lower().endswith("ifexists")
        operator = operator[: -len("IfExists")] if if_exists else operator
        for key, values in keys.items():
            yield PolicyCondition(
                name=name,
                operator=operator.lower(),
                qualifier=qualifier.lower() if colon else "",
                if_exists=if_exists,
                key=key.lower(),
                values=_values(values),
            )
