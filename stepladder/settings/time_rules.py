"""The rules of settings that say when: an expression of a schedule, and a time zone."""

from __future__ import annotations

import re
from typing import Any

from stepladder.settings import references
from stepladder.settings.problems import Problems
from stepladder.settings.rules import hcl_text
from stepladder.settings.table import Check

_ZONE = r"[A-Za-z]+([A-Za-z0-9_+/-]*[A-Za-z0-9])?"
_EXPRESSION = (
    r"^(rate\([1-9][0-9]* (minute|hour|day)s?\)|cron\(([^ ()]+ +){5}[^ ()]+\)|"
    r"at\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\))$"
)


class ScheduleExpression:
    """When a schedule runs."""

    terraform_type = "string"

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        if value == before or references.passes(key, value):  # most projects leave the default as it is
            return str(value)
        from stepladder.core import schedules

        try:
            schedules.check(str(value))
        except schedules.ScheduleError as error:
            problems.messages.append(
                f"stepladder.{key} is {value!r}: {error}; allowed: rate(...), cron(...) or at(...)"
            )
        return str(value)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `table.Rule`."""
        name = f"var.{variable}"
        return (
            Check(
                f"can(regex({hcl_text(_EXPRESSION)}, {name}))",
                f"{variable} must be like rate(5 minutes), cron(0 6 * * ? *) or at(2026-12-31T23:59:59).",
            ),
            Check(
                f'!startswith({name}, "cron(") || length(regexall("[?]", {name})) == 1',
                f"{variable} must have ? in exactly one of its day of month and its day of week, "
                "like cron(0 6 * * ? *).",
            ),
        )


class Zone:
    """A time zone by its IANA name."""

    terraform_type = "string"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str:
        """See `table.Rule`."""
        if references.passes(key, value):
            return str(value)
        if not isinstance(value, str) or not re.fullmatch(_ZONE, value) or not _is_zone(value):
            problems.add(key, value, "a time zone of the IANA database, such as Europe/Berlin")
            return "UTC"
        return value

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `table.Rule`."""
        condition = f"can(regex({hcl_text(f'^({_ZONE})$')}, var.{variable}))"
        return (Check(condition, f"{variable} must be a time zone such as Europe/Berlin."),)


def _is_zone(name: str) -> bool:
    """Say whether a name is in the database; where the machine has none, AWS decides."""
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return _has_no_zones()
    return True


def _has_no_zones() -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo("Europe/Berlin")
    except (KeyError, OSError, ValueError):
        return True
    return False
