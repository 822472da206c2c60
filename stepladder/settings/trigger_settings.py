"""The settings of a trigger, by its kind: `settings.json` in the kind's folder, read into the table.

A setting has a `purpose`, its rule, which is one of `RULES`, and a `default` unless it is `required` or may be left
out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, make_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from stepladder.core import resources, trigger_kinds
from stepladder.settings.rules import Choice, Flag, Text, Texts, Unless, Whole
from stepladder.settings.table import Check, Rule, checks_of, setting, settings_of
from stepladder.settings.time_rules import ScheduleExpression, Zone
from stepladder.settings.trigger_rules import (
    Cors,
    Group,
    Json,
    Keyed,
    Maybe,
    Pattern,
    Patterns,
    Together,
)


def _text(rule: Mapping[str, Any]) -> Text:
    return Text(rule["shape"], rule["words"], rule.get("longest", 0))


def _texts(rule: Mapping[str, Any]) -> Texts:
    return Texts(rule["shape"], rule["words"], each="text", filled=rule.get("filled", False))


RULES: dict[str, Callable[[Any], Rule]] = {
    "choice": lambda allowed: Choice(tuple(allowed)),
    "cors": lambda settings: Cors(_table("Cors", settings)),
    "flag": lambda _: Flag(),
    "group": lambda settings: Group(_table("Group", settings)),
    "json": lambda _: Json(),
    "keyed": lambda rule: Keyed(_text(rule)),
    "maybe": lambda rule: Maybe(_text(rule)),
    "pattern": lambda rule: Pattern(optional=rule == "optional"),
    "patterns": lambda _: Patterns(),
    "schedule": lambda _: ScheduleExpression(),
    "text": _text,
    "texts": _texts,
    "whole": lambda limits: Whole(limits[0], limits[1]),
    "whole_or_0": lambda limits: Whole(limits[0], limits[1], zero=True),
    "zone": lambda _: Zone(),
}
"""The rules by name; `template/templates/triggers/README.md` says what each takes."""


@dataclass(frozen=True)
class TriggerTable:
    """The settings of the triggers of one kind: a dataclass of settings, and what holds between two of them."""

    kind: str
    settings: type
    between: tuple[Unless | Together, ...] = ()

    def check(self) -> Check | None:
        """Return Terraform's validation: what holds for one trigger, asked of each of the kind."""
        variable = f"triggers.{self.kind}"
        own = [check for each in settings_of(self.settings) for check in checks_of(each, variable)]
        own += [each.check(variable) for each in self.between]
        conditions = "".join(f"      {each.condition.replace(f'var.{variable}.', 'each.')},\n" for each in own)
        message = " ".join(each.message.replace(f"{variable}.", "") for each in own)
        return (
            Check(f"alltrue(flatten([for each in var.{variable} : [\n{conditions}    ]]))", f"{variable}: {message}")
            if own
            else None
        )


class _Tables(Mapping[str, TriggerTable]):
    """The tables by kind. Each is read when somebody asks for it: a project has triggers of one kind or two."""

    def __init__(self, template: Path) -> None:
        self._template = template
        self._kinds = {kind.name: kind for kind in trigger_kinds.read(template) if kind.name != trigger_kinds.NONE}
        self._read: dict[str, TriggerTable] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def __getitem__(self, name: str) -> TriggerTable:
        if name not in self._read:
            raw = trigger_kinds.settings(self._template, self._kinds[name])
            between: tuple[Unless | Together, ...] = (
                *(Unless(**each) for each in raw.get("unless", ())),
                *(Together(**each) for each in raw.get("together", ())),
            )
            self._read.setdefault(name, TriggerTable(name, _table(name, raw["settings"]), between))
        return self._read[name]


@cache
def tables() -> Mapping[str, TriggerTable]:
    """Return the table of each kind that a trigger may have, in their order."""
    return _Tables(resources.folder("template"))


def _table(name: str, settings: Mapping[str, Any]) -> type:
    """Return settings as a dataclass."""
    fields = [(each, Any, _setting(**row)) for each, row in settings.items()]
    return make_dataclass(name.title().replace("-", ""), fields, frozen=True)


def _setting(*, purpose: str, default: Any = None, required: bool = False, **rule: Any) -> Any:
    """Return a setting as a field."""
    ((name, allowed),) = rule.items()
    made = RULES[name](allowed)
    value = tuple(default) if isinstance(default, list) else default
    if isinstance(made, Maybe):
        value = ()
    if isinstance(made, Keyed):
        return setting(factory=dict, rule=made, purpose=purpose, required=required)
    return setting(value, made, purpose, required=required)
