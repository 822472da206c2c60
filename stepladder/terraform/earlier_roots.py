"""What a service root of the project's own copy takes, which an earlier stepladder may have made.

A project keeps the Terraform code that it was made with. A setting that this code has no variable for is left out while
it says what the module does anyway. So nothing changes in such a project, not even the hash of its inputs. Any other
setting reaches the module directly (`overrides.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepladder.settings.environments import EnvironmentSettings
from stepladder.settings.function import FunctionSettings
from stepladder.settings.load import DEFAULT_TRIGGER, Settings
from stepladder.settings.triggers import old_triggers, variable
from stepladder.terraform import module_call

LIST = "triggers"
ONE = "trigger"
OF_ONE = ("queue", "schedule", ONE)
"""The variables that stood for the list before there was one."""
FIRST = frozenset(
    {
        *("alarms", "environment_variables", "log_level", "log_retention_days", "memory_mb"),
        *("reserved_concurrency", "timeout_seconds"),
    }
)
"""The function's variables that 0.1.0 gave to its roots. These declare two more, which were not settings then."""


def untouched() -> dict[str, Any]:
    """Return the list of triggers of a project that says nothing, as the module's variable."""
    return {LIST: variable(old_triggers(DEFAULT_TRIGGER, "", {}))}


def fitting(
    folder: Path, settings: Settings, environment: EnvironmentSettings, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a service root gets of its variables, with the triggers in the form that it knows."""
    names = module_call.variables(folder)
    triggers = {LIST: variable(settings.triggers_of(environment))}
    given = {name: value for name, value in values.items() if name not in OF_ONE}
    is_earlier = ONE in names and LIST not in names
    if not is_earlier:
        given |= triggers
    elif environment.triggers is not None and triggers != untouched():
        given |= triggers | {ONE: ""}
    else:
        given = {**values, ONE: settings.trigger or DEFAULT_TRIGGER}
    unchanged = FunctionSettings().variables
    needless = {name for name in unchanged if names and (name not in names or (is_earlier and name not in FIRST))}
    return {n: value for n, value in given.items() if n not in needless or value != unchanged[n]}
