"""Take secrets out of texts that others wrote: exceptions, log lines, Terraform's errors, commit titles.

A text loses what has the shape of a secret, and the value that stands behind a name of one (`DB_PASSWORD=...`).
"""

from __future__ import annotations

import re

from stepladder.settings import secret_values

HIDDEN = "(hidden)"
_NAMED = (
    r"""(?P<name>[A-Za-z][\w.-]{1,60})(?P<sign>\\{0,8}["']?\s{0,9}(?:=>|=|:)\s{0,9})"""
    r"""(?P<open>[bru]{0,2}\\{0,8}(?P<quote>["']))?"""
    r"""(?P<value>(?(quote)(?:(?!\\{0,8}(?P=quote)).){3,4000}|[^\s"',;&}\])\\]{3,4000}))"""
)
"""A name, a sign and a value: in quotes to their end, also in quotes that JSON within JSON escapes; else a word."""
_HEADER = r"""(?i)(?P<name>authorization\W{1,8}(?:bearer|basic|token)\s+)[^\s"',;\\]+"""
_JUDGED = 100  # characters of a value that say whether it is none: a switch, a path, where a secret is
_WORD = r"\S+"
_BLOCK = r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\Z)"


def redacted(text: str) -> str:
    """Return a text without what looks like a secret."""
    if not text:
        return text
    text = re.sub(_BLOCK, HIDDEN, text)
    text = re.sub(_HEADER, rf"\g<name>{HIDDEN}", text)
    text = _without_values(text)
    return re.sub(_WORD, _without_shape, text)


def _without_values(text: str) -> str:
    """Hide the values behind names of secrets, also inside of another name's: `error:password=...`."""
    kept, at = list[str](), 0
    while match := re.compile(_NAMED).search(text, at):
        begin = match.start("value")
        is_secret = _is_secret(match["name"], match["value"][:_JUDGED])
        kept += [text[at:begin], HIDDEN if is_secret else ""]
        at = match.end() if is_secret else begin
    return "".join((*kept, text[at:]))


def _is_secret(name: str, value: str) -> bool:
    if " " in value:  # a sentence: of the shapes of secrets, each word of it is judged by itself
        return secret_values.is_secret_name(name)
    return bool(secret_values.why(name, value))


def _without_shape(match: re.Match[str]) -> str:
    return HIDDEN if secret_values.why("", match[0].strip("\"'`(),;.")) else match[0]
