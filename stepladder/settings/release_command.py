"""The settings under `release_command:`: what a new version is sent before it gets traffic."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stepladder.core.records import dataclass
from stepladder.settings.problems import Problems
from stepladder.settings.rules import Text, Whole
from stepladder.settings.table import OwnRule, setting

MARKER = "stepladder"
"""The key of the event that stepladder adds."""
LONGEST = 840
"""Seconds: the pipeline's verify function waits for the answer, and Lambda runs it for 900 seconds at most."""
_NAME = "release"
_LARGEST = 1024  # bytes of an event: the input of an execution holds those of all targets


class CommandEvent(OwnRule):
    """A JSON object."""

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> dict[str, Any]:
        """See `table.Rule`."""
        event = _as_json(value)
        if not isinstance(value, Mapping) or event is None:
            problems.add(key, value, "a mapping of what JSON has")
        elif MARKER in value:
            problems.add(f"{key}.{MARKER}", value[MARKER], "other keys; stepladder adds this one")
        elif len(event) > _LARGEST:
            problems.add(key, f"{len(event)} bytes", f"at most {_LARGEST} bytes as JSON")
        else:
            return dict(json.loads(event))
        return dict(before)


def _as_json(value: Any) -> bytes | None:
    try:
        return json.dumps(value, allow_nan=False, sort_keys=True).encode()  # sorted as everybody writes it later
    except (TypeError, ValueError, RecursionError):
        return None


@dataclass(frozen=True)
class ReleaseCommandSettings:
    """What a new version is sent before it gets traffic. Without a command and an event there is none."""

    command: str = setting(
        "",
        Text(r"([a-z][a-z0-9_-]*)?", "lower-case letters, digits, - and _, beginning with a letter", 40),
        "name of the [release command](../guides/migrations.md); without it and `event` there is none",
    )
    event: Mapping[str, Any] = setting(
        factory=dict,
        rule=CommandEvent(),
        purpose=f"further keys of the event that the command is sent; without a name it is called `{_NAME}`",
    )
    timeout_seconds: int = setting(
        300,
        Whole(1, LONGEST),
        "how long the command's answer is waited for; the function's own timeout counts too",
    )

    @property
    def name(self) -> str:
        """The command's name; empty for none."""
        return self.command or (_NAME if self.event else "")
