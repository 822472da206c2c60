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
    "IsTimestamp": lambda v: _time(v) is not None,
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
        return isinstance(variable, str) and bool(_pattern(expected).fullmatch(variable))
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
        return value if _is_number(value) else None
    if kind == "Timestamp":
        return _time(value)
    return value if isinstance(value, str if kind == "String" else bool) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo else None


def _pattern(text: str) -> re.Pattern[str]:
    r"""Read a pattern in which `*` matches anything and `\*` itself."""
    parts = re.findall(r"\\.|.", text, re.DOTALL)
    return re.compile("".join(".*" if part == "*" else re.escape(part[-1]) for part in parts), re.DOTALL)
