"""Policy variables: `${aws:username}`, `${aws:PrincipalTag/team, 'none'}`, `${*}`.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from typing import Protocol

from localcloud.authorization.patterns import with_wildcards

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_DEFAULT = re.compile(r"\s*([^,\s]+)\s*,\s*'([^']*)'\s*")
_LITERAL = {"*", "?", "$"}


class KeyValues(Protocol):
    """Gives the values of condition keys."""

    def get(self, key: str) -> tuple[str, ...]:
        """Return the values of a key, none for a key that the request doesn't have."""


class UnresolvedVariableError(Exception):
    """A variable has no value in this request. `key` names it."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def pattern_of(text: str, context: KeyValues, *, variables: bool) -> str:
    """Return a pattern with its wildcards marked, and its variables replaced by their values, which have none.

    Raises `UnresolvedVariableError` for a key that the request doesn't have, or has several values of.
    """
    if not variables or "${" not in text:
        return with_wildcards(text)
    return _replaced(text, context, wildcards=True)


def text_of(text: str, context: KeyValues, *, variables: bool) -> str:
    """Return a text with its variables replaced, for a comparison without wildcards. Raises as `pattern_of`."""
    return _replaced(text, context, wildcards=False) if variables and "${" in text else text


def _replaced(text: str, context: KeyValues, *, wildcards: bool) -> str:
    parts: list[str] = []
    end = 0
    for match in _VARIABLE.finditer(text):
        before = text[end : match.start()]
        parts += [with_wildcards(before) if wildcards else before, _value(match[1], context)]
        end = match.end()
    rest = text[end:]
    return "".join([*parts, with_wildcards(rest) if wildcards else rest])


def _value(name: str, context: KeyValues) -> str:
    if name in _LITERAL:
        return name
    default = _DEFAULT.fullmatch(name)
    key = (default[1] if default else name).strip().lower()
    values = context.get(key)
    if len(values) == 1:
        return values[0]
    if default and not values:
        return default[2]
    raise UnresolvedVariableError(key)
