"""What `inv diff` says of a function's configuration: by a plan, applied and not released yet, changed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepladder.aws_lambda.lambda_function import FunctionState
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases import drift
from stepladder.terraform import functions
from stepladder.terraform.losses import FUNCTION
from stepladder.terraform.review import ReviewedChange

SETTINGS, APPLIED, BY_HAND = "settings", "applied", "by hand"
HIDDEN = "(hidden)"


@dataclass(frozen=True)
class ConfigurationChange:
    """One attribute of the function. `source` says what changes it.

    It is `settings` (Terraform would apply it), `applied` (it was applied, and no version has it yet) or `by hand`
    (somebody changed it, and an apply sets it back). Values that may be secret are `(hidden)`.
    """

    attribute: str
    before: str
    after: str
    source: str


def planned(changes: Sequence[ReviewedChange], name: str) -> tuple[ConfigurationChange, ...]:
    """Return the attributes of a function, by its name, that plans would change. Its own function has no name."""
    own = [each for each in changes if each.type == FUNCTION and each.action == "update"]
    return tuple(
        ConfigurationChange(attribute.path, attribute.before, attribute.after, SETTINGS)
        for each in own
        if functions.name_in(each.address) == name
        for attribute in each.attributes
    )


def unreleased(
    ledger: Snapshot, served: FunctionState | None, latest: FunctionState | None
) -> tuple[ConfigurationChange, ...]:
    """Return the attributes in which $LATEST differs from the version that is served."""
    if served is None or latest is None or served.config_hash == latest.config_hash:
        return ()
    if drift.has_drifted(ledger, latest):
        return tuple(_attributes(latest.configuration, served.configuration, BY_HAND))
    return tuple(_attributes(served.configuration, latest.configuration, APPLIED))


def _attributes(before: Mapping[str, Any], after: Mapping[str, Any], source: str) -> list[ConfigurationChange]:
    changes: list[ConfigurationChange] = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if name == "Environment":
            was, wanted = ((each or {}).get("Variables", {}) for each in (old, new))
            changes += [
                ConfigurationChange(
                    f"Environment.{key}", HIDDEN if key in was else "", HIDDEN if key in wanted else "", source
                )
                for key in sorted({*was, *wanted})
                if was.get(key) != wanted.get(key)
            ]
        else:
            changes.append(ConfigurationChange(name, _text(old), _text(new), source))
    return changes


def _text(value: Any) -> str:
    return "" if value is None else str(value)
