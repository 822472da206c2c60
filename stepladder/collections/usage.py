"""What is wrong with a command line before its task begins, in words that say what to type.

Invoke knows neither environments nor our exit codes, and takes every argument without a default by position: its words
for a missing one name no environment, and `--help` behind a task became an environment's name.
"""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stepladder.core.errors import BadInputError, StepladderError

AGAIN = "the same command"
"""What a hint says of the command that met the error; the task's edge puts the command itself in its place."""

_SELF_EXPLAINED = {
    "bad-arguments",
    "interrupted",
    "not-confirmed",
    "unknown-environment",
    "unknown-kind",
    "unknown-task",
}
"""Kinds whose message and hint leave nothing to explain."""


def check(
    body: Callable[..., Any], command: str, context: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> None:
    """Raise `BadInputError` when an argument that a task can't do without is missing."""
    parameters = list(inspect.signature(body).parameters.values())[1:]  # the first is Invoke's context
    for parameter in parameters[len(args) :]:
        if parameter.default is inspect.Parameter.empty and kwargs.get(parameter.name) is None:
            raise missing(context, command, flag_of(parameter.name))


def refuse_dry(body: Callable[..., Any], command: str, context: Any, environment: object = "") -> None:
    """Refuse Invoke's own `--dry` (`-R`): it holds back Invoke's shell commands, and our tasks run none."""
    run = getattr(getattr(context, "config", None), "run", None)
    if not getattr(run, "dry", False):
        return
    previews = "dry_run" in inspect.signature(body).parameters
    preview = f"{command} --env {environment} --dry-run" if environment else f"{command} --dry-run"
    raise BadInputError(
        f"Invoke's --dry holds nothing back that `{command}` does",
        kind="bad-arguments",
        hint=f"for a preview: `{preview}`" if previews else f"leave out `--dry`: `{command}` has no preview",
    )


def name_preview(context: Any, kwargs: dict[str, Any]) -> None:
    """Put the preview of the job's change request in the place of `--env pr`."""
    if kwargs.get("env") == "pr":
        from stepladder.commands.previews import this
        from stepladder.settings.load import from_context

        kwargs["env"] = this(from_context(context))


def missing(context: Any, command: str, flag: str) -> BadInputError:
    """Return the error for a flag that was not given; for `--env` it lists the environments there are."""
    if flag != "--env":
        return BadInputError(
            f"`{command}` needs {flag}", kind="bad-arguments", hint=f"`{command} --help` says what it is"
        )
    from stepladder.settings.load import from_context

    return no_environment(command, from_context(context).environments)


def no_environment(command: str, known: Iterable[str]) -> BadInputError:
    """Return the error for a command without an environment."""
    names = list(known)
    if not names:
        return BadInputError(
            f"`{command}` needs --env", kind="bad-arguments", hint="declare environments in `invoke.yaml`"
        )
    return BadInputError(
        f"`{command}` needs --env, the environment it is for",
        kind="bad-arguments",
        hint=f"there are {', '.join(names)}: for example `{command} --env {names[0]}`",
    )


def explained_by(error: StepladderError) -> str:
    """Return the command that explains the kind of an error; empty for a mistyped command line, which needs no more."""
    return "" if error.kind in _SELF_EXPLAINED else f"inv explain {error.kind}"


def with_command(hint: str, typed: str) -> str:
    """Return a hint with the command that was typed, in backticks, wherever it speaks of "the same command"."""
    return hint.replace(AGAIN, f"`{typed}`")


def typed(body: Callable[..., Any], command: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Return the command line of a task with its flags: those that differ from their defaults."""
    parameters = list(inspect.signature(body).parameters.values())[1:]  # the first is Invoke's context
    values = {**dict(zip((each.name for each in parameters), args, strict=False)), **kwargs}
    words = [command]
    for each in parameters:
        value = values.get(each.name, each.default)
        if value is None or value == each.default:
            continue
        flag = flag_of(each.name)
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag.removeprefix('--')}")
        else:
            given = value if isinstance(value, list) else [value]
            words += [f"{flag} {shlex.quote(str(one))}" for one in given]
    return " ".join(words)


def command_of(body: Callable[..., Any], *, is_default: bool = False) -> str:
    """Return what a person types for a task; the default of its noun goes by the noun alone."""
    from stepladder.collections import NOUNS

    noun, name = body.__module__.rpartition(".")[2], body.__name__.strip("_").replace("_", "-")
    if noun not in NOUNS:
        return f"inv {name}"
    return f"inv {noun}" if is_default else f"inv {noun}.{name}"


def flag_of(parameter: str) -> str:
    """Return a parameter's flag."""
    return f"--{parameter.strip('_').replace('_', '-')}"
