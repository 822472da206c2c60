"""The rules of a setting that Terraform gets too: how it is read here, and how Terraform's variable checks it.

A setting is a field of a frozen dataclass, made by `setting`. Its default, its rule, its purpose and Terraform's words
for it stand there and nowhere else: settings are read by it, and `docs/generate.py` writes the rest.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Protocol, TypeVar

from stepladder.settings.problems import Problems

_Section = TypeVar("_Section")
_WHOLE = 100  # percent
_WIDTH = 122  # of a line of Terraform code that lists names


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


def setting(
    default: Any = None,
    rule: Rule | None = None,
    purpose: str = "",
    *,
    factory: Callable[[], Any] | None = None,
    description: str = "",
    variable: str = "",
    checks: tuple[Check, ...] | None = None,
) -> Any:
    """Declare a setting.

    `purpose` is its line in docs/reference/README.md, `description` that of Terraform's variable. `variable` is its
    name in Terraform, where that differs. `checks` are Terraform's validations, where the rule's own don't say it best.
    """
    metadata = {
        "rule": rule,
        "purpose": purpose,
        "description": description,
        "variable": variable,
        "checks": checks,
    }
    return field(default_factory=factory, metadata=metadata) if factory else field(default=default, metadata=metadata)


def rule_of(of: Field[Any]) -> Rule:
    """Return the rule of a field."""
    rule: Rule = of.metadata["rule"]
    return rule


def variable_of(of: Field[Any]) -> str:
    """Return the name of a field's Terraform variable."""
    return of.metadata["variable"] or of.name


def checks_of(of: Field[Any], within: str = "") -> tuple[Check, ...]:
    """Return the validations of a field's Terraform variable; `within` is the variable that it is an attribute of."""
    own: tuple[Check, ...] | None = of.metadata["checks"]
    name = f"{within}.{variable_of(of)}" if within else variable_of(of)
    return rule_of(of).checks(name) if own is None else own


def read_section(key: str, raw: object, before: _Section, problems: Problems) -> _Section:
    """Read a mapping into a dataclass of settings; what it doesn't say is as in `before`."""
    kind: Any = type(before)
    given = problems.mapping(key, raw, tuple(each.name for each in fields(kind)))
    values = {each.name: getattr(before, each.name) for each in fields(kind)}
    for each in fields(kind):
        if each.name in given:
            values[each.name] = rule_of(each).read(f"{key}.{each.name}", given[each.name], values[each.name], problems)
    read: _Section = kind(**values)
    return read


def defaults(section: Any) -> dict[str, Any]:
    """Return a section's settings as `invoke.yaml` would say them."""
    return {each.name: plain(getattr(section, each.name)) for each in fields(section)}


def variables(section: Any) -> dict[str, Any]:
    """Return a section's settings as Terraform variables."""
    return {variable_of(each): plain(getattr(section, each.name)) for each in fields(section)}


def plain(value: Any) -> Any:
    """Return a setting's value as JSON has it."""
    if hasattr(value, "__dataclass_fields__"):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int
    high: int
    terraform_type = "number"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> int:
        """See `Rule`."""
        return problems.number(key, value, self.low, self.high)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        name = f"var.{variable}"
        condition = f"{name} >= {self.low} && {name} <= {self.high} && floor({name}) == {name}"
        return (Check(condition, f"{variable} must be a whole number from {self.low} to {self.high}."),)


@dataclass(frozen=True)
class Percent:
    """A share of calls: neither none nor all of them."""

    terraform_type = "number"

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> float:
        """See `Rule`."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < _WHOLE:
            problems.add(key, value, "a number above 0 and below 100")
            value = before
        share: float = value
        return share

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        name = f"var.{variable}"
        message = f"{variable} must be more than 0 and less than {_WHOLE}."
        return (Check(f"{name} > 0 && {name} < {_WHOLE}", message),)


@dataclass(frozen=True)
class Choice:
    """One of some texts."""

    allowed: tuple[str, ...]
    terraform_type = "string"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str:
        """See `Rule`."""
        return problems.choice(key, value, self.allowed)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        condition = f"contains({json.dumps(self.allowed)}, var.{variable})"
        words = f"{', '.join(self.allowed[:-1])} or {self.allowed[-1]}"
        return (Check(condition, f"{variable} must be {words}."),)


@dataclass(frozen=True)
class Offered:
    """One of the numbers that AWS offers; `words` says so in Terraform's message."""

    allowed: tuple[int, ...]
    words: str
    terraform_type = "number"

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> int:
        """See `Rule`."""
        if isinstance(value, bool) or not isinstance(value, int) or value not in self.allowed:
            problems.add(key, value, ", ".join(map(str, self.allowed)))
            value = before
        number: int = value
        return number

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        return (Check(f"contains({json.dumps(self.allowed)}, var.{variable})", f"{variable} must be {self.words}."),)


@dataclass(frozen=True)
class Texts:
    """A list of texts of one shape."""

    shape: re.Pattern[str]
    words: str
    each: str
    """What one of them is called."""
    terraform_type = "list(string)"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> tuple[str, ...]:
        """See `Rule`."""
        if not isinstance(value, (list, tuple)) or not all(self.shape.fullmatch(str(each)) for each in value):
            problems.add(key, value, f"a list of {self.words}")
            return ()
        return tuple(value)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        shaped = f'can(regex("^{self.shape.pattern}$", {self.each}))'
        condition = f"alltrue([for {self.each} in var.{variable} : {shaped}])"
        return (Check(condition, f"{variable} must be {self.words}."),)


@dataclass(frozen=True)
class Section:
    """Settings of their own: a mapping here, an object in Terraform."""

    kind: type
    more: tuple[Check, ...] = ()
    """What holds between several of its settings, or between one and another variable."""
    terraform_type = "object"

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> Any:
        """See `Rule`."""
        return read_section(key, value, before, problems)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        own = [check for each in fields(self.kind) for check in checks_of(each, variable)]
        return (*own, *self.more)


@dataclass(frozen=True)
class Variables:
    """Environment variables: names to text. Those of an environment add to those of the project."""

    reserved: frozenset[str]
    longest: int
    """Bytes of all variables together, as JSON."""
    source: str
    """Where AWS lists the reserved names."""
    terraform_type = "map(string)"

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> dict[str, str]:
        """See `Rule`."""
        if not isinstance(value, Mapping):
            problems.add(key, value, "a mapping of names to text")
            return {}
        for name, text in value.items():
            if not _VARIABLE.fullmatch(str(name)) or not isinstance(text, str):
                problems.add(f"{key}.{name}", text, "text, under a name like LOG_LEVEL")
            if name in self.reserved:
                problems.add(f"{key}.{name}", text, "a name that Lambda doesn't reserve: it sets this one itself")
        found = {str(k): str(v) for k, v in {**before, **value}.items()}
        size = len(_as_json(found).encode())
        if value and size > self.longest:
            problems.add(key, f"{len(found)} variables, {size} bytes", f"{self.longest} bytes together, as JSON")
        return found

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        names = f"keys(var.{variable})"
        listed = textwrap.fill(
            ", ".join(json.dumps(name) for name in sorted(self.reserved)) + ",",
            _WIDTH,
            initial_indent=" " * 6,
            subsequent_indent=" " * 6,
        )
        return (
            Check(
                f'alltrue([for name in {names} : can(regex("^{_VARIABLE.pattern}$", name))])',
                f"{variable} must have names of at least two letters, digits and underscores, beginning with a letter.",
            ),
            Check(
                f"length(setintersection({names}, [\n{listed}\n    ])) == 0",
                f"{variable} must not set a name that Lambda reserves, such as AWS_REGION.",
                self.source,
            ),
            Check(
                f"length(jsonencode(var.{variable})) <= {self.longest}",
                f"{variable} must not be longer than {self.longest // 1024} KB together.",
            ),
        )


_VARIABLE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")


def _as_json(values: Mapping[str, str]) -> str:
    """Write variables as Terraform's `jsonencode` does, whose length the module limits."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
