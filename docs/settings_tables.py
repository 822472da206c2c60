"""The tables of docs/reference/README.md about the settings and the triggers, from the settings' own classes.

What is allowed is asked of the validation itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from markdown_tables import markdown_table

from stepladder.core import trigger_kinds
from stepladder.core.errors import BadInputError
from stepladder.settings.environments import EXAMPLE, Environments, EnvironmentSettings
from stepladder.settings.functions import EXAMPLE as EXAMPLE_FUNCTION
from stepladder.settings.functions import NamedFunction, NamedFunctions
from stepladder.settings.load import DEFAULT_TRIGGER, DEFAULTS, TRIGGER_KINDS, Settings, load
from stepladder.settings.overrides import PREFIX
from stepladder.settings.table import is_section, key_of, plain, rule_of, settings_of
from stepladder.settings.trigger_rules import Group
from stepladder.settings.trigger_settings import tables

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {"account": "123456789012", "region": "eu-west-1"}


class SettingRow(NamedTuple):
    """A line of the table of settings."""

    default: Any
    purpose: str


def setting_rows(section: Any, prefix: str = "") -> dict[str, SettingRow]:
    """Return the settings of a section and of those within, by key.

    An environment stands for all of them, and a function. What is a section with a purpose of its own has one line.
    """
    rows: dict[str, SettingRow] = {}
    for each in settings_of(section):
        key, default, purpose = f"{prefix}{key_of(each)}", getattr(section, each.name), each.metadata["purpose"]
        if isinstance(rule_of(each), Environments):
            rows |= setting_rows(EnvironmentSettings(), f"{key}.{EXAMPLE}.")
        elif isinstance(rule_of(each), NamedFunctions):
            rows |= setting_rows(NamedFunction(), f"{key}.{EXAMPLE_FUNCTION}.")
        elif is_section(default) and not purpose:
            rows |= setting_rows(default, f"{key}.")
        else:
            rows[key] = SettingRow({} if is_section(default) else default_of(key, default), purpose)
    return rows


def default_of(key: str, default: Any) -> Any:
    """Return a setting's default as `invoke.yaml` would say it."""
    return [DEFAULT_TRIGGER] if key == "triggers" else DEFAULTS.get(key, plain(default))


LISTS = (f"environments.{EXAMPLE}.triggers",)
"""Lists whose default is another setting's."""
SETTINGS = setting_rows(Settings(ROOT))
"""Every setting: what it is for, and its default. What is allowed and the variables' names come from the code too."""


def setting_table() -> str:
    """Return the table of settings."""
    rows = [
        (
            f"`{key}`",
            f"`{row.default!r}`" if row.default is not None else "",
            allowed(key),
            "in `invoke.yaml` only" if isinstance(row.default, (dict, list)) or key in LISTS else f"`{variable(key)}`",
            row.purpose,
        )
        for key, row in SETTINGS.items()
    ]
    return markdown_table(("key", "default", "allowed", "variable", "what it is"), rows)


def trigger_sections() -> str:
    """Return the kinds of triggers, and a table of the settings of each."""
    kinds = [(f"`{kind.name}`", kind.question) for kind in TRIGGER_KINDS if kind.name in tables()]
    parts = [markdown_table(("kind", "what calls the function"), kinds)]
    folder = ROOT / "template" / trigger_kinds.FOLDER
    own = {path.parent.name for path in folder.glob(f"*/{trigger_kinds.SETTINGS}")}
    alike = {kind.name: kind.like for kind in TRIGGER_KINDS if kind.like and kind.name not in own}
    for name in (name for name in tables() if name not in alike):
        rows = trigger_rows(name, tables()[name].settings())
        names = " and ".join(f"`{each}`" for each in (name, *(other for other, like in alike.items() if like == name)))
        head = ("key", "default", "allowed", "what it is")
        parts += [f"### {names}\n", markdown_table(head, rows)] if rows else []
    return "\n".join(parts)


def trigger_rows(kind: str, settings: Any, prefix: str = "") -> list[tuple[str, ...]]:
    """Return a row for each setting of a trigger, and for each within a group of them."""
    rows: list[tuple[str, ...]] = []
    for each in settings_of(settings):
        key, rule, value = f"{prefix}{key_of(each)}", rule_of(each), getattr(settings, each.name)
        default = "required" if each.metadata["required"] else "" if value in (None, (), {}) else f"`{value!r}`"
        if isinstance(rule, Group):
            rows += [(f"`{key}`", "", "a mapping", each.metadata["purpose"])]
            rows += trigger_rows(kind, rule.kind(), f"{key}.")
        else:
            rows += [(f"`{key}`", default, allowed_of_trigger(kind, key), each.metadata["purpose"])]
    return rows


def allowed_of_trigger(kind: str, key: str) -> str:
    """Return what the validation says of a trigger's setting when it is given something that isn't allowed."""
    bad: Any = object()
    for part in reversed(key.split(".")):
        bad = {part: bad}
    return _allowed(f"triggers[0].{key}", {"triggers": [{"kind": kind, **bad}]})


def variable(key: str) -> str:
    """Return the name of the variable that overrides a setting."""
    return f"{PREFIX}{key.replace('.', '_').upper()}"


def allowed(key: str) -> str:
    """Return what the validation itself says is allowed, when it is given something that isn't."""
    bad: Any = object()
    for part in reversed(key.split(".")):
        bad = {part: bad}
    return _allowed(key, bad)


def _allowed(key: str, bad: Mapping[str, Any]) -> str:
    settings = {"project": "a", "environments": {"staging": ENVIRONMENT, "production": ENVIRONMENT}}
    try:
        load(_merged(settings, bad), ROOT)
    except BadInputError as error:
        for problem in error.problems:
            match = re.fullmatch(rf"stepladder\.{re.escape(key)} is .*?; allowed: (.*)", problem)
            if match:
                return match[1]
    raise LookupError(f"nothing checks {key}")


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    both = {k: _merged(base[k], v) for k, v in over.items() if isinstance(v, Mapping) and k in base}
    return {**base, **over, **both}
