"""The settings under `environments.<name>:`, each in one place, and the rungs that name the environments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stepladder.core import names
from stepladder.core.records import dataclass
from stepladder.core.similar import did_you_mean
from stepladder.settings.function import FunctionSettings
from stepladder.settings.problems import Problems
from stepladder.settings.rules import Section, Text
from stepladder.settings.table import OwnRule, read_section, setting
from stepladder.settings.triggers import Trigger, Triggers

EXAMPLE = "staging"
"""The name that stands for any environment in the reference."""


class Role(OwnRule):
    """The ARN of a role; nothing for none. The environment checks it, since it knows the account."""

    def read(self, _key: str, value: Any, _before: Any, _problems: Problems) -> str:
        """See `table.Rule`."""
        return "" if value is None else str(value)


@dataclass(frozen=True)
class EnvironmentSettings:
    """One environment: its account and region, and the function's settings there.

    Everything that works on this environment assumes `role_arn`. Empty: the credentials are used as they are.
    """

    name: str = ""
    account: str = setting(
        None,
        Text(names.ACCOUNT_PATTERN, "12 digits in quotes (YAML reads a bare number with a leading zero as octal)"),
        f"AWS account of an environment (here `{EXAMPLE}`)",
        required=True,
    )
    region: str = setting(None, Text(names.REGION_PATTERN, "a region like eu-west-1"), "its region", required=True)
    role_arn: str = setting("", Role(), "role that is assumed for everything done there, from the credentials at hand")
    function: FunctionSettings = setting(
        factory=FunctionSettings, rule=Section(FunctionSettings), purpose="what differs from `function` there"
    )
    triggers: tuple[Trigger, ...] | None = setting(
        None, Triggers(), "what calls the function there, in place of the project's `triggers`"
    )


class Environments(OwnRule):
    """The environments by name. What all of them begin with is read before."""

    def read(
        self, key: str, value: Any, before: EnvironmentSettings, problems: Problems
    ) -> dict[str, EnvironmentSettings]:
        """See `table.Rule`."""
        if not isinstance(value, Mapping) or not value:
            problems.add(key, value, "at least one environment with its account and region")
            return {}
        return {str(name): self._one(key, name, body, before, problems) for name, body in value.items()}

    def _one(
        self, key: str, name: object, body: object, before: EnvironmentSettings, problems: Problems
    ) -> EnvironmentSettings:
        problems.text(
            key,
            name,
            names.ENVIRONMENT_PATTERN,
            "names of 2 to 12 lower-case letters and digits, beginning with a letter",
        )
        environment = read_section(f"{key}.{name}", body, replace(before, name=str(name)), problems)
        _check_role(f"{key}.{name}.role_arn", environment, problems)
        return environment


def _check_role(key: str, environment: EnvironmentSettings, problems: Problems) -> None:
    """Check that the role is in the environment's account: no other check would see that."""
    arn, account = re.fullmatch(names.ROLE_PATTERN, environment.role_arn), environment.account
    if environment.role_arn and (arn is None or (account and arn["account"] != account)):
        where, example = (f"account {account}", account) if account else ("the environment's account", "<account>")
        allowed = f"the ARN of a role in {where}, such as arn:aws:iam::{example}:role/deploy"
        problems.add(key, environment.role_arn, allowed)


class Rungs(OwnRule):
    """The rungs, lowest first. A list inside the list is one rung of several environments."""

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> tuple[tuple[str, ...], ...]:
        """See `table.Rule`."""
        if not isinstance(value, (list, tuple)) or not value:
            problems.add(key, value, "a list of environments, lowest first")
            return ()
        return tuple(tuple(str(n) for n in rung) if isinstance(rung, (list, tuple)) else (str(rung),) for rung in value)


def check_rungs(
    rungs: tuple[tuple[str, ...], ...], raw: object, environments: Mapping[str, EnvironmentSettings], problems: Problems
) -> None:
    """Check that the rungs name environments, and each once."""
    flat = [name for rung in rungs for name in rung]
    for name in flat:
        if name not in environments:
            meant = did_you_mean(name, environments)
            allowed = f"one of {', '.join(environments) or 'the environments'}"
            problems.add("rungs", name, f"{allowed}; {meant}" if meant else allowed)
    if len(set(flat)) != len(flat) or not all(rungs):
        problems.add("rungs", raw, "each environment once")
