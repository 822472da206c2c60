"""References in the text of a setting to the project's own Terraform: `${aws_dynamodb_table.orders.arn}`.

A reference is an expression of Terraform between `${` and `}` that names a resource, a data source, a local, a variable
or a module. It may stand inside a longer text, and it may call Terraform's functions. Terraform evaluates it, in the
service root, so that the order of creation follows.

`${aws:username}`, with a colon, is a variable of IAM's policies, and no reference. `$${` in front of what would be one
stands for the text `${` itself. All else that looks like it, such as `${name}`, is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stepladder.core.records import dataclass
from stepladder.settings.problems import Problems

EXAMPLE = "${aws_dynamodb_table.orders.name}"
_KEYS = r"(?:functions\.[^.]+\.)?(?:environments\.[^.]+\.)?(?:function|triggers)(?:[.\[]|$)"
_POLICY_VARIABLE = r"\s*[\w-]+:"
_QUOTED = r'"(?:\\.|[^"\\])*"'
_NAMED = (
    r"(?<![\w.:/-])(?:(?P<head>data|local|module|var)\.[A-Za-z_][\w-]*|(?P<type>[a-z][a-z0-9]*_[a-z0-9_]+)\.[A-Za-z_])"
)
_DECLARED = r"(?<![\w.:/-])(?:data\.[a-z][\w-]*|[a-z][a-z0-9]*_[a-z0-9_]+|local|module|var)\.[A-Za-z_][\w-]*"
_OPEN = r"(\$*)\$\{"


@dataclass(frozen=True)
class Part:
    """A piece of a text: plain text, or a reference as Terraform writes it, with `${` and `}`."""

    text: str
    reference: bool = False


def parts(text: str) -> Iterator[Part]:
    """Yield a text's pieces in their order; an escaped reference is plain text without its escape."""
    start = position = 0
    while match := re.compile(_OPEN).search(text, position):
        end = _end(text, match.end())
        if end < 0:
            break
        if not _is_reference(text[match.end() : end]):
            position = match.end()
            continue
        opening = match.end() - len("${")
        if match[1]:  # an escape
            yield Part(text[start : opening - 1])
            start, position = opening, end
            continue
        if opening > start:
            yield Part(text[start:opening])
        yield Part(text[opening : end + 1], reference=True)
        start = position = end + 1
    if start < len(text):
        yield Part(text[start:])


def has(value: Any) -> bool:
    """Say whether a text, or any text in a list or mapping, holds a reference."""
    if isinstance(value, str):
        return "${" in value and any(part.reference for part in parts(value))
    if isinstance(value, Mapping):
        return any(map(has, value)) or any(map(has, value.values()))
    return isinstance(value, (list, tuple)) and any(map(has, value))


def is_one(value: Any) -> bool:
    """Say whether a text is one reference and nothing else: its value may then be a list, or a number."""
    return isinstance(value, str) and [part.reference for part in parts(value)] == [True]


def literal(value: Any) -> Any:
    """Return a value without references as it is meant: each escape is taken out of its texts."""
    if isinstance(value, str):
        return "".join(part.text for part in parts(value)) if "${" in value else value
    return _each(value, literal)


def template(value: Any) -> Any:
    """Return a value as Terraform's JSON syntax has it: a template, in which the references alone are evaluated."""
    if isinstance(value, str):
        return "".join(part.text if part.reference else quoted(part.text) for part in parts(value))
    return _each(value, template)


def quoted(text: str) -> str:
    """Return a plain text as a template that gives it."""
    return text.replace("${", "$${").replace("%{", "%%{")


def named(value: str) -> Iterator[str]:
    """Yield what must be declared for a text's references: `aws_sqs_queue.orders`, `local.front`.

    Expressions with variables of their own (`for`) are left to Terraform.
    """
    for part in parts(value):
        if part.reference and not re.search(r"\bfor\b", part.text):
            yield from (match[0] for match in re.finditer(_DECLARED, re.sub(_QUOTED, '""', part.text)))


def work_in(key: str) -> bool:
    """Say whether a setting may hold references: those of the function, which the service root gets."""
    return bool(re.match(_KEYS, key))


def passes(key: str, value: Any) -> bool:
    """Say whether a setting's text holds a reference where one may stand: no shape can be checked then."""
    return work_in(key) and has(value)


def check(raw: Mapping[str, Any], problems: Problems) -> None:
    """Refuse a reference where Terraform's service root doesn't get the setting, and one that doesn't end."""
    for key, value in misplaced(raw):
        if not problems.has(key):
            problems.add(key, value, "text without a reference to Terraform; the settings of the function may hold one")
    for key, value in unclosed(raw):
        if not problems.has(key):
            problems.add(key, value, f"a reference that ends with }}, such as {EXAMPLE}")


def misplaced(raw: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text with a reference where none can work, after its key."""
    yield from ((at, text) for at, text in _texts(raw, key) if has(text) and not work_in(at))


def unclosed(raw: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield each text whose reference lacks its `}`, after its key."""
    for at, text in _texts(raw, key):
        opened = (match for match in re.finditer(_OPEN, text) if not match[1] and _end(text, match.end()) < 0)
        if any(re.match(_NAMED, text[match.end() :].lstrip()) for match in opened):
            yield at, text


def _texts(raw: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(raw, Mapping):
        for name, value in raw.items():
            yield from _texts(value, f"{key}.{name}" if key else str(name))
    elif isinstance(raw, (list, tuple)):
        for value in raw:
            yield from _texts(value, key)
    elif isinstance(raw, str) and "${" in raw:
        yield key, raw


def _each(value: Any, make: Any) -> Any:
    if isinstance(value, Mapping):
        return {make(name): make(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [make(each) for each in value]
    return value


def _is_reference(body: str) -> bool:
    return not re.match(_POLICY_VARIABLE, body) and bool(re.search(_NAMED, re.sub(_QUOTED, '""', body)))


def _end(text: str, start: int) -> int:
    """Return where the brace closes that was opened before `start`, or -1."""
    depth, position = 1, start
    while position < len(text):
        quote = re.compile(_QUOTED).match(text, position)
        if quote:
            position = quote.end()
            continue
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if not depth:
            return position
        position += 1
    return -1
