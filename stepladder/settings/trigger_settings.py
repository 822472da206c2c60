"""The settings that a trigger kind adds to those of the function: `settings.json` in the kind's folder.

It holds sections by name. A section has Terraform's `description`, its `settings`, and what holds between them
(`unless`). A setting has a `default`, a `purpose` and its rule, which is one of `RULES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import make_dataclass
from typing import Any, TypeVar

from stepladder.core import resources, trigger_kinds
from stepladder.settings.rules import Choice, Section, Text, Unless, Whole
from stepladder.settings.table import Rule, setting

_Settings = TypeVar("_Settings")

RULES: dict[str, Callable[[Any], Rule]] = {
    "choice": lambda allowed: Choice(tuple(allowed)),
    "text": lambda rule: Text(re.compile(rule["shape"]), rule["words"], rule.get("longest", 0)),
    "whole": lambda limits: Whole(limits[0], limits[1]),
    "whole_or_0": lambda limits: Whole(limits[0], limits[1], zero=True),
}
"""The rules that a kind's settings may have, by name. `whole_or_0` takes 0 too."""


def with_those_of_the_kinds(kind: type[_Settings]) -> type[_Settings]:
    """Return a dataclass of settings with the sections that the trigger kinds' folders add."""
    template = resources.folder("template")
    added = {
        name: _section(name, section)
        for each in trigger_kinds.read(template)
        for name, section in trigger_kinds.settings(template, each).items()
    }
    named = [(name, Any, field) for name, field in added.items()]
    made: type[_Settings] = make_dataclass(
        kind.__name__,
        named,
        bases=(kind,),
        frozen=True,
        namespace={"__doc__": kind.__doc__, "__module__": kind.__module__},
    )
    return made


def _section(name: str, raw: Mapping[str, Any]) -> Any:
    """Return a section as a field."""
    made = make_dataclass(
        name.title(), [(each, Any, _setting(**row)) for each, row in raw["settings"].items()], frozen=True
    )
    unless = tuple(Unless(**each) for each in raw.get("unless", ()))
    return setting(factory=made, rule=Section(made, unless=unless), description=raw["description"])


def _setting(*, default: Any, purpose: str, **rule: Any) -> Any:
    """Return a setting as a field."""
    ((name, allowed),) = rule.items()
    return setting(default, RULES[name](allowed), purpose)
