"""Compare an answer with what a smoke case expects. Standard library only, as `smoke_case`."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from stepladder.releases import smoke_path, smoke_pattern

_SHOWN = 80


class Expectation(Protocol):
    """What a case, or one step of it, expects of an answer."""

    @property
    def expect(self) -> Mapping[str, Any]:
        """What the answer must be."""
        ...

    @property
    def max_latency_ms(self) -> float | None:
        """How long it may take."""
        ...


def compare(case: Expectation, result: Any, error: str | None, seconds: float) -> list[str]:
    """Say in a line each what an answer has that the case doesn't expect."""
    expected = case.expect.get("error")
    if error != expected:
        message = result.get("errorMessage", "") if isinstance(result, dict) else ""
        got = f"{error}: {message}" if error and message else error or "none"
        return [f"error: expected {expected or 'none'}, got {got}"]
    mismatches = []
    if case.expect.get("status") is not None:
        status = result.get("statusCode") if isinstance(result, dict) else None
        if status != case.expect["status"]:
            mismatches.append(f"status: expected {case.expect['status']}, got {show(status)}{_body(result)}")
    mismatches += _headers(case.expect.get("headers", {}), result)
    if "result" in case.expect:
        mismatches += _subset("result", case.expect["result"], result)
    document = with_json_body(result)
    for path, wanted in case.expect.get("jsonpath", {}).items():
        value = smoke_path.lookup(document, path)
        if value is smoke_path.MISSING:
            mismatches.append(f"{path}: expected {_wanted(wanted)}, but there is nothing{_body(result)}")
        else:
            mismatches += _same(path, wanted, value)
    if case.max_latency_ms is not None and seconds * 1000 > case.max_latency_ms:
        mismatches.append(f"latency: expected at most {case.max_latency_ms:g} ms, took {seconds * 1000:.0f} ms")
    return mismatches


def _headers(expected: Mapping[str, Any], result: Any) -> list[str]:
    """Compare header fields: names in any case, values as text; null for one that must be absent."""
    fields = header_fields(result) if expected else {}
    mismatches = []
    for name, wanted in expected.items():
        values = fields.get(name.lower(), [])
        if wanted is None:
            mismatches += [f"header {name}: expected none, got {show(', '.join(values))}"] if values else []
        elif not values:
            mismatches.append(f"header {name}: expected {_wanted(wanted)}, but the answer has none")
        else:
            field = wanted if smoke_pattern.is_pattern(wanted) else _text(wanted)  # a captured value may be a number
            lines = [_same(f"header {name}", field, value) for value in (", ".join(values), *values)]
            mismatches += [] if [] in lines else lines[0]
    return mismatches


def header_fields(result: Any) -> dict[str, list[str]]:
    """Return the header fields of an answer by their name in lower case, cookies as `set-cookie`."""
    fields: dict[str, list[str]] = {}
    if not isinstance(result, dict):
        return fields
    for part in ("headers", "multiValueHeaders"):
        given = result.get(part)
        for name, value in given.items() if isinstance(given, dict) else ():
            texts = [_text(each) for each in (value if isinstance(value, list) else [value])]
            known = fields.setdefault(str(name).lower(), [])
            known += [each for each in texts if each not in known]
    cookies = result.get("cookies")
    if isinstance(cookies, list):
        fields.setdefault("set-cookie", []).extend(_text(each) for each in cookies)
    return fields


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _subset(path: str, wanted: Any, value: Any) -> list[str]:
    if smoke_pattern.is_pattern(wanted):
        return _same(path, wanted, value)
    if isinstance(wanted, dict) and isinstance(value, dict):
        mismatches = []
        for key, part in wanted.items():
            if key not in value:
                mismatches.append(f"{path}.{key}: expected {_wanted(part)}, but there is nothing")
            else:
                mismatches += _subset(f"{path}.{key}", part, value[key])
        return mismatches
    if isinstance(wanted, list) and isinstance(value, list) and len(wanted) == len(value):
        return [
            line
            for index, (a, b) in enumerate(zip(wanted, value, strict=True))
            for line in _subset(f"{path}[{index}]", a, b)
        ]
    return _same(path, wanted, value)


def _same(path: str, wanted: Any, value: Any) -> list[str]:
    """Return no line when a value is the one wanted, else a line for the whole value."""
    if smoke_pattern.is_pattern(wanted):
        why = smoke_pattern.mismatch(wanted, value)
        return [f"{path}: {why}, got {show(value)}"] if why else []
    return [] if _equal(wanted, value) else [f"{path}: expected {_wanted(wanted)}, got {show(value)}"]


def _equal(wanted: Any, value: Any) -> bool:
    """Compare as JSON does: true isn't 1 there, 1 is 1.0."""
    if smoke_pattern.is_pattern(wanted):
        return not smoke_pattern.mismatch(wanted, value)
    if isinstance(wanted, dict) and isinstance(value, dict):
        return wanted.keys() == value.keys() and all(_equal(part, value[key]) for key, part in wanted.items())
    if isinstance(wanted, list) and isinstance(value, list):
        return len(wanted) == len(value) and all(_equal(a, b) for a, b in zip(wanted, value, strict=True))
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    return bool(wanted == value)


def _wanted(value: Any) -> str:
    return f"a text that matches {value[smoke_pattern.KEY]}" if smoke_pattern.is_pattern(value) else show(value)


def with_json_body(result: Any) -> Any:
    """Return the answer with a JSON text under `body` read as JSON; base64 is undone first where the answer says so."""
    if not isinstance(result, dict) or not isinstance(result.get("body"), str):
        return result
    body: str | bytes = result["body"]
    try:
        if result.get("isBase64Encoded"):
            body = base64.b64decode(body)
        return {**result, "body": json.loads(body)}
    except ValueError:
        return result


def _body(result: Any) -> str:
    """Show the beginning of an answer's body: it usually says why."""
    body = result.get("body") if isinstance(result, dict) else None
    return f" (body: {show(body)})" if body else ""


def show(value: Any) -> str:
    """Write a value as JSON, cut to what a line has room for."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def is_text_or_pattern(value: Any) -> bool:
    """Whether a header field may be expected so."""
    return value is None or isinstance(value, str) or smoke_pattern.is_pattern(value)


def problems(expect: Mapping[str, Any], statuses: Sequence[int]) -> list[str]:
    """Say what is wrong with the values that an answer is expected to have."""
    lines = []
    status = expect.get("status")
    if status is not None and (isinstance(status, bool) or status not in statuses):
        lines.append(f"expect.status is {status!r}; allowed: a whole number from {statuses[0]} to {statuses[-1]}")
    error = expect.get("error")
    if error is not None and (not isinstance(error, str) or not error):
        lines.append(f"expect.error is {error!r}; allowed: an errorType, or null for none")
    headers = expect.get("headers", {})
    if not isinstance(headers, dict) or not all(is_text_or_pattern(value) for value in headers.values()):
        lines.append("expect.headers must be an object of names and texts, regular expressions or null")
    paths = expect.get("jsonpath", {})
    if not isinstance(paths, dict):
        return [*lines, "expect.jsonpath must be an object of paths and expected values"]
    lines += [
        f"expect.jsonpath {path!r} is not a path; allowed: {smoke_path.GRAMMAR}"
        for path in paths
        if smoke_path.split(path) is None
    ]
    return lines + [
        f"expect.{part}: {line}"
        for part in ("headers", "result", "jsonpath")
        for line in smoke_pattern.problems(expect.get(part))
    ]
