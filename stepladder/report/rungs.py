"""A target of a story as a rung: also one in the environment of a preview, which is on no ladder."""

from __future__ import annotations

from dataclasses import replace

from stepladder.core import names
from stepladder.promotion.executions import StateMachine
from stepladder.releases.rung import Rung, clients


def at(machine: StateMachine, key: str) -> Rung:
    """Return a target as a rung with the clients of its location."""
    environment, function = names.split_target(key)
    if not names.is_preview(environment):
        return machine.at(key)
    known = function in machine.settings.function_names
    settings = machine.settings.of_function(function) if known else machine.settings
    return replace(machine.rung, settings=settings, environment=environment, aws=clients(machine.settings, environment))


def is_known(machine: StateMachine, key: str) -> bool:
    """Say whether the settings have a target's environment still."""
    environment, _ = names.split_target(key)
    return names.is_preview(environment) or environment in machine.settings.environments
