"""The state machine of the primary location, for a task."""

from __future__ import annotations

from typing import Any

from stepladder.promotion.executions import StateMachine
from stepladder.releases.rung import opened
from stepladder.settings import functions, locations, placeholder
from stepladder.settings.load import from_context


def state_machine(
    context: Any, verb: str, *, as_json: bool = False, acting: bool = False, dry_run: bool = False
) -> StateMachine:
    """Return the state machine of the primary location, which promotes up the whole ladder."""
    settings = from_context(context)
    if acting:
        placeholder.refuse(settings, settings.ladder_environments)
    own = functions.MAIN if settings.main else settings.function_names[0]
    primary = locations.representatives(settings)[0]
    return StateMachine(opened(context, primary, verb, function=own, as_json=as_json, dry_run=dry_run))
