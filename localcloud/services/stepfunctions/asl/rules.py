"""What is wrong with a choice rule: its shape, and what it compares with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from localcloud.services.stepfunctions.asl.choice import OPERATORS, TESTS, is_number, time_of

_VALUES: dict[str, Callable[[Any], bool]] = {
    "String": lambda value: isinstance(value, str),
    "Numeric": is_number,
    "Boolean": lambda value: isinstance(value, bool),
    "Timestamp": lambda value: time_of(value) is not None,
}


def rule_problems(rule: Any, at: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a rule, and where below it (a JSON pointer)."""
    if not isinstance(rule, dict):
        yield "A choice rule must be an object", at
        return
    joined = [key for key in ("And", "Or", "Not") if key in rule]
    for key in joined:
        parts = [rule[key]] if key == "Not" else rule[key]
        if not isinstance(parts, list) or not parts:
            yield f"{key} needs a list of rules", f"{at}/{key}"
            continue
        for number, part in enumerate(parts):
            yield from rule_problems(part, f"{at}/{key}" if key == "Not" else f"{at}/{key}/{number}")
    if joined:
        return
    names = [key for key in rule if key in OPERATORS]
    variable = rule.get("Variable")
    if len(names) != 1 or not isinstance(variable, str) or not variable.startswith("$"):
        yield "A choice rule needs a Variable and one comparison", at
    elif not _fits(names[0], rule[names[0]]):
        yield f"{names[0]} compares with another kind of value", f"{at}/{names[0]}"


def _fits(name: str, value: Any) -> bool:
    if name in TESTS:
        return isinstance(value, bool)
    if name.endswith("Path"):
        return isinstance(value, str) and value.startswith("$")
    return next(fits for kind, fits in _VALUES.items() if name.startswith(kind))(value)
