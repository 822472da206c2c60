r"""Regular expressions as expected values: `{"$regex": "v\\d+"}`. Standard library only, as `smoke_case`.

An expression has to match the whole text. Python's matcher can need longer than anybody waits, and a thread can't be
stopped. So only what is quick whatever the text is matched in this process: an expression without groups, whose work
grows with a power of the text's length that is known beforehand. The others are matched in a process that is ended
after five seconds.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from typing import Any

KEY = "$regex"
LONGEST = 1000
"""Characters of an expression."""
SECONDS = 5.0
"""For how long a text may be matched, with the start of a process."""
_QUICK = 1_000_000
_FLAGS_AND_ESCAPES = r"(?s)^\(\?[aimsx]+\)|\\."
_REPEATS = r"[*+?]|\{\d*,"
_MATCHER = """
import json, re, sys
expression, text = json.load(sys.stdin)
print(json.dumps(re.fullmatch(expression, text) is not None))
"""


class SlowPatternError(ValueError):
    """An expression did not come to an end in time."""


def is_pattern(value: Any) -> bool:
    """Whether an expected value is a regular expression."""
    return isinstance(value, dict) and KEY in value


def problems(value: Any) -> list[str]:
    """Say what is wrong with the expressions in an expected value, at any depth."""
    if is_pattern(value):
        return _problems(value)
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [line for part in parts for line in problems(part)]


def _problems(value: dict[str, Any]) -> list[str]:
    expression = value[KEY]
    if len(value) > 1:
        others = ", ".join(key for key in value if key != KEY)
        return [f"{KEY} stands alone in its object, but there is {others} too"]
    if not isinstance(expression, str):
        return [f"{KEY} is {expression!r}; allowed: a regular expression as text"]
    if len(expression) > LONGEST:
        return [f"{KEY} has {len(expression)} characters; allowed: {LONGEST}"]
    try:
        with warnings.catch_warnings(action="ignore"):  # what a later Python may read in another way
            re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        return [f"{KEY} {expression!r} is no regular expression: {error}"]
    return []


def mismatch(value: dict[str, Any], answer: Any) -> str:
    """Say why an answer's value isn't what an expression expects, without the value; empty when it is."""
    expression = value[KEY]
    if not isinstance(answer, str):
        return f"expected a text that matches {expression}"
    try:
        return "" if matches(expression, answer) else f"expected a text that matches {expression}"
    except SlowPatternError:
        return f"the regular expression {expression} did not end within {SECONDS:g} s; make it simpler"
    except re.error as error:  # an output or a captured value made it another one
        return f"{expression} is no regular expression: {error}"


def matches(expression: str, text: str) -> bool:
    """Whether an expression matches the whole text. Raises `SlowPatternError` when that isn't known in time."""
    re.compile(expression)
    flat = re.sub(_FLAGS_AND_ESCAPES, "_", expression)
    if not set("(|") & set(flat) and (len(text) + 1) ** len(re.findall(_REPEATS, flat)) <= _QUICK:
        return re.fullmatch(expression, text) is not None
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MATCHER],
            input=json.dumps([expression, text]),
            capture_output=True,
            check=True,
            encoding="ascii",
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise SlowPatternError(expression) from None
    return bool(json.loads(done.stdout))
