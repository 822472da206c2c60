"""The gates that a project sets up for a rung: windows of time without releases, and alarms of its own.

Both come from the function's environment, which Terraform sets. A hotfix passes both.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from gates import Change
from shared import gate_alarms
from shared.errors import RefusedError

from stepladder.core.freeze_facts import freeze_at, from_json
from stepladder.core.names import split_target


def not_frozen(change: Change) -> None:
    """Refuse an environment that is frozen, unless somebody gave the reason to release all the same."""
    target = change.target
    if change.release["hotfix"] or target.get("during_freeze"):
        return
    windows, offset = from_json(os.environ.get("FREEZES", ""))
    held = freeze_at(windows.get(split_target(target["environment"])[0], ()), change.now, offset)
    if held:
        raise RefusedError(
            f"{target['environment']} is frozen {held.sentence(offset)}; promote again then, or at once by "
            '`inv promote --during-freeze --why "..."`'
        )


def no_alarm_fires(change: Change) -> None:
    """Refuse a release while an alarm of the project fires, or one isn't there that was to be asked."""
    key = change.target["environment"]
    if change.release["hotfix"] or not gate_alarms.of(key):
        return
    if lacking := gate_alarms.unknown(key):
        raise RefusedError(
            f"promotion.alarms of {key} names {', '.join(lacking)}, and CloudWatch has no such alarm; correct it, then "
            "`inv promote --infra`"
        )
    if fires := gate_alarms.firing(key):
        raise RefusedError(f"{fires}; promotion.alarms lets nothing into {key} then, but for `inv promote --hotfix`")


CHANGED: tuple[Callable[[Change], None], ...] = (not_frozen, no_alarm_fires)
"""The gates in order. They come before those that every project has."""
