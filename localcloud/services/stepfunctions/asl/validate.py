"""Find what is wrong with a definition, as CreateStateMachine and ValidateStateMachineDefinition do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.services.stepfunctions.asl.choice import OPERATORS

TYPES = ("Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map")
ENDLESS = ("Choice", "Succeed", "Fail")  # types that have neither Next nor End
WAITS = ("Seconds", "SecondsPath", "Timestamp", "TimestampPath")
OPTIMISED = {  # https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html
    "dynamodb": ("getItem", "putItem", "deleteItem", "updateItem"),
    "lambda": ("invoke",),
    "sns": ("publish",),
    "sqs": ("sendMessage",),
    "states": ("startExecution",),
}
_PARTS = 7  # arn:partition:states:::service:action


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: a code, a sentence, and where (a JSON pointer)."""

    code: str
    message: str
    location: str


def problems(text: str) -> list[Problem]:
    """Return everything that is wrong with a definition."""
    try:
        definition = json.loads(text)
    except ValueError as error:
        return [Problem("INVALID_JSON_DESCRIPTION", f"{error}", "/")]
    if not isinstance(definition, dict):
        return [Problem("SCHEMA_VALIDATION_FAILED", "The definition must be an object", "/")]
    return list(_machine(definition, ""))


def _machine(machine: Mapping[str, Any], at: str) -> Iterator[Problem]:
    states = machine.get("States")
    if machine.get("QueryLanguage", "JSONPath") != "JSONPath":
        yield Problem("SCHEMA_VALIDATION_FAILED", "the local cloud reads JSONPath only", f"{at}/QueryLanguage")
    if not isinstance(states, dict) or not states:
        yield Problem("SCHEMA_VALIDATION_FAILED", "The field 'States' is required", f"{at}/States")
        return
    if machine.get("StartAt") not in states:
        yield Problem("MISSING_TRANSITION_TARGET", "The field 'StartAt' must name a state", f"{at}/StartAt")
    reached = {machine.get("StartAt")}
    for name, state in states.items():
        yield from _state(name, state, states, f"{at}/States/{name}")
        if isinstance(state, dict):
            reached |= set(_targets(state))
    for name in states:
        if name not in reached:
            yield Problem("MISSING_TRANSITION_TARGET", f"State '{name}' is not reachable", f"{at}/States/{name}")


def _targets(state: Mapping[str, Any]) -> Iterator[str]:
    for key in ("Next", "Default"):
        if key in state:
            yield state[key]
    for key in ("Choices", "Catch"):
        for rule in state.get(key) or ():
            if "Next" in rule:
                yield rule["Next"]


def _state(name: str, state: Any, states: Mapping[str, Any], at: str) -> Iterator[Problem]:
    def wrong(message: str, field: str = "") -> Problem:
        return Problem("SCHEMA_VALIDATION_FAILED", message, f"{at}/{field}".rstrip("/"))

    if not isinstance(state, dict) or state.get("Type") not in TYPES:
        yield wrong(f"The state '{name}' must have a Type of {', '.join(TYPES)}", "Type")
        return
    kind = state["Type"]
    if state.get("QueryLanguage", "JSONPath") != "JSONPath":
        yield wrong("the local cloud reads JSONPath only", "QueryLanguage")
    if kind not in ENDLESS and ("Next" in state) == bool(state.get("End")):
        yield wrong(f"The state '{name}' must have exactly one of Next and End")
    for target in _targets(state):
        if target not in states:
            yield Problem("MISSING_TRANSITION_TARGET", f"'{name}' leads to '{target}', which is no state", at)
    yield from _of_kind(kind, state, at, wrong)
    yield from _handlers(state, wrong)


def _handlers(state: Mapping[str, Any], wrong: Any) -> Iterator[Problem]:
    for key, what in (("Catch", "catcher"), ("Retry", "retrier")):
        rules = state.get(key) or ()
        for number, rule in enumerate(rules):
            if not rule.get("ErrorEquals") or (key == "Catch" and "Next" not in rule):
                yield wrong(f"A {what} needs ErrorEquals{' and Next' if key == 'Catch' else ''}", f"{key}/{number}")
            if "States.ALL" in rule.get("ErrorEquals", ()) and number + 1 < len(rules):
                yield wrong(f"States.ALL must be in the last {what}", f"{key}/{number}")


def _of_kind(kind: str, state: Mapping[str, Any], at: str, wrong: Any) -> Iterator[Problem]:
    if kind == "Task" and not str(state.get("Resource", "")).startswith("arn:"):
        yield wrong("A Task needs a Resource, an ARN", "Resource")
    if kind == "Task" and (unknown := unknown_resource(str(state.get("Resource", "")))):
        yield wrong(unknown, "Resource")
    if kind == "Wait" and sum(key in state for key in WAITS) != 1:
        yield wrong(f"A Wait needs exactly one of {', '.join(WAITS)}")
    if kind == "Choice":
        yield from _choices(state, wrong)
    if kind == "Parallel":
        if not state.get("Branches"):
            yield wrong("A Parallel needs Branches", "Branches")
        for number, branch in enumerate(state.get("Branches") or ()):
            yield from _machine(branch, f"{at}/Branches/{number}")
    if kind == "Map":
        yield from _map(state, at, wrong)


def unknown_resource(arn: str) -> str:
    """Say that an optimised integration doesn't offer an action, in AWS's words; return nothing for all others.

    Recorded on AWS: tests/local/data/aws-recordings, test_dynamodb_task_service.json, 2025-11-06.
    """
    parts = arn.split(":")
    if len(parts) < _PARTS or parts[2] != "states" or parts[5] not in OPTIMISED:
        return ""
    if parts[6].partition(".")[0] in OPTIMISED[parts[5]]:
        return ""
    return (
        f"The resource provided {arn} is not recognized. The value is not a valid resource ARN, or the resource is not "
        "available in this region."
    )


def _choices(state: Mapping[str, Any], wrong: Any) -> Iterator[Problem]:
    if not state.get("Choices"):
        yield wrong("A Choice needs Choices", "Choices")
    for number, rule in enumerate(state.get("Choices") or ()):
        if "Next" not in rule:
            yield wrong("A choice rule needs Next", f"Choices/{number}")
        yield from _rule(rule, f"Choices/{number}", wrong)


def _map(state: Mapping[str, Any], at: str, wrong: Any) -> Iterator[Problem]:
    processor = state.get("ItemProcessor") or state.get("Iterator")
    if not processor:
        yield wrong("A Map needs an ItemProcessor", "ItemProcessor")
        return
    if processor.get("ProcessorConfig", {}).get("Mode", "INLINE") != "INLINE":
        yield wrong("the local cloud offers inline Maps only", "ItemProcessor/ProcessorConfig/Mode")
    yield from _machine(processor, f"{at}/ItemProcessor")


def _rule(rule: Mapping[str, Any], at: str, wrong: Any) -> Iterator[Problem]:
    for key in ("And", "Or"):
        for number, part in enumerate(rule.get(key) or ()):
            yield from _rule(part, f"{at}/{key}/{number}", wrong)
    if "Not" in rule:
        yield from _rule(rule["Not"], f"{at}/Not", wrong)
    elif not any(key in rule for key in ("And", "Or")) and (
        "Variable" not in rule or sum(key in OPERATORS for key in rule) != 1
    ):
        yield wrong("A choice rule needs a Variable and one comparison", at)
