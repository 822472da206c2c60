"""Smoke cases: what every rung must pass before it gets traffic.

Standard library only, and nothing of stepladder: the pipeline's verify function carries this same file. A case is a
JSON object in `tests/smoke/*.json` of a project:

    {"name": "greets a name",
     "payload": {"name": "Ada"},
     "expect": {"status": 200, "result": {"a": 1}, "jsonpath": {"$.body.message": "hello"}, "error": null},
     "max_latency_ms": 3000,
     "repeat": 1}

`status` is the answer's `statusCode`; `result` must be a subset of the answer (objects may have more members, lists
are compared item by item); `jsonpath` reads a JSON text under `body` as JSON and knows `.name`, `['name']` and `[n]`;
`error` is the `errorType` expected, null for none. Every repetition must pass, each within the latency budget.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

Invoke = Callable[[Any], tuple[Any, str | None, float]]
"""Invoke once with a payload: result as data, `errorType` or None, seconds."""

PARALLEL = 8
_KEYS = ("name", "payload", "expect", "max_latency_ms", "repeat")
_EXPECT = ("status", "result", "jsonpath", "error")
_PATH = re.compile(r"""\.([A-Za-z_][\w-]*)|\[(-?\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
_MISSING = object()
_SHOWN = 80
_STATUS = range(100, 600)
_REPEAT = range(1, 101)


class SmokeCasesError(ValueError):
    """Some case files are wrong; `problems` lists all of it, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Case:
    """One case. `expect_result` and the like are absent (not None) when the file doesn't say."""

    name: str
    payload: Any
    expect: Mapping[str, Any]
    max_latency_ms: float | None = None
    repeat: int = 1


@dataclass(frozen=True)
class SmokeOutcome:
    """How a case went. `mismatches` are sentences; none means it passed. `seconds` is its slowest invocation."""

    name: str
    mismatches: tuple[str, ...]
    seconds: float
    runs: int = field(default=1)

    @property
    def passed(self) -> bool:
        """Whether every repetition was as expected."""
        return not self.mismatches


Meant = Callable[[str, Sequence[str]], str]
"""Returns a question after the nearest of some names, or an empty text."""


def parse(documents: Mapping[str, bytes | str], meant: Meant = lambda _key, _known: "") -> list[Case]:
    """Read cases from documents by file name. Raises `SmokeCasesError` with every problem.

    `meant` is asked about each key that doesn't exist; this module is carried into the pipeline, where nobody is.
    """
    cases: list[Case] = []
    problems: list[str] = []
    for file, text in documents.items():
        try:
            raw = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        except (ValueError, RecursionError) as error:
            problems.append(f"{file}: is not JSON: {error}")
            continue
        invalid = _problems(raw, meant)
        problems += [f"{file}: {problem}" for problem in invalid]
        if not invalid:
            if raw["name"] in {case.name for case in cases}:
                problems.append(f"{file}: name {raw['name']!r} is taken by another case")
            cases.append(
                Case(
                    name=raw["name"],
                    payload=raw.get("payload", {}),
                    expect=raw.get("expect", {}),
                    max_latency_ms=raw.get("max_latency_ms"),
                    repeat=raw.get("repeat", 1),
                )
            )
    if problems:
        raise SmokeCasesError(problems)
    return cases


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:_SHOWN]} is too large a number")
    return number


def _unknown(what: str, key: str, known: Sequence[str], meant: Meant) -> str:
    return f"{what}; {f'{meant(key, known)} allowed: '.lstrip()}{', '.join(known)}"


def _problems(raw: Any, meant: Meant) -> list[str]:
    if not isinstance(raw, dict):
        return ["is not a JSON object"]
    problems = [_unknown(f"{key} is not a key of a case", key, _KEYS, meant) for key in raw if key not in _KEYS]
    if not isinstance(raw.get("name"), str) or not raw["name"].strip():
        problems.append("name must be a text that isn't empty")
    latency = raw.get("max_latency_ms")
    if latency is not None and (not _is_number(latency) or latency <= 0):
        problems.append(f"max_latency_ms is {latency!r}; allowed: a number above 0")
    repeat = raw.get("repeat", 1)
    if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat not in _REPEAT:
        problems.append(f"repeat is {repeat!r}; allowed: a whole number from {_REPEAT[0]} to {_REPEAT[-1]}")
    expect = raw.get("expect", {})
    return problems + (_expect_problems(expect, meant) if isinstance(expect, dict) else ["expect must be an object"])


def _expect_problems(expect: Mapping[str, Any], meant: Meant) -> list[str]:
    problems = [_unknown(f"expect.{key} is not known", key, _EXPECT, meant) for key in expect if key not in _EXPECT]
    status = expect.get("status")
    if status is not None and (isinstance(status, bool) or status not in _STATUS):
        problems.append(f"expect.status is {status!r}; allowed: a whole number from {_STATUS[0]} to {_STATUS[-1]}")
    error = expect.get("error")
    if error is not None and (not isinstance(error, str) or not error):
        problems.append(f"expect.error is {error!r}; allowed: an errorType, or null for none")
    paths = expect.get("jsonpath", {})
    if not isinstance(paths, dict):
        return [*problems, "expect.jsonpath must be an object of paths and expected values"]
    return problems + [
        f"expect.jsonpath {path!r} is not a path; allowed: $ followed by .name, ['name'] or [n]"
        for path in paths
        if _steps(path) is None
    ]


def run(cases: Sequence[Case], invoke: Invoke, *, parallel: int = PARALLEL) -> list[SmokeOutcome]:
    """Run every case, at most `parallel` at once, and return the outcomes in the order of the cases.

    An exception of `invoke` (the call itself failed) is raised, not counted as a mismatch.
    """
    if not cases:
        return []
    with ThreadPoolExecutor(min(parallel, len(cases)), thread_name_prefix="smoke") as pool:
        return list(pool.map(lambda case: run_case(case, invoke), cases))


def run_case(case: Case, invoke: Invoke) -> SmokeOutcome:
    """Run one case with its repetitions, one after another; the first repetition that fails ends it."""
    slowest = 0.0
    for turn in range(case.repeat):
        result, error, seconds = invoke(case.payload)
        slowest = max(slowest, seconds)
        mismatches = compare(case, result, error, seconds)
        if mismatches:
            where = f" (repetition {turn + 1} of {case.repeat})" if case.repeat > 1 else ""
            return SmokeOutcome(case.name, tuple(line + where for line in mismatches), slowest, turn + 1)
    return SmokeOutcome(case.name, (), slowest, case.repeat)


def compare(case: Case, result: Any, error: str | None, seconds: float) -> list[str]:
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
            mismatches.append(f"status: expected {case.expect['status']}, got {_show(status)}{_body(result)}")
    if "result" in case.expect:
        mismatches += _subset("result", case.expect["result"], result)
    document = _with_json_body(result)
    for path, wanted in case.expect.get("jsonpath", {}).items():
        value = _lookup(document, path)
        if value is _MISSING:
            mismatches.append(f"{path}: expected {_show(wanted)}, but there is nothing{_body(result)}")
        elif not _same(wanted, value):
            mismatches.append(f"{path}: expected {_show(wanted)}, got {_show(value)}")
    if case.max_latency_ms is not None and seconds * 1000 > case.max_latency_ms:
        mismatches.append(f"latency: expected at most {case.max_latency_ms:g} ms, took {seconds * 1000:.0f} ms")
    return mismatches


def _subset(path: str, wanted: Any, value: Any) -> list[str]:
    if isinstance(wanted, dict) and isinstance(value, dict):
        mismatches = []
        for key, part in wanted.items():
            if key not in value:
                mismatches.append(f"{path}.{key}: expected {_show(part)}, but there is nothing")
            else:
                mismatches += _subset(f"{path}.{key}", part, value[key])
        return mismatches
    if isinstance(wanted, list) and isinstance(value, list) and len(wanted) == len(value):
        return [
            line
            for index, (a, b) in enumerate(zip(wanted, value, strict=True))
            for line in _subset(f"{path}[{index}]", a, b)
        ]
    return [] if _same(wanted, value) else [f"{path}: expected {_show(wanted)}, got {_show(value)}"]


def _same(wanted: Any, value: Any) -> bool:
    """Compare as JSON does: true isn't 1 there, 1 is 1.0."""
    if isinstance(wanted, dict) and isinstance(value, dict):
        return wanted.keys() == value.keys() and all(_same(part, value[key]) for key, part in wanted.items())
    if isinstance(wanted, list) and isinstance(value, list):
        return len(wanted) == len(value) and all(_same(a, b) for a, b in zip(wanted, value, strict=True))
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    return bool(wanted == value)


def _steps(path: Any) -> list[str | int] | None:
    """Split a path into names and indices; None when it isn't one that is understood."""
    if not isinstance(path, str) or not path.startswith("$"):
        return None
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        match = _PATH.match(path, at)
        if not match:
            return None
        name, index, single, double = match.groups()
        quoted = single if single is not None else double
        steps.append(int(index) if index else name or re.sub(r"\\(.)", r"\1", quoted))
        at = match.end()
    return steps


def _lookup(value: Any, path: str) -> Any:
    for step in _steps(path) or []:
        present = isinstance(step, str) and isinstance(value, dict) and step in value
        present = present or (isinstance(step, int) and isinstance(value, list) and -len(value) <= step < len(value))
        if not present:
            return _MISSING
        value = value[step]
    return value


def _with_json_body(result: Any) -> Any:
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
    return f" (body: {_show(body)})" if body else ""


def _show(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
