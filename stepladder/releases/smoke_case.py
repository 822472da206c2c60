"""Smoke cases: what every rung must pass before it gets traffic.

Standard library only, and nothing of stepladder but `core.records` and the other modules of smoke cases: the pipeline's
verify function carries these same files. A case is a JSON object in `tests/smoke/*.json` of a project:

    {"name": "greets a name",
     "payload": {"name": "Ada"},
     "headers": {"accept": "application/json"},
     "expect": {"status": 200, "headers": {"content-type": {"$regex": "application/json.*"}},
                "result": {"a": 1}, "jsonpath": {"$.body.message": "hello"}, "error": null},
     "max_latency_ms": 3000,
     "repeat": 1}

`status` is the answer's `statusCode`; `result` must be a subset of the answer (objects may have more members, lists
are compared item by item); `jsonpath` reads a JSON text under `body` as JSON and knows `.name`, `['name']` and `[n]`;
`error` is the `errorType` expected, null for none. Every repetition must pass, each within the latency budget.

A case with `steps` makes several calls, one after another. A step may `capture` values of its answer by paths; steps
after it use them as `${captured.name}`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace
from typing import Any

from stepladder.core.records import dataclass
from stepladder.releases import smoke_check, smoke_compare, smoke_path, smoke_references
from stepladder.releases.smoke_check import Checker, OwnCheck

Invoke = Callable[[Any], tuple[Any, str | None, float]]
"""Invoke once with a payload: result as data, `errorType` or None, seconds."""

compare = smoke_compare.compare
PARALLEL = 8
_CALL = ("payload", "headers", "expect", "check")
_KEYS = ("name", "payload", "headers", "expect", "check", "steps", "max_latency_ms", "repeat")
_STEP = ("name", "payload", "headers", "expect", "check", "max_latency_ms", "capture")
_EXPECT = ("status", "result", "jsonpath", "error", "headers")
_CAPTURED = "captured"
_SHOWN = 80
_STATUS = range(100, 600)
_REPEAT = range(1, 101)
_STEPS = range(1, 21)


class SmokeCasesError(ValueError):
    """Some case files are wrong; `problems` lists all of it, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class SmokeStep:
    """One call of a case. `capture` has the path of each value that later steps use; `label` names the step.

    `check` is the project's own function that judges the answer too.
    """

    payload: Any
    expect: Mapping[str, Any]
    max_latency_ms: float | None = None
    capture: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    check: OwnCheck | None = None


@dataclass(frozen=True)
class Case:
    """One case. Keys of `expect` are absent (not None) when the file doesn't say. One with `steps` has no own call."""

    name: str
    payload: Any
    expect: Mapping[str, Any]
    max_latency_ms: float | None = None
    repeat: int = 1
    steps: tuple[SmokeStep, ...] = ()
    check: OwnCheck | None = None

    @property
    def calls(self) -> tuple[SmokeStep, ...]:
        """The calls of the case, in their order."""
        return self.steps or (SmokeStep(self.payload, self.expect, self.max_latency_ms, check=self.check),)


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

    Documents whose names end in .py are files of checks. `meant` is asked about each key that doesn't exist; this
    module is carried into the pipeline, where nobody is.
    """
    sources = {file: _as_text(text) for file, text in documents.items() if file.endswith(".py")}
    cases: list[Case] = []
    problems: list[str] = []
    for file, text in documents.items():
        if file in sources:
            continue
        try:
            raw = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
            invalid = _problems(raw, meant, sources)
        except (ValueError, RecursionError) as error:
            problems.append(f"{file}: is not JSON: {error}")
            continue
        problems += [f"{file}: {problem}" for problem in invalid]
        if not invalid:
            if raw["name"] in {case.name for case in cases}:
                problems.append(f"{file}: name {raw['name']!r} is taken by another case")
            cases.append(_case(raw, sources))
    if problems:
        raise SmokeCasesError(problems)
    return cases


def _as_text(text: bytes | str) -> str:
    return text.decode("utf-8", errors="replace") if isinstance(text, bytes) else text


def _case(raw: Mapping[str, Any], sources: Mapping[str, str]) -> Case:
    latency = raw.get("max_latency_ms")
    steps = tuple(
        SmokeStep(
            payload=_payload(step),
            expect=step.get("expect", {}),
            max_latency_ms=step.get("max_latency_ms", latency),
            capture=step.get("capture", {}),
            label=_label(number, step),
            check=_check(step, sources),
        )
        for number, step in enumerate(raw.get("steps", []), 1)
    )
    return Case(
        raw["name"], _payload(raw), raw.get("expect", {}), latency, raw.get("repeat", 1), steps, _check(raw, sources)
    )


def _check(raw: Mapping[str, Any], sources: Mapping[str, str]) -> OwnCheck | None:
    check = smoke_check.find(raw["check"], sources) if "check" in raw else None
    return check if isinstance(check, OwnCheck) else None


def _payload(raw: Mapping[str, Any]) -> Any:
    """Return the event, with the header fields beside it under its own; Lambda writes their names in lower case."""
    payload = raw.get("payload", {})
    if "headers" not in raw:
        return payload
    own = {name.lower(): smoke_references.FieldText(value) for name, value in raw["headers"].items()}
    return {**payload, "headers": {**payload.get("headers", {}), **own}}


def _label(number: int, step: Mapping[str, Any]) -> str:
    return f"step {number} ({step['name']})" if step.get("name") else f"step {number}"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:_SHOWN]} is too large a number")
    return number


def _unknown(what: str, key: str, known: Sequence[str], meant: Meant) -> str:
    return f"{what}; {f'{meant(key, known)} allowed: '.lstrip()}{', '.join(known)}"


def _problems(raw: Any, meant: Meant, sources: Mapping[str, str]) -> list[str]:
    if not isinstance(raw, dict):
        return ["is not a JSON object"]
    problems = [_unknown(f"{key} is not a key of a case", key, _KEYS, meant) for key in raw if key not in _KEYS]
    if not isinstance(raw.get("name"), str) or not raw["name"].strip():
        problems.append("name must be a text that isn't empty")
    repeat = raw.get("repeat", 1)
    if isinstance(repeat, bool) or not isinstance(repeat, int) or repeat not in _REPEAT:
        problems.append(f"repeat is {repeat!r}; allowed: a whole number from {_REPEAT[0]} to {_REPEAT[-1]}")
    problems += _call_problems(raw, meant, sources)
    return problems + (_steps_problems(raw, meant, sources) if "steps" in raw else [])


def _steps_problems(raw: Mapping[str, Any], meant: Meant, sources: Mapping[str, str]) -> list[str]:
    steps = raw["steps"]
    if not isinstance(steps, list) or len(steps) not in _STEPS or not all(isinstance(step, dict) for step in steps):
        return [f"steps must be a list of {_STEPS[0]} to {_STEPS[-1]} objects"]
    problems = [f"{key} stands beside steps; give it to a step" for key in _CALL if key in raw]
    known: set[str] = set()
    for number, step in enumerate(steps, 1):
        lines = [_unknown(f"{key} is not a key of a step", key, _STEP, meant) for key in step if key not in _STEP]
        if not isinstance(step.get("name", ""), str):
            lines.append("name must be a text")
        lines += _call_problems(step, meant, sources)
        used = sorted(set(smoke_references.names(_CAPTURED, [step.get(key) for key in _CALL])) - known)
        lines += [f"${{captured.{name}}} is captured by no step before it" for name in used]
        lines += _capture_problems(step.get("capture", {}))
        problems += [f"{_label(number, step)}: {line}" for line in lines]
        known |= set(step["capture"]) if isinstance(step.get("capture"), dict) else set()
    return problems


def _capture_problems(capture: Any) -> Iterator[str]:
    if not isinstance(capture, dict):
        yield "capture must be an object of names and paths"
        return
    for name, path in capture.items():
        if not re.fullmatch(smoke_references.NAME, name):
            yield f"capture {name!r} is no name; allowed: letters, digits, - and _, first a letter or _"
        if smoke_path.split(path) is None:
            yield f"capture.{name} {path!r} is not a path; allowed: {smoke_path.GRAMMAR}"


def _call_problems(raw: Mapping[str, Any], meant: Meant, sources: Mapping[str, str]) -> list[str]:
    check = smoke_check.find(raw["check"], sources) if "check" in raw else None
    problems = [check] if isinstance(check, str) else []
    latency = raw.get("max_latency_ms")
    if latency is not None and (not _is_number(latency) or latency <= 0):
        problems.append(f"max_latency_ms is {latency!r}; allowed: a number above 0")
    headers, payload = raw.get("headers", {}), raw.get("payload", {})
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        problems.append("headers must be an object of names and texts")
    elif headers and not (isinstance(payload, dict) and isinstance(payload.get("headers", {}), dict)):
        problems.append("headers are added to those of payload, which must be an object")
    expect = raw.get("expect", {})
    if not isinstance(expect, dict):
        return [*problems, "expect must be an object"]
    unknown = [_unknown(f"expect.{key} is not known", key, _EXPECT, meant) for key in expect if key not in _EXPECT]
    return [*problems, *unknown, *smoke_compare.problems(expect, _STATUS)]


def run(
    cases: Sequence[Case], invoke: Invoke, *, parallel: int = PARALLEL, check: Checker = smoke_check.run
) -> list[SmokeOutcome]:
    """Run every case, at most `parallel` at once, and return the outcomes in the order of the cases.

    `check` runs the project's own checks.

    An exception of `invoke` (the call itself failed) is raised, not counted as a mismatch.
    """
    if not cases:
        return []
    with ThreadPoolExecutor(min(parallel, len(cases)), thread_name_prefix="smoke") as pool:
        return list(pool.map(lambda case: run_case(case, invoke, check), cases))


def run_case(case: Case, invoke: Invoke, check: Checker = smoke_check.run) -> SmokeOutcome:
    """Run one case with its repetitions, one after another; the first repetition that fails ends it."""
    slowest = 0.0
    for turn in range(case.repeat):
        mismatches, seconds = _run_calls(case, invoke, check)
        slowest = max(slowest, seconds)
        if mismatches:
            where = f" (repetition {turn + 1} of {case.repeat})" if case.repeat > 1 else ""
            return SmokeOutcome(case.name, tuple(line + where for line in mismatches), slowest, turn + 1)
    return SmokeOutcome(case.name, (), slowest, case.repeat)


def _run_calls(case: Case, invoke: Invoke, check: Checker) -> tuple[list[str], float]:
    """Make the calls of a case until one fails; return its mismatches and the seconds of the slowest call."""
    captured: dict[str, Any] = {}
    slowest = 0.0
    for call in case.calls:
        step = with_captured(call, captured)
        result, error, seconds = invoke(step.payload)
        slowest = max(slowest, seconds)
        mismatches = compare(step, result, error, seconds)
        if call.check and not mismatches:
            mismatches = check(call.check, smoke_compare.with_json_body(result), captured)
        mismatches = mismatches or _capture(step, result, captured)
        if mismatches:
            return [f"{call.label}: {line}" if call.label else line for line in mismatches], slowest
    return [], slowest


def with_captured(step: SmokeStep, captured: Mapping[str, Any]) -> SmokeStep:
    """Return a step with the values that steps before it captured; a case without steps captures none."""
    if not step.label:
        return step
    payload = smoke_references.fill(_CAPTURED, step.payload, captured)
    return replace(step, payload=payload, expect=smoke_references.fill(_CAPTURED, step.expect, captured))


def _capture(step: SmokeStep, result: Any, captured: dict[str, Any]) -> list[str]:
    document = smoke_compare.with_json_body(result)
    values = {name: smoke_path.lookup(document, path) for name, path in step.capture.items()}
    captured |= values
    return [
        f"capture {name}: there is nothing at {step.capture[name]}"
        for name, value in values.items()
        if value is smoke_path.MISSING
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
