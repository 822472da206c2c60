"""Find what is wrong with a definition, as CreateStateMachine and ValidateStateMachineDefinition do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localcloud.services.stepfunctions.asl.map_rules import distributed_problems, label_problems
from localcloud.services.stepfunctions.asl.rules import rule_problems

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
_NUMBERS = ("IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: a code, a sentence, and where (a JSON pointer)."""

    code: str
    message: str
    location: str


Wrong = Callable[..., Problem]


def problems(text: str) -> list[Problem]:
    """Return everything that is wrong with a definition."""
    try:
        definition = json.loads(text)
        labels = [Problem("SCHEMA_VALIDATION_FAILED", *each) for each in label_problems(definition, "")]
        return [*_machine(definition, ""), *labels]
    except (ValueError, RecursionError) as error:
        return [Problem("INVALID_JSON_DESCRIPTION", f"{error}", "/")]


def _machine(machine: Any, at: str) -> Iterator[Problem]:
    if not isinstance(machine, dict):
        yield Problem("SCHEMA_VALIDATION_FAILED", "The definition must be an object", at or "/")
        return
    states = machine.get("States")
    if machine.get("QueryLanguage", "JSONPath") != "JSONPath":
        yield Problem("SCHEMA_VALIDATION_FAILED", "the local cloud reads JSONPath only", f"{at}/QueryLanguage")
    if not isinstance(states, dict) or not states:
        yield Problem("SCHEMA_VALIDATION_FAILED", "The field 'States' is required", f"{at}/States")
        return
    start = machine.get("StartAt")
    if not isinstance(start, str) or start not in states:
        yield Problem("MISSING_TRANSITION_TARGET", "The field 'StartAt' must name a state", f"{at}/StartAt")
    reached = {start} if isinstance(start, str) else set()
    for name, state in states.items():
        yield from _state(name, state, states, f"{at}/States/{name}")
        if isinstance(state, dict):
            reached |= set(_targets(state))
    for name in states:
        if name not in reached:
            yield Problem("MISSING_TRANSITION_TARGET", f"State '{name}' is not reachable", f"{at}/States/{name}")


def _targets(state: Mapping[str, Any]) -> Iterator[str]:
    rules = [rule for key in ("Choices", "Catch") for rule in _dicts(state.get(key))]
    named = [state.get("Next"), state.get("Default"), *(rule.get("Next") for rule in rules)]
    yield from (name for name in named if isinstance(name, str))


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _state(name: str, state: Any, states: Mapping[str, Any], at: str) -> Iterator[Problem]:
    def wrong(message: str, field: str = "") -> Problem:
        return Problem("SCHEMA_VALIDATION_FAILED", message, f"{at}/{field}".rstrip("/"))

    kind = state.get("Type") if isinstance(state, dict) else None
    if not isinstance(kind, str) or kind not in TYPES:
        yield wrong(f"The state '{name}' must have a Type of {', '.join(TYPES)}", "Type")
        return
    if state.get("QueryLanguage", "JSONPath") != "JSONPath":
        yield wrong("the local cloud reads JSONPath only", "QueryLanguage")
    if kind not in ENDLESS and ("Next" in state) == bool(state.get("End")):
        yield wrong(f"The state '{name}' must have exactly one of Next and End")
    for key in ("Next", "Default"):
        if key in state and not isinstance(state[key], str):
            yield wrong(f"{key} must name a state", key)
    for target in _targets(state):
        if target not in states:
            yield Problem("MISSING_TRANSITION_TARGET", f"'{name}' leads to '{target}', which is no state", at)
    yield from _of_kind(kind, state, at, wrong)
    yield from _handlers(state, wrong)


def _handlers(state: Mapping[str, Any], wrong: Wrong) -> Iterator[Problem]:
    for key, what in (("Catch", "catcher"), ("Retry", "retrier")):
        rules = state.get(key, [])
        if not isinstance(rules, list):
            yield wrong(f"{key} must be a list", key)
            continue
        for number, rule in enumerate(rules):
            given = rule.get("ErrorEquals") if isinstance(rule, dict) else None
            errors = given if isinstance(given, list) else []
            named = bool(errors) and all(isinstance(error, str) for error in errors)
            if not named or (key == "Catch" and not isinstance(rule.get("Next"), str)):
                yield wrong(f"A {what} needs ErrorEquals{' and Next' if key == 'Catch' else ''}", f"{key}/{number}")
            elif "States.ALL" in errors and number + 1 < len(rules):
                yield wrong(f"States.ALL must be in the last {what}", f"{key}/{number}")
            for field in _NUMBERS if named else ():
                value = rule.get(field, 1)
                if isinstance(value, bool) or not isinstance(value, int | float):
                    yield wrong(f"{field} must be a number", f"{key}/{number}/{field}")


def _of_kind(kind: str, state: Mapping[str, Any], at: str, wrong: Wrong) -> Iterator[Problem]:
    if kind == "Task":
        resource = state.get("Resource")
        if not isinstance(resource, str) or not resource.startswith("arn:"):
            yield wrong("A Task needs a Resource, an ARN", "Resource")
        elif unknown := unknown_resource(resource):
            yield wrong(unknown, "Resource")
    if kind == "Wait" and sum(key in state for key in WAITS) != 1:
        yield wrong(f"A Wait needs exactly one of {', '.join(WAITS)}")
    if kind == "Choice":
        yield from _choices(state, wrong)
    if kind == "Parallel":
        branches = state.get("Branches")
        if not isinstance(branches, list) or not branches:
            yield wrong("A Parallel needs Branches", "Branches")
            return
        for number, branch in enumerate(branches):
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


def _choices(state: Mapping[str, Any], wrong: Wrong) -> Iterator[Problem]:
    rules = state.get("Choices")
    if not isinstance(rules, list) or not rules:
        yield wrong("A Choice needs Choices", "Choices")
        return
    for number, rule in enumerate(rules):
        if not isinstance(rule, dict) or not isinstance(rule.get("Next"), str):
            yield wrong("A choice rule needs Next", f"Choices/{number}")
        else:
            yield from (wrong(message, f"Choices/{number}{field}") for message, field in rule_problems(rule, ""))


def _map(state: Mapping[str, Any], at: str, wrong: Wrong) -> Iterator[Problem]:
    processor = state.get("ItemProcessor") or state.get("Iterator")
    if not isinstance(processor, dict):
        yield wrong("A Map needs an ItemProcessor", "ItemProcessor")
        return
    config = processor.get("ProcessorConfig", {})
    mode = config.get("Mode", "INLINE") if isinstance(config, dict) else None
    if mode not in ("INLINE", "DISTRIBUTED"):
        yield wrong("Mode must be INLINE or DISTRIBUTED", "ItemProcessor/ProcessorConfig/Mode")
    elif mode == "DISTRIBUTED":
        yield from distributed_problems(state, config, wrong)
    else:
        for key in ("ItemReader", "ItemBatcher", "ResultWriter", "Label"):
            if key in state:
                yield wrong(f"{key} is for Maps whose Mode is DISTRIBUTED", key)
    yield from _machine(processor, f"{at}/ItemProcessor")
