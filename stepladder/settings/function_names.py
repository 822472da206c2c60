"""Names in AWS that two of several functions would share, or that stepladder's own resources have.

A trigger is named after its function and itself: `<project>-<env>-<function>-<trigger>`. So a trigger `mailer` of the
project's own function, and the one trigger of a function `mailer`, are of one name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stepladder.settings.problems import Problems
from stepladder.settings.triggers import DEAD_LETTERS, URL_KINDS, Trigger

if TYPE_CHECKING:
    from stepladder.settings.load import Settings

RESERVED = ("ci", "pipeline", "pr", "promotion")
"""What names of stepladder's own begin with behind the project's: `<project>-pipeline-verify`, `<project>-pr-5`."""
_KINDS = {"eventbridge": "rule", "schedule": "schedule", "sqs": "queue", **dict.fromkeys(URL_KINDS, "stack")}
"""What a kind makes whose name no other of its sort may have."""


def check(settings: Settings, problems: Problems) -> None:
    """Note each name that is used twice, of a project with several functions."""
    if not settings.functions:
        return
    for environment in settings.environments:
        if environment in RESERVED:
            problems.messages.append(
                f"stepladder.environments has {environment!r} beside functions, whose names would begin with "
                f"{settings.project}-{environment}- as those of stepladder's own resources do; allowed: another name"
            )
    first: dict[tuple[str, str], str] = {}
    shared: dict[tuple[str, str], str] = {}
    for environment in settings.environments:
        for what, name, key in _names(settings, environment):
            other = first.setdefault((what, name), key)
            if other != key:
                shared.setdefault((key, other), f"the {what} {name}")
    problems.messages += [
        f"stepladder.{key} makes {what}, as stepladder.{other} does; allowed: another name of one of them"
        for (key, other), what in shared.items()
    ]


def _names(settings: Settings, environment: str) -> Iterator[tuple[str, str, str]]:
    """Yield what the functions' triggers make in an environment: its sort, its name, and the setting's key."""
    for function in settings.function_names:
        view = settings.of_function(function)
        begun = view.names(environment).function
        prefix = f"functions.{function}." if function else ""
        for trigger in view.triggers_of(view.environment(environment)):
            key = f"{prefix}triggers ({trigger.label})"
            yield from ((what, name, key) for what, name in _of(trigger, begun))


def _of(trigger: Trigger, begun: str) -> Iterator[tuple[str, str]]:
    what = _KINDS.get(trigger.kind)
    if what is None or getattr(trigger.settings, "queue_arn", None):
        return
    name = f"{begun}-{trigger.name}" if trigger.name else begun
    if what == "stack":
        name = name if trigger.name else f"{begun}-url"
    yield (what if what != "rule" else f"rule of the bus {trigger.settings.bus}", name)
    if what == "queue":
        yield what, f"{name}-{DEAD_LETTERS}"
