"""The gates of rungs as Terraform's modules get them: freezes, the project's own alarms, what an image must have.

A project without any gives the modules nothing: its plans stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stepladder.settings import locations
from stepladder.settings.load import Settings

if TYPE_CHECKING:
    from stepladder.core.freeze_facts import FreezeWindow

UNTOUCHED: dict[str, Any] = {"gate_alarms": []}
"""What the service module does without the setting."""
_GROUP_HOLDS = 7
"""Alarms that a deployment group takes beside the three of the module: ten in all.

https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-groups-configure-advanced-options.html
"""


def delivery(settings: Settings, environment: str) -> dict[str, Any]:
    """Return the variables of the delivery module: the gates of the environments in this location."""
    location = locations.of(settings, environment)
    own = {
        name: policy for name, policy in settings.promotion.policies.items() if locations.of(settings, name) == location
    }
    frozen = {name: policy.freeze for name, policy in own.items() if policy.freeze}
    alarms = {name: list(policy.alarms) for name, policy in own.items() if policy.alarms}
    return {
        **({"freezes": _freezes(frozen)} if frozen else {}),
        **({"gate_alarms": alarms} if alarms else {}),
        **({"require": list(settings.promotion.require)} if settings.promotion.require else {}),
    }


def _freezes(frozen: Mapping[str, tuple[FreezeWindow, ...]]) -> str:
    from stepladder.core.freeze_facts import to_json
    from stepladder.settings.freezes import offsets

    zones = {window.zone for windows in frozen.values() for window in windows} - {"UTC"}
    return to_json(frozen, {zone: offsets(zone) for zone in sorted(zones)})


def service(settings: Settings, environment: str) -> dict[str, Any]:
    """Return the variable of the service module: the alarms that CodeDeploy itself can watch. The rest is polled."""
    policy = settings.promotion.policies.get(environment)
    location = locations.of(settings, environment)
    prefix = f":cloudwatch:{location.region}:{location.account}:alarm:"
    names = [
        name.partition(prefix)[2] if name.startswith("arn:") else name
        for name in (policy.alarms if policy else ())
        if not name.startswith("arn:") or prefix in name
    ]
    return {"gate_alarms": list(dict.fromkeys(names))[:_GROUP_HOLDS]} if names else {}
