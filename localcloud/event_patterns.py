"""Event patterns: EventBridge's rules, the filters of event source mappings and SNS's filter policies match by them.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html, and for arrays of objects
https://github.com/aws/event-ruler#json-array-matching: fields of one pattern object must match within one element.
Operators compare leaves only: texts, numbers, booleans and null.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

_ABSENT = object()
_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    "=": lambda value, limit: value == limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
_TEXTS = ("prefix", "suffix", "equals-ignore-case", "wildcard")
_LIMIT = 1e9  # of numbers in a pattern, by either sign
_RANGE = 4  # at most two comparisons: ["<", 5, ">=", 1]


class PatternError(ValueError):
    """A pattern that AWS refuses. The text says why."""


def parse(text: str) -> dict[str, Any]:
    """Read a pattern. Raises `PatternError`."""
    try:
        pattern = json.loads(text)
    except (ValueError, RecursionError):
        raise PatternError("it is no JSON") from None
    check(pattern)
    return dict(pattern)


def check(pattern: Any) -> None:
    """Raise `PatternError` for what is no pattern."""
    if not isinstance(pattern, Mapping):
        raise PatternError("a pattern is an object")
    for name, value in pattern.items():
        if name == "$or" and isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
            if len(value) < 2:  # noqa: PLR2004 - one alternative is none
                raise PatternError("$or needs two patterns or more")
            for each in value:
                check(each)
        elif isinstance(value, Mapping):
            check(value)
        elif not isinstance(value, list):
            raise PatternError(f"{name} must be an object or an array")
        elif not value:
            raise PatternError(f"{name} is empty; an empty array is not allowed")
        else:
            for each in value:
                _check_match(name, each)


def _check_match(name: str, match: Any) -> None:
    if isinstance(match, list):
        raise PatternError(f"{name} holds an array within an array")
    if not isinstance(match, Mapping):
        return
    if len(match) != 1:
        raise PatternError(f"{name}: an operator stands alone in its object")
    ((operator, value),) = match.items()
    if operator == "anything-but" and isinstance(value, Mapping):
        ((inner, _),) = value.items() if len(value) == 1 else (("", None),)
        if inner not in _TEXTS:
            raise PatternError(f"{name}: anything-but takes values, or one of {', '.join(_TEXTS)}")
        texts = value[inner] if isinstance(value[inner], list) else [value[inner]]
        if inner in ("prefix", "suffix") and not all(texts):
            raise PatternError(f"{name}: null {inner} not allowed")
        _check_operator(name, inner, texts, many=True)
    else:
        _check_operator(name, operator, value)


def _check_operator(name: str, operator: str, value: Any, *, many: bool = False) -> None:
    if operator == "exists":
        good = isinstance(value, bool)
    elif operator in _TEXTS:
        if operator in ("prefix", "suffix") and isinstance(value, Mapping) and set(value) == {"equals-ignore-case"}:
            value = value["equals-ignore-case"]
        texts = value if many else [value]
        good = bool(texts) and all(isinstance(each, str) for each in texts)
        good = good and not (operator == "wildcard" and any("**" in each for each in texts))
    elif operator == "numeric":
        good = _is_range(value)
    elif operator == "anything-but":
        values = value if isinstance(value, list) else [value]
        good = bool(values) and all(isinstance(each, str | int | float) for each in values)
    elif operator == "cidr":
        good = isinstance(value, str) and _network(value) is not None
    else:
        raise PatternError(f"{name}: unrecognized match type {operator}")
    if not good:
        raise PatternError(f"{name}: {operator} can't compare with {json.dumps(value)}")


def _is_range(value: Any) -> bool:
    """Say whether it is one comparison, or a lower and then an upper limit."""
    if not isinstance(value, list) or len(value) not in (2, _RANGE):
        return False
    if not all(isinstance(each, str) and each in _NUMBERS for each in value[::2]):
        return False
    if not all(_is_number(each) and abs(each) <= _LIMIT for each in value[1::2]):
        return False
    return len(value) == 2 or (value[0][0] == ">" and value[2][0] == "<" and value[1] < value[3])  # noqa: PLR2004


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Say whether an event (parsed JSON) has everything that a pattern asks for.

    A name with dots is the path that it spells, in patterns and in events.
    """
    return _matches(_nested(pattern), _nested(event))


def _nested(value: Any) -> Any:
    """Return a value in which no name of an object has a dot. Operators are left as they are: theirs have none."""
    if isinstance(value, list):
        return [_nested(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    result: dict[str, Any] = {}
    for name, content in value.items():
        *parents, last = str(name).split(".")
        within = result
        for parent in parents:
            inner = within.setdefault(parent, {})
            within = inner if isinstance(inner, dict) else within
        known, added = within.get(last), _nested(content)
        within[last] = {**known, **added} if isinstance(known, dict) and isinstance(added, dict) else added
    return result


def _matches(pattern: Mapping[str, Any], event: Any) -> bool:
    if isinstance(event, list):
        return any(_matches(pattern, element) for element in event)
    fields = event if isinstance(event, Mapping) else {}
    for name, wanted in pattern.items():
        if name == "$or" and isinstance(wanted, list):
            if not any(_matches(each, event) for each in wanted):
                return False
            continue
        value = fields.get(name, _ABSENT)
        if isinstance(wanted, Mapping):
            if not _matches(wanted, value):
                return False
        elif not _leaf_matches(wanted, list(_leaves(value))):
            return False
    return True


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the values that operators compare: of an array all of them, of an object none."""
    if isinstance(value, list):
        for each in value:
            yield from _leaves(each)
    elif value is not _ABSENT and not isinstance(value, Mapping):
        yield value


def _leaf_matches(wanted: list[Any], values: list[Any]) -> bool:
    for match in wanted:
        if isinstance(match, Mapping):
            ((operator, operand),) = match.items()
            if operator == "exists":
                if operand == bool(values):
                    return True
            elif any(_compare(operator, operand, value) for value in values):
                return True
        elif any(_equal(match, value) for value in values):
            return True
    return False


def _compare(operator: str, operand: Any, value: Any) -> bool:
    if operator == "anything-but":
        if isinstance(operand, Mapping):
            ((inner, inner_operand),) = operand.items()
            return not _compare(inner, inner_operand, value)
        return not any(_equal(each, value) for each in (operand if isinstance(operand, list) else [operand]))
    if operator == "numeric":
        comparisons = zip(operand[::2], operand[1::2], strict=True)
        return _is_number(value) and all(_NUMBERS[sign](value, limit) for sign, limit in comparisons)
    return isinstance(value, str) and _compare_text(operator, operand, value)


def _compare_text(operator: str, operand: Any, value: str) -> bool:
    if isinstance(operand, list):
        return any(_compare_text(operator, each, value) for each in operand)
    if isinstance(operand, Mapping):
        return _compare_text(operator, operand["equals-ignore-case"].lower(), value.lower())
    return _COMPARISONS[operator](value, operand)


def _is_within(value: str, operand: str) -> bool:
    network = _network(operand)
    try:
        return network is not None and ipaddress.ip_address(value) in network
    except ValueError:
        return False


@cache
def _wildcard(text: str) -> re.Pattern[str]:
    r"""Return what matches a text in which * stands for anything, and \* and \\ for themselves.

    The first place that fits what stands between two stars is the best, so that none is left again: with every other
    one tried, a few stars would take years.
    """
    parts = re.findall(r"\\[*\\]|\*|[^*]", text, re.DOTALL)
    between = [""]
    for part in parts:
        if part == "*":
            between.append("")
        else:
            between[-1] += re.escape(part[-1])
    first, *inner = between
    last = f".*{inner.pop()}" if inner else ""
    return re.compile("".join([first, *(f"(?>.*?{each})" for each in inner), last]), re.DOTALL)


@cache
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "prefix": lambda value, operand: value.startswith(operand),
    "suffix": lambda value, operand: value.endswith(operand),
    "equals-ignore-case": lambda value, operand: value.lower() == operand.lower(),
    "wildcard": lambda value, operand: _wildcard(operand).fullmatch(value) is not None,
    "cidr": _is_within,
}


def _equal(wanted: Any, value: Any) -> bool:
    """Compare as JSON does: true is no 1."""
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    return bool(wanted == value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
