"""What a rule's target gets of an event: all of it, a part, a constant, or a template with parts filled in.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html. How quotes, lists and missing
values are written was recorded on AWS by LocalStack's tests (tests/aws/services/events/test_events_inputs.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from localcloud.cloud import ServiceError
from localcloud.deliveries import compact

_STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]|\[['\"]([^'\"]+)['\"]\]")
_TOKEN = re.compile(r'\\.|"|<([\w.-]+)>', re.DOTALL)
_RESERVED = "aws.events."
_MISSING = object()


def text(target: Mapping[str, Any], event: Mapping[str, Any], rule: Mapping[str, str]) -> str:
    """Return what a target gets. `rule` has the values of `<aws.events.rule-...>`."""
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        part = at(event, str(target["InputPath"]))
        return compact(None if part is _MISSING else part)
    transformer = target.get("InputTransformer")
    if transformer:
        return _filled(transformer, event, rule)
    return compact(event)


def check(target: Mapping[str, Any]) -> None:
    """Refuse what PutTargets refuses."""
    name = target.get("Id")
    if sum(bool(target.get(kind)) for kind in ("Input", "InputPath", "InputTransformer")) > 1:
        raise _invalid(f"Only one of Input, InputPath, or InputTransformer must be provided for target {name}.")
    transformer = target.get("InputTransformer") or {}
    known = set(transformer.get("InputPathsMap") or {})
    for token in _TOKEN.finditer(str(transformer.get("InputTemplate") or "")):
        if token[1] and token[1] not in known and not token[1].startswith(_RESERVED):
            raise _invalid(f"InputTemplate for target {name} contains invalid placeholder {token[1]}.")
    if target.get("Input") and str(target.get("Arn", "")).split(":")[2:3] == ["lambda"]:
        try:
            json.loads(target["Input"])
        except ValueError:
            raise _invalid(f"JSON syntax error in input for target {name}") from None


def at(value: Any, path: str) -> Any:
    """Return what a path like `$.detail.items[0]` leads to."""
    rest = path.strip().removeprefix("$")
    while rest:
        step = _STEP.match(rest)
        if step is None:
            return _MISSING
        name = step[1] or step[3]
        if name is not None and isinstance(value, Mapping):
            value = value.get(name, _MISSING)
        elif name is None and isinstance(value, list) and int(step[2]) < len(value):
            value = value[int(step[2])]
        else:
            return _MISSING
        rest = rest[step.end() :]
    return value


def _filled(transformer: Mapping[str, Any], event: Mapping[str, Any], rule: Mapping[str, str]) -> str:
    values = {name: at(event, str(path)) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    values |= {f"{_RESERVED}{name}": value for name, value in rule.items()}
    values[f"{_RESERVED}event.json"] = event
    values[f"{_RESERVED}event"] = {name: value for name, value in event.items() if name != "detail"}
    quoted = False

    def replaced(token: re.Match[str]) -> str:
        nonlocal quoted
        if token[0] == '"':
            quoted = not quoted
        if not token[1]:
            return token[0]
        value = values.get(token[1], _MISSING)
        return _within_text(value) if quoted else compact("" if value is _MISSING else value)

    return _TOKEN.sub(replaced, str(transformer["InputTemplate"]))


def _within_text(value: Any) -> str:
    """Write a value within quotes: a text as it is, anything else as JSON without its own quotes."""
    if value is _MISSING:
        return ""
    return compact(value)[1:-1] if isinstance(value, str) else compact(value).replace('"', "")


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message, 400)
