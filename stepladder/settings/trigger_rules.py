"""The rules that only settings of triggers have: patterns, JSON, and what may be left out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepladder.settings import references
from stepladder.settings.problems import Problems
from stepladder.settings.rules import Text
from stepladder.settings.table import Check, checks_of, read_section, settings_of

_BUCKET = r"\$\{((?:data\.)?aws_s3_bucket\.[\w-]+(?:\[[^\]]*\])?)\.(?:bucket|id)\}"


@dataclass(eq=False, repr=False)
class Maybe:
    """A text that may be left out. Terraform gets a list of none or one.

    Terraform must know whether it is given before it knows the text, which may be a resource's that isn't made yet.
    """

    text: Text
    terraform_type = "list(string)"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> tuple[str, ...]:
        """See `table.Rule`."""
        return () if value is None else (self.text.read(key, value, None, problems),)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `table.Rule`."""
        each = self.text.checks("text")
        return (
            Check(f"length(var.{variable}) <= 1", f"{variable} must hold one text at most."),
            *(
                Check(
                    f"alltrue([for text in var.{variable} : {check.condition.replace('var.text', 'text')}])",
                    check.message.replace("text must", f"{variable} must", 1),
                )
                for check in each
            ),
        )


@dataclass(eq=False, repr=False)
class Keyed:
    """A text that several triggers may share. Terraform gets a map of one: the text by what it is written as.

    What is written is known before the text is, so a resource that the triggers share can be named by it.
    """

    text: Text
    terraform_type = "map(string)"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> dict[str, str]:
        """See `table.Rule`."""
        text = self.text.read(key, value, None, problems)
        return {label(text): text}

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `table.Rule`."""
        return (Check(f"length(var.{variable}) == 1", f"{variable} must hold one text, under a key of its own."),)


def label(text: str) -> str:
    """Return what a text is written as, in which Terraform reads no reference. Two ways to name a bucket are one."""
    bucket = re.fullmatch(_BUCKET, text)
    return bucket[1] if bucket else text.replace("${", "").replace("}", "")


class Json:
    """Any value; the function gets it as JSON. It may be left out."""

    terraform_type = "string"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str | None:
        """See `table.Rule`."""
        return None if value is None else _written(key, value, problems)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `table.Rule`."""
        condition = f"var.{variable} == null ? true : can(jsondecode(var.{variable}))"
        return (Check(condition, f"{variable} must be JSON."),)


@dataclass(eq=False, repr=False)
class Pattern:
    """What an event must be like: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html."""

    optional: bool = False
    terraform_type = "string"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> str | None:
        """See `table.Rule`."""
        if value is None and self.optional:
            return None
        if not is_pattern(value):
            problems.add(key, value, PATTERN)
            return "{}"
        return _written(key, value, problems)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `table.Rule`."""
        return Json().checks(variable)


PATTERN = "a mapping of keys to lists of values, such as {source: [orders]}"


@dataclass(eq=False, repr=False)
class Patterns:
    """A list of patterns, of which an event must be like one. Lambda takes five."""

    most: int = 5
    terraform_type = "list(string)"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> tuple[str, ...]:
        """See `table.Rule`."""
        if not isinstance(value, (list, tuple)) or not all(map(is_pattern, value)) or len(value) > self.most:
            problems.add(key, value, f"a list of at most {self.most}, each {PATTERN.replace('source', 'body')}")
            return ()
        return tuple(_written(key, each, problems) for each in value)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `table.Rule`."""
        condition = (
            f"length(var.{variable}) <= {self.most} && alltrue([for text in var.{variable} : can(jsondecode(text))])"
        )
        return (Check(condition, f"{variable} must be at most {self.most} texts of JSON."),)


def is_pattern(value: object) -> bool:
    """Say whether a value has the shape of a pattern: mappings down to lists, which aren't empty."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(each if isinstance(each, (list, tuple)) else is_pattern(each) for each in value.values())
    )


def _written(key: str, value: object, problems: Problems) -> str:
    if _has_quoted_reference(value):
        problems.add(key, value, "JSON whose references hold no quotes, such as ${local.orders}")
        return "{}"
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError):
        problems.add(key, value, "what JSON can say; a date or a time belongs in quotes")
        return "{}"


def _has_quoted_reference(value: object) -> bool:
    """Say whether a reference in a text has quotes, which JSON would escape and Terraform then couldn't read."""
    if isinstance(value, Mapping):
        return any(map(_has_quoted_reference, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_has_quoted_reference, value))
    return isinstance(value, str) and any(part.reference and '"' in part.text for part in references.parts(value))


@dataclass(eq=False, repr=False)
class Together:
    """Two settings of a trigger are both more than 0, or neither is."""

    one: str
    other: str

    def read(self, key: str, section: Any, problems: Problems) -> None:
        """Note a problem when it doesn't hold."""
        given, lacking = (self.one, self.other) if getattr(section, self.one) else (self.other, self.one)
        if getattr(section, given) and not getattr(section, lacking):
            problems.add(f"{key}.{given}", getattr(section, given), f"0 unless {key}.{lacking} is more than 0 too")

    def check(self, variable: str) -> Check:
        """Return Terraform's validation."""
        return Check(
            f"(var.{variable}.{self.one} > 0) == (var.{variable}.{self.other} > 0)",
            f"{variable}.{self.one} and {variable}.{self.other} must both be more than 0, or neither.",
        )


@dataclass(eq=False, repr=False)
class Group:
    """Settings that belong together, and may be left out together."""

    kind: type

    @property
    def terraform_type(self) -> str:
        """See `table.Rule`."""
        return "object"

    def read(self, key: str, value: Any, _before: Any, problems: Problems) -> Any:
        """See `table.Rule`."""
        return None if value is None else read_section(key, value, self.kind(), problems)

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `table.Rule`."""
        return tuple(
            Check(f"var.{variable} == null ? true : {check.condition}", check.message)
            for each in settings_of(self.kind)
            for check in checks_of(each, variable)
        )


class Cors(Group):
    """Which pages may call a URL. Browsers take no credentials from an answer to every origin."""

    def read(self, key: str, value: Any, before: Any, problems: Problems) -> Any:
        """See `table.Rule`."""
        group = super().read(key, value, before, problems)
        if group and not group.allow_origins and not problems.has(f"{key}.allow_origins"):
            problems.add(f"{key}.allow_origins", list(group.allow_origins), "at least one origin")
        if group and group.allow_credentials and "*" in group.allow_origins:
            problems.add(f"{key}.allow_credentials", True, "false, or allow_origins that name each origin instead of *")
        return group

    def checks(self, variable: str) -> tuple[Check, ...]:
        """See `table.Rule`."""
        cors = f"var.{variable}"
        condition = (
            f"{cors} == null ? true : length({cors}.allow_origins) > 0 && "
            f'!({cors}.allow_credentials && contains({cors}.allow_origins, "*"))'
        )
        message = f"{variable} must name origins, and * among them only without allow_credentials."
        return (*super().checks(variable), Check(condition, message))
