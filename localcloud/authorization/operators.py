"""Compare one value of a request with one value of a condition, by each of IAM's condition operators.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from localcloud.authorization.patterns import matches, matches_whole_arn

Compare = Callable[[str, str], bool]
"""Takes the policy's value, then the request's. Raises `ValueError` for one that is not of the operator's type."""


@dataclass(frozen=True)
class ConditionOperator:
    """How an operator compares. A negated one is true when no value of the policy matches.

    `pattern` says that the policy's value may hold wildcards, `variables` that it may hold policy variables.
    """

    compare: Compare
    negated: bool = False
    pattern: bool = False
    variables: bool = True


def _number(text: str) -> Any:
    from decimal import Decimal, InvalidOperation

    try:
        number = Decimal(text.strip())
    except InvalidOperation as error:
        raise ValueError(text) from error
    if number.is_nan():  # which can't be compared
        raise ValueError(text)
    return number


_EPOCH = re.compile(r"[+-]?\d+(\.\d+)?")
_LONGER_THAN_A_YEAR = 4


@lru_cache(maxsize=1024)
def _instant(text: str) -> Any:
    """Return seconds since 1970 of an epoch time or an ISO 8601 date of W3C's profile, which may lack its end."""
    from datetime import UTC, datetime

    text = text.strip()
    if _EPOCH.fullmatch(text) and len(text) != _LONGER_THAN_A_YEAR:
        return float(text)
    for form in ("%Y", "%Y-%m"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@lru_cache(maxsize=1024)
def _network(text: str) -> Any:
    from ipaddress import ip_network

    return ip_network(text, strict=False)


def _in_network(policy: str, request: str) -> bool:
    from ipaddress import ip_address

    network, address = _network(policy), ip_address(request)
    return bool(address.version == network.version and address in network)


def _boolean(text: str) -> bool:
    if (lower := text.lower()) not in ("true", "false"):
        raise ValueError(text)
    return lower == "true"


def _binary(text: str) -> bytes:
    from base64 import b64decode

    return b64decode(text, validate=True)


def _both(read: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Compare:
    return lambda policy, request: compare(read(policy), read(request))


_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": lambda policy, request: request == policy,
    "lessthan": lambda policy, request: request < policy,
    "lessthanequals": lambda policy, request: request <= policy,
    "greaterthan": lambda policy, request: request > policy,
    "greaterthanequals": lambda policy, request: request >= policy,
}

_ARN = ConditionOperator(matches_whole_arn, pattern=True)
_NOT_ARN = ConditionOperator(matches_whole_arn, negated=True, pattern=True)


def _equal(policy: str, request: str) -> bool:
    return policy == request


def _equal_but_for_case(policy: str, request: str) -> bool:
    return policy.lower() == request.lower()


OPERATORS: dict[str, ConditionOperator] = {
    "stringequals": ConditionOperator(_equal),
    "stringnotequals": ConditionOperator(_equal, negated=True),
    "stringequalsignorecase": ConditionOperator(_equal_but_for_case),
    "stringnotequalsignorecase": ConditionOperator(_equal_but_for_case, negated=True),
    "stringlike": ConditionOperator(matches, pattern=True),
    "stringnotlike": ConditionOperator(matches, negated=True, pattern=True),
    "numericnotequals": ConditionOperator(_both(_number, _ORDERS["equals"]), negated=True, variables=False),
    "datenotequals": ConditionOperator(_both(_instant, _ORDERS["equals"]), negated=True, variables=False),
    "bool": ConditionOperator(_both(_boolean, _ORDERS["equals"])),
    "binaryequals": ConditionOperator(_both(_binary, _ORDERS["equals"]), variables=False),
    "ipaddress": ConditionOperator(_in_network, variables=False),
    "notipaddress": ConditionOperator(_in_network, negated=True, variables=False),
    "arnequals": _ARN,
    "arnlike": _ARN,
    "arnnotequals": _NOT_ARN,
    "arnnotlike": _NOT_ARN,
    **{f"numeric{name}": ConditionOperator(_both(_number, order), variables=False) for name, order in _ORDERS.items()},
    **{f"date{name}": ConditionOperator(_both(_instant, order), variables=False) for name, order in _ORDERS.items()},
}
"""By name in lower case. `Null` is not among them: it compares no value."""
