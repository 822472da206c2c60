"""The rules that settings have: how a value is read, and how Terraform's variable checks it.

Nobody compares rules or prints one, so their dataclasses get an `__init__` and no other method.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stepladder.settings import references, secret_values
from stepladder.settings.problems import Problems, kind
from stepladder.settings.table import Check, OwnRule, Relation, checks_of, read_section, settings_of

_WHOLE = 100  # percent
_WIDTH = 122  # of a line of Terraform code that lists names


@dataclass(eq=False, repr=False)
class Whole:
    """A whole number from `low` to `high`, or also `zero`, which then stands for none."""

    low: int
    high: int
    zero: bool = False
    terraform_type = "number"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> int:
        """See `Rule`."""
        if not self.zero:
            return problems.number(key, value, self.low, self.high)
        if isinstance(value, bool) or not isinstance(value, int) or (value and not self.low <= value <= self.high):
            problems.add(key, value, f"a whole number from {self.low} to {self.high}, or 0")
            return 0
        return value

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        name = f"var.{variable}"
        condition = f"{name} >= {self.low} && {name} <= {self.high} && floor({name}) == {name}"
        message = f"{variable} must be a whole number from {self.low} to {self.high}"
        if self.zero:
            return (Check(f"{name} == 0 || ({condition})", f"{message}, or 0."),)
        return (Check(condition, f"{message}."),)


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


@dataclass(eq=False, repr=False)
class Choice:
    """One of some texts. A function gives those that are registered at run time."""

    allowed: tuple[str, ...] | Callable[[], tuple[str, ...]]
    terraform_type = "string"

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts."""
        return self.allowed if isinstance(self.allowed, tuple) else self.allowed()

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str:
        """See `Rule`."""
        return problems.choice(key, value, self.choices)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        condition = f"contains({json.dumps(self.choices)}, var.{variable})"
        return (Check(condition, f"{variable} must be {listed(self.choices)}."),)


def listed(words: tuple[str, ...]) -> str:
    """Return `a, b or c`."""
    return f"{', '.join(words[:-1])} or {words[-1]}"


@dataclass(eq=False, repr=False)
class Text:
    """A text of one shape; `words` says which. `longest` counts characters; 0 sets no limit.

    One that is `literal` holds no reference where another might: it is needed before Terraform runs.
    """

    shape: str
    words: str
    longest: int = 0
    literal: bool = False
    terraform_type = "string"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str:
        """See `Rule`."""
        if not self.literal and references.passes(key, value):
            return str(value)
        text = problems.text(key, value, self.shape, self.words)
        if self.longest and len(text) > self.longest:
            problems.add(key, text, f"at most {self.longest} characters")
        return text

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        shaped = Check(
            f"can(regex({hcl_text(f'^({self.shape})$')}, var.{variable}))", f"{variable} must be {self.words}."
        )
        if not self.longest:
            return (shaped,)
        return (
            shaped,
            Check(
                f"length(var.{variable}) <= {self.longest}", f"{variable} must be at most {self.longest} characters."
            ),
        )


class Inside(OwnRule):
    """A path inside the project."""

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str:
        """See `Rule`."""
        return problems.inside(key, value)


class Flag(OwnRule):
    """True or false."""

    terraform_type = "bool"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> bool:
        """See `Rule`."""
        if not isinstance(value, bool):
            problems.add(key, value, "true or false")
        return bool(value)


@dataclass(eq=False, repr=False)
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


@dataclass(eq=False, repr=False)
class Texts:
    """A list of texts of one shape. One reference may stand for the whole list."""

    shape: str
    words: str
    each: str
    """What one of them is called."""
    filled: bool = False
    """Whether at least one is needed."""
    terraform_type = "list(string)"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> tuple[str, ...] | str:
        """See `Rule`."""
        if references.work_in(key) and references.is_one(value):
            return str(value)
        if not isinstance(value, (list, tuple)) or not all(
            isinstance(each, str) and (references.passes(key, each) or re.fullmatch(self.shape, each)) for each in value
        ):
            problems.add(key, value, f"a list of {self.words}")
            return ()
        if self.filled and not value:
            problems.add(key, list(value), f"at least one of {self.words}")
        return tuple(value)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        shaped = f"can(regex({hcl_text(f'^{self.shape}$')}, {self.each}))"
        condition = f"alltrue([for {self.each} in var.{variable} : {shaped}])"
        checks = (Check(condition, f"{variable} must be {self.words}."),)
        filled = Check(f"length(var.{variable}) > 0", f"{variable} must not be empty.")
        return (*checks, filled) if self.filled else checks


@dataclass(eq=False, repr=False)
class Unless:
    """A setting of a section is at most a number unless another one of it is more than 0."""

    setting: str
    most: int
    other: str

    def read(self, key: str, section: Any, problems: Problems) -> None:
        """Note a problem when it doesn't hold."""
        value = getattr(section, self.setting)
        if value > self.most and not getattr(section, self.other) > 0:
            problems.add(
                f"{key}.{self.setting}", value, f"at most {self.most} unless {key}.{self.other} is more than 0"
            )

    def check(self, variable: str) -> Check:
        """Return Terraform's validation."""
        return Check(
            f"var.{variable}.{self.setting} <= {self.most} || var.{variable}.{self.other} > 0",
            f"{variable}.{self.setting} must be at most {self.most} unless {variable}.{self.other} is more than 0.",
        )


@dataclass(eq=False, repr=False)
class Section:
    """Settings of their own: a mapping here, an object in Terraform."""

    kind: type
    more: tuple[Check, ...] = ()
    """What holds between several of its settings, or between one and another variable, in Terraform's words."""
    unless: tuple[Relation, ...] = ()
    """What holds between two of its settings."""
    terraform_type = "object"

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> Any:
        """See `Rule`."""
        section = read_section(key, value, before, problems)
        for each in self.unless:
            each.read(key, section, problems)
        return section

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `Rule`."""
        own = [check for each in settings_of(self.kind) for check in checks_of(each, variable)]
        return (*own, *(each.check(variable) for each in self.unless), *self.more)


@dataclass(eq=False, repr=False)
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
            problems.add(key, kind(value), "a mapping of names to text")
            return {}
        for name, text in value.items():
            shown = "..." if secret_values.why(str(name), str(text)) else text
            if not re.fullmatch(VARIABLE, str(name)):
                problems.add(
                    key, name, "names like LOG_LEVEL: at least two letters, digits and underscores, a letter first"
                )
            if not isinstance(text, str):
                problems.add(f"{key}.{name}", shown, "text; a number, true, false or a date belongs in quotes")
            if name in self.reserved:
                problems.add(f"{key}.{name}", shown, "a name that Lambda doesn't reserve: it sets this one itself")
        variables = {str(k): str(v) for k, v in {**before, **value}.items()}
        known = {name: text for name, text in variables.items() if not references.has(text)}
        size = len(as_json(known).encode())
        if value and size > self.longest:
            problems.add(key, f"{len(variables)} variables, {size} bytes", f"{self.longest} bytes together, as JSON")
        return variables

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
                f'alltrue([for name in {names} : can(regex("^{VARIABLE}$", name))])',
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


def hcl_text(text: str) -> str:
    """Write a text as Terraform does, in which `${` and `%{` would begin a template."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${").replace("%{", "%%{")


VARIABLE = r"[a-zA-Z][a-zA-Z0-9_]+"


def as_json(values: Mapping[str, str]) -> str:
    """Write variables as Terraform's `jsonencode` does, whose length the module limits."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")
