"""Choice rules: https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from localcloud.services.stepfunctions.asl.errors import runtime_error
from localcloud.services.stepfunctions.asl.paths import MISSING, Scope

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}
TESTS: dict[str, Callable[[Any], bool]] = {
    "IsNull": lambda v: v is None,
    "IsPresent": lambda v: v is not MISSING,
    "IsNumeric": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "IsString": lambda v: isinstance(v, str),
    "IsBoolean": lambda v: isinstance(v, bool),
    "IsTimestamp": lambda v: time_of(v) is not None,
}
KINDS = ("String", "Numeric", "Boolean", "Timestamp")
OPERATORS = {f"{kind}{order}{path}" for kind in KINDS for order in ORDER for path in ("", "Path")} | {
    "StringMatches",
    *TESTS,
}


def is_met(rule: Mapping[str, Any], scope: Scope) -> bool:
    """Say whether a choice rule holds."""
    if "And" in rule:
        return all(is_met(part, scope) for part in rule["And"])
    if "Or" in rule:
        return any(is_met(part, scope) for part in rule["Or"])
    if "Not" in rule:
        return not is_met(rule["Not"], scope)
    name = next((key for key in rule if key in OPERATORS), "")
    if not name:
        raise runtime_error(f"a choice rule has no comparison: {dict(rule)}")
    variable = scope.find(rule["Variable"])
    if name in TESTS:
        if variable is MISSING and name != "IsPresent":
            raise _unknown(rule, scope)
        return TESTS[name](variable) is rule[name]
    if variable is MISSING:
        raise _unknown(rule, scope)
    expected = scope.get(rule[name]) if name.endswith("Path") else rule[name]
    name = name.removesuffix("Path")
    if name == "StringMatches":
        return isinstance(variable, str) and _matches(expected, variable)
    kind = next(k for k in KINDS if name.startswith(k))
    left, right = _as(kind, variable), _as(kind, expected)
    return left is not None and right is not None and ORDER[name.removeprefix(kind)](left, right)


def _unknown(rule: Mapping[str, Any], scope: Scope) -> Exception:
    return runtime_error(
        f"Invalid path '{rule['Variable']}': The choice state's condition path references an invalid value "
        f"in {str(scope.data)[:500]}"
    )


def _as(kind: str, value: Any) -> Any:
    """Return a value of the kind, None when it is of another."""
    if kind == "Numeric":
        return value if is_number(value) else None
    if kind == "Timestamp":
        return time_of(value)
    return value if isinstance(value, str if kind == "String" else bool) else None


def is_number(value: Any) -> bool:
    """Say whether a value is a number of JSON."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def time_of(value: Any) -> datetime | None:
    """Return the moment that a text names, None for anything else."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo else None


def _matches(pattern: str, value: str) -> bool:
    r"""Say whether a value fits a pattern in which `*` matches anything and `\*` itself; in one go over the value."""
    parts = [""]
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        if part == "*":
            parts.append("")
        else:
            parts[-1] += part[-1]
    if len(parts) == 1:
        return value == parts[0]
    first, *middle, last = parts
    if not value.startswith(first) or not value[len(first) :].endswith(last):
        return False
    at, end = len(first), len(value) - len(last)
    for part in middle:
        begin = value.find(part, at, end)
        if begin < 0:
            return False
        at = begin + len(part)
    return True
