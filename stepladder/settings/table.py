"""The table of the settings: a setting is a field of a frozen dataclass, made by `setting`.

Its default, its rule, its purpose and Terraform's words for it stand there and nowhere else. Settings are read by it,
Invoke's defaults and Terraform's variables come from it, and `docs/generate.py` writes the rest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, field, fields, replace
from typing import Any, Protocol, TypeVar

from stepladder.core.records import dataclass
from stepladder.settings.problems import Problems

_Section = TypeVar("_Section")
SERVICE = "service"
"""The Terraform module of the function, which most variables are of."""


@dataclass(frozen=True)
class Check:
    """A validation of a Terraform variable, and why it is there when its condition doesn't say so."""

    condition: str
    message: str
    comment: str = ""


class Rule(Protocol):
    """What a value must be."""

    @property
    def terraform_type(self) -> str:
        """The variable's type."""
        ...

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> Any:
        """Return a usable value, and note a problem when `value` isn't allowed. `before` is what held so far."""
        ...

    def checks(self, variable: str) -> tuple[Check, ...]:
        """Return Terraform's validations of the same rule; `variable` is its name, such as `alarms.periods`."""
        ...


class Relation(Protocol):
    """What holds between settings of one section."""

    def read(self, key: str, section: Any, problems: Problems) -> None:
        """Note a problem when it doesn't hold. `key` is the section's."""
        ...

    def check(self, variable: str) -> Check:
        """Return Terraform's validation. `variable` is the section's."""
        ...


class OwnRule:
    """The part of a rule that has no variable in Terraform."""

    terraform_type = ""

    def checks(self, _variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        return ()


def setting(  # noqa: PLR0913 - each says one thing of it, most settings say three
    default: Any = None,
    rule: Rule | None = None,
    purpose: str = "",
    *,
    factory: Callable[[], Any] | None = None,
    key: str = "",
    required: bool = False,
    before: Callable[[Any], Any] | None = None,
    description: str = "",
    module: str = "",
    variable: str = "",
    checks: tuple[Check, ...] | None = None,
) -> Any:
    """Declare a setting.

    `purpose` is its line in docs/reference/README.md. A section without one has a line for each of its settings. `key`
    is its name in `invoke.yaml`, where that differs from the field's. One that is `required` is read where it isn't
    given too. `before` gives what held before it was read, where that follows from the settings above it.

    `description` is that of Terraform's variable, which is then written into `module`. A setting with a `module` alone
    is passed on to a variable that stands there already. `variable` is its name in Terraform, where that differs.
    `checks` are Terraform's validations, where the rule's own don't say it best.
    """
    metadata = {
        "rule": rule,
        "purpose": purpose,
        "key": key,
        "required": required,
        "before": before,
        "description": description,
        "module": module or (SERVICE if description else ""),
        "variable": variable,
        "checks": checks,
    }
    return field(default_factory=factory, metadata=metadata) if factory else field(default=default, metadata=metadata)


def settings_of(section: Any) -> tuple[Field[Any], ...]:
    """Return the fields of a dataclass, or of one made of it, that are settings."""
    return _settings_of(section if isinstance(section, type) else type(section))


@functools.cache
def _settings_of(kind: type) -> tuple[Field[Any], ...]:
    return tuple(each for each in fields(kind) if "rule" in each.metadata)


def rule_of(of: Field[Any]) -> Rule:
    """Return the rule of a field."""
    rule: Rule = of.metadata["rule"]
    return rule


def key_of(of: Field[Any]) -> str:
    """Return a field's key in `invoke.yaml`."""
    return of.metadata["key"] or of.name


def keys_of(section: Any) -> tuple[str, ...]:
    """Return the keys of a section."""
    return tuple(map(key_of, settings_of(section)))


def variable_of(of: Field[Any]) -> str:
    """Return the name of a field's Terraform variable."""
    return of.metadata["variable"] or of.name


def checks_of(of: Field[Any], within: str = "") -> tuple[Check, ...]:
    """Return the validations of a field's Terraform variable; `within` is the variable that it is an attribute of."""
    own: tuple[Check, ...] | None = of.metadata["checks"]
    name = f"{within}.{variable_of(of)}" if within else variable_of(of)
    return rule_of(of).checks(name) if own is None else own


def read_section(key: str, raw: object, before: _Section, problems: Problems) -> _Section:
    """Read a mapping into a dataclass of settings; what it doesn't say is as in `before`. An empty key is the whole."""
    given = problems.mapping(key, raw, keys_of(before))
    section: Any = before
    new: dict[str, Any] = {}
    for each in settings_of(before):
        name, follows = key_of(each), each.metadata["before"]
        if follows and new:
            section, new = replace(section, **new), {}
        value = follows(section) if follows else getattr(section, each.name)
        if name in given or each.metadata["required"]:
            full = f"{key}.{name}" if key else name
            value = rule_of(each).read(full, given.get(name), value, problems)
        if value is not getattr(section, each.name):  # a hundred functions say little of what each inherits
            new[each.name] = value
    read: _Section = replace(section, **new) if new else section
    return read


def defaults(section: Any) -> dict[str, Any]:
    """Return a section's settings as `invoke.yaml` would say them."""
    return {key_of(each): plain(getattr(section, each.name)) for each in settings_of(section)}


def variables(section: Any, module: str) -> dict[str, Any]:
    """Return those of a section's settings that a Terraform module has variables for."""
    return {
        variable_of(each): given(each, getattr(section, each.name))
        for each in settings_of(section)
        if each.metadata["module"] == module
    }


def given(of: Field[Any], value: Any) -> Any:
    """Return what a setting's Terraform variable is given: the value, unless its rule makes another of it."""
    make: Callable[[Any], Any] | None = getattr(rule_of(of), "variable", None)
    return make(value) if make else plain(value)


def written_settings(section: Any) -> Iterator[tuple[Field[Any], Any]]:
    """Yield each setting, of this section or one within, whose Terraform variable is written from it; its default."""
    for each in settings_of(section):
        value = getattr(section, each.name)
        if each.metadata["description"]:
            yield each, value
        elif is_section(value):
            yield from written_settings(value)


def is_section(value: Any) -> bool:
    """Say whether a value is a section of settings."""
    return hasattr(value, "__dataclass_fields__") and bool(settings_of(value))


def plain(value: Any) -> Any:
    """Return a setting's value as JSON has it."""
    if is_section(value):
        return defaults(value)
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return str(value) if hasattr(value, "__dataclass_fields__") else value
