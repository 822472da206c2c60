"""Intrinsic functions: States.Format and its siblings.

https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import uuid
from collections.abc import Callable
from typing import Any

from localcloud.services.stepfunctions.asl.errors import StateError
from localcloud.services.stepfunctions.asl.paths import Scope

TOKEN = re.compile(
    r"\s*(?:(?P<function>States\.\w+)\s*\(|(?P<path>\$(?:[^\s,()'\[]|\[(?:[^\]']|'[^']*')*\])*)"
    r"|'(?P<text>(?:[^'\\]|\\.)*)'|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<word>true|false|null)"
    r"|(?P<sign>[,)]))"
)
WORDS = {"true": True, "false": False, "null": None}


def evaluate(text: str, scope: Scope) -> Any:
    """Evaluate one intrinsic function, arguments first. Anything wrong is States.IntrinsicFailure."""
    try:
        value, end = _value(text, 0, scope)
    except StateError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise StateError("States.IntrinsicFailure", f"{text} failed: {error}") from error
    if text[end:].strip():
        raise StateError("States.IntrinsicFailure", f"Invalid intrinsic function: {text}")
    return value


def _value(text: str, at: int, scope: Scope) -> tuple[Any, int]:
    match = TOKEN.match(text, at)
    if not match or match["sign"]:
        raise ValueError(f"unexpected {text[at:]!r}")
    if match["function"]:
        arguments, end = _arguments(text, match.end(), scope)
        function = FUNCTIONS.get(match["function"].removeprefix("States."))
        if function is None:
            raise ValueError(f"there is no {match['function']}")
        return function(*arguments), end
    if match["path"]:
        return scope.get(match["path"]), match.end()
    if match["text"] is not None:
        return re.sub(r"\\([\\'{}])", _unescape, match["text"]), match.end()
    if match["number"]:
        number = match["number"]
        return (float(number) if any(c in number for c in ".eE") else int(number)), match.end()
    return WORDS[match["word"]], match.end()


def _unescape(match: re.Match[str]) -> str:
    return match[0] if match[1] in "{}" else match[1]  # States.Format undoes the braces itself


def _arguments(text: str, at: int, scope: Scope) -> tuple[list[Any], int]:
    values: list[Any] = []
    while True:
        sign = TOKEN.match(text, at)
        if sign and sign["sign"] == ")":
            return values, sign.end()
        if sign and sign["sign"] == ",":
            at = sign.end()
        value, at = _value(text, at, scope)
        values.append(value)


def _format(template: str, *arguments: Any) -> str:
    left = list(arguments)

    def fill(match: re.Match[str]) -> str:
        if match[0] != "{}":
            return match[0][1]
        value = left.pop(0)
        return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))

    text = re.sub(r"\{\}|\\[{}]", fill, template)
    if left:
        raise ValueError("States.Format has more arguments than {}")
    return text


def _range(first: int, last: int, step: int) -> list[int]:
    values = range(first, last + (1 if step > 0 else -1), step)
    if len(values) > 1000:  # noqa: PLR2004 - the documented limit
        raise ValueError("States.ArrayRange makes at most 1000 items")
    return list(values)


def _unique(items: list[Any]) -> list[Any]:
    return [item for number, item in enumerate(items) if item not in items[:number]]


def _split(text: str, signs: str) -> list[str]:
    if not signs:
        raise ValueError("States.StringSplit needs something to split at")
    return [part for part in re.split(f"[{re.escape(signs)}]", text) if part]


def _random(first: int, last: int, seed: int | None = None) -> int:
    return random.Random(seed).randrange(first, last)  # noqa: S311 - no secret


def _merge(left: dict[str, Any], right: dict[str, Any], deep: bool = False) -> dict[str, Any]:
    if deep:
        raise ValueError("States.JsonMerge merges shallowly only")
    return {**left, **right}


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Array": lambda *items: list(items),
    "ArrayContains": lambda items, item: item in items,
    "ArrayGetItem": lambda items, number: items[number],
    "ArrayLength": len,
    "ArrayPartition": lambda items, size: [items[at : at + size] for at in range(0, len(items), size)],
    "ArrayRange": _range,
    "ArrayUnique": _unique,
    "Base64Decode": lambda text: base64.b64decode(text).decode(),
    "Base64Encode": lambda text: base64.b64encode(text.encode()).decode(),
    "Format": _format,
    "Hash": lambda data, name: hashlib.new(
        name.replace("-", "").lower(), (data if isinstance(data, str) else json.dumps(data)).encode()
    ).hexdigest(),
    "JsonMerge": _merge,
    "JsonToString": lambda value: json.dumps(value, separators=(",", ":")),
    "MathAdd": lambda left, right: left + right,
    "MathRandom": _random,
    "StringSplit": _split,
    "StringToJson": json.loads,
    "UUID": lambda: str(uuid.uuid4()),
}
