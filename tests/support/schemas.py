"""Every JSON document that a test has printed is compared with the schema that is published for its command.

A schema lets a later version add keys. Here a key that isn't listed is a fault: nobody would read of it.
"""

from __future__ import annotations

import functools
import json
import shlex
import sys
from collections.abc import Iterator
from typing import Any

from stepladder.collections import namespace, project
from stepladder.core.console import Console

ERROR = "Error"
ANYTHING = {
    "function.invoke": {("stepladder.commands.invoke", "show_json"), ("stepladder.commands.http_call", "show")},
    "tf.output": {("stepladder.commands.infra", "outputs")},
}
"""Commands whose document may be anything, and the functions that print it: no other may take them for an excuse."""


@functools.cache
def printing() -> dict[str, str]:
    """The type that each task with `--json` says it prints, by the command that a person types."""
    root = namespace()
    for task in (project.check, project.test, project.lock):
        root.add_task(task)
    commands = {}
    for context in root.to_contexts():
        if any(argument.name == "json" for argument in context.args.values()):
            short = [alias for alias in context.aliases if "." not in alias]
            commands[short[0] if short else context.name] = getattr(root[context.name], "prints", "")
    return commands


@functools.cache
def validator(command: str) -> Any:
    """Return what finds the faults of a document of a command."""
    from jsonschema import Draft202012Validator

    from stepladder.commands import outputs

    strict = _closed(outputs.schema(command, printing()[command]))
    Draft202012Validator.check_schema(strict)
    return Draft202012Validator(strict)


def _closed(schema: Any) -> Any:
    """Return a schema that allows no other keys than it lists; an error may hold what was known."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: value if key == ERROR else _closed(value) for key, value in schema.items()}
    return {**closed, "additionalProperties": False} if "required" in closed and "properties" in closed else closed


def faults(value: Any, commands: list[str]) -> str:
    """Say why a document is what none of these commands prints; empty when it is."""
    from jsonschema.exceptions import best_match

    document = json.loads(json.dumps(value, default=str))
    problems = []
    for command in commands:
        problem = best_match(validator(command).iter_errors(document), key=_depth)
        if problem is None:
            return ""
        problems.append(f"inv {command}: {problem.json_path}: {problem.message[-400:]}")
    return "what was printed fits no published schema:\n" + "\n".join(problems[:3])


def _depth(problem: Any) -> int:
    """Of several problems the one deep in a document is most likely the fault: the rest is as it should be."""
    return len(problem.absolute_path)


def _printing_now() -> list[str]:
    """The command that prints: that of the task that runs, or any, where a test calls the code of one."""
    running, functions = "", set()
    for frame in _frames():
        functions.add((frame.f_globals.get("__name__", ""), frame.f_code.co_name))
        if not running and frame.f_code.co_name == "guarded" and frame.f_globals["__name__"].endswith(".task"):
            running = frame.f_locals["command"].removeprefix("inv ")
    if running in printing():
        return [running]
    if free := [command for command, printers in ANYTHING.items() if printers & functions]:
        return free
    return [command for command in printing() if command not in ANYTHING]


def _frames() -> Iterator[Any]:
    frame = sys._getframe(2)
    while frame:
        yield frame
        frame = frame.f_back


def _checked(method: Any) -> Any:
    @functools.wraps(method)
    def printed(self: Console, value: Any) -> None:
        is_ours = sys._getframe(1).f_globals["__name__"].startswith("stepladder.")  # and no test of the console's own
        if is_ours and (problem := faults(value, _printing_now())):
            raise AssertionError(problem)
        method(self, value)

    return printed


def check_output(line: str, text: str) -> None:
    """Compare what a process printed with the schema of its command; `line` is what was typed behind `inv`."""
    words = shlex.split(line)
    if "--json" not in words:
        return
    command = words[0] if words[0] in printing() else words[0].partition(".")[0]  # the default of its noun, by its name
    for document in text.splitlines() if command == "logs" else [text]:
        if problem := faults(json.loads(document), [command]):
            raise AssertionError(problem)


def watch() -> None:
    """Check from now on whatever this process prints as JSON."""
    Console.json = _checked(Console.json)  # type: ignore[method-assign]
    Console.json_line = _checked(Console.json_line)  # type: ignore[method-assign]
