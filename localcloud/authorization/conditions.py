"""Evaluate a statement's conditions against the keys of a request.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum

from localcloud.authorization.documents import PolicyCondition
from localcloud.authorization.operators import OPERATORS, ConditionOperator
from localcloud.authorization.patterns import IncompleteArnError, without_marks
from localcloud.authorization.variables import UnresolvedVariableError, pattern_of, text_of


class Match(IntEnum):
    """Whether something matches. The least of several is that of all, the greatest that of any."""

    NO = 0
    UNKNOWN = 1
    YES = 2


class ConditionKeys:
    """The condition keys of a request: those that have values, and those whose values the cloud can't know.

    The tags of the resource are read when a policy first asks for one.
    """

    def __init__(
        self,
        values: Mapping[str, tuple[str, ...]],
        unknown: frozenset[str] = frozenset(),
        tags: Callable[[], Mapping[str, str] | None] | None = None,
    ) -> None:
        self.values = values
        self._unknown = unknown
        self._prefixes = tuple(name for name in unknown if name.endswith(("/", ":")))
        self._read_tags = tags
        self._tags: Mapping[str, str] | None = None

    def get(self, key: str) -> tuple[str, ...]:
        """Return the values of a key, none for a key that the request doesn't have."""
        if key in self.values:
            return self.values[key]
        tags = self._tags_for(key)
        value = tags.get(key.partition("/")[2]) if tags else None
        return () if value is None else (value,)

    def is_unknown(self, key: str) -> bool:
        """Say whether AWS may have a value for a key, and the cloud has none."""
        if key in self.values or not (key in self._unknown or key.startswith(self._prefixes)):
            return False
        return self._tags_for(key) is None

    def _tags_for(self, key: str) -> Mapping[str, str] | None:
        """Return the resource's tags for a key that stands for one of them, or None when they are unknown."""
        if ":resourcetag/" not in key or not key.startswith(self._prefixes):
            return None
        if self._read_tags is not None:
            tags, self._read_tags = self._read_tags(), None
            self._tags = None if tags is None else {name.lower(): value for name, value in tags.items()}
        return self._tags


def all_match(
    conditions: Iterable[PolicyCondition], keys: ConditionKeys, *, variables: bool
) -> tuple[Match, tuple[str, ...]]:
    """Return whether all conditions match, and what in them is unknown."""
    result = Match.YES
    unknown: list[str] = []
    for condition in conditions:
        match, why = _matches(condition, keys, variables=variables)
        if match is Match.NO:
            return Match.NO, ()
        if match is Match.UNKNOWN:
            unknown.append(why)
            result = Match.UNKNOWN
    return result, tuple(unknown)


def _matches(condition: PolicyCondition, keys: ConditionKeys, *, variables: bool) -> tuple[Match, str]:
    is_null = condition.operator == "null"
    operator = OPERATORS.get(condition.operator)
    if (operator is None and not is_null) or condition.qualifier not in ("", "forallvalues", "foranyvalue"):
        return Match.UNKNOWN, f"condition operator {condition.name}"
    if keys.is_unknown(condition.key):
        return Match.UNKNOWN, f"condition key {condition.key}"
    values = keys.get(condition.key)
    if operator is None:
        return _decided(any(value.lower() == ("false" if values else "true") for value in condition.values)), ""
    if not values:
        return _decided(_matches_nothing(condition, operator)), ""
    try:
        return _decided(_compare(condition, operator, values, keys, variables=variables)), ""
    except _UndecidedError as error:
        return Match.UNKNOWN, str(error)


class _UndecidedError(Exception):
    """A condition can't be decided: of what a policy's value says, the cloud doesn't know the meaning or the value."""


def _decided(match: bool) -> Match:
    return Match.YES if match else Match.NO


def _matches_nothing(condition: PolicyCondition, operator: ConditionOperator) -> bool:
    """Say what a condition is for a request that has no such key."""
    if (
        condition.qualifier
    ):  # also with IfExists, as a test on AWS has shown: repost.aws/questions/QU9HFmDzP0QGuU-fd7rS6B7w
        return condition.qualifier == "forallvalues"
    return condition.if_exists or operator.negated


def _compare(
    condition: PolicyCondition,
    operator: ConditionOperator,
    values: tuple[str, ...],
    keys: ConditionKeys,
    *,
    variables: bool,
) -> bool:
    policy_values = list(_policy_values(condition, operator, keys, variables=variables))
    results = (_one_matches(operator, policy_values, value) for value in values)
    if condition.qualifier == "forallvalues":
        return all(results)
    if condition.qualifier == "foranyvalue":
        return any(results)
    return len(values) == 1 and next(results)  # several values need a set operator


def _one_matches(operator: ConditionOperator, policy_values: list[str | None], value: str) -> bool:
    """Compare one value of the request. One of the policy's must match it, or none where the operator is negated."""
    if operator.negated:
        return all(
            each is not None and _equals(operator, each, value, otherwise=True) is False for each in policy_values
        )
    return any(each is not None and _equals(operator, each, value, otherwise=False) for each in policy_values)


def _equals(operator: ConditionOperator, policy_value: str, value: str, *, otherwise: bool) -> bool:
    """Compare two values. What is not of the operator's type matches no operator, whether negated or not."""
    try:
        return operator.compare(policy_value, value)
    except ValueError:
        return otherwise
    except IncompleteArnError as error:
        raise _UndecidedError(f"the ARN {without_marks(policy_value)}, which lacks parts") from error


def _policy_values(
    condition: PolicyCondition, operator: ConditionOperator, keys: ConditionKeys, *, variables: bool
) -> Iterable[str | None]:
    """Yield the policy's values with their variables replaced. None stands for one that can't be."""
    read = pattern_of if operator.pattern else text_of
    for value in condition.values:
        try:
            yield read(value, keys, variables=variables and operator.variables)
        except UnresolvedVariableError as error:
            if keys.is_unknown(error.key):
                raise _UndecidedError(f"condition key {error.key}") from error
            yield None
