"""Take secrets out of texts that others wrote: exceptions, log lines, Terraform's errors, commit titles.

A text loses what has the shape of a secret, and the value that stands behind a name of one (`DB_PASSWORD=...`).
"""

from __future__ import annotations

import re

from stepladder.settings import secret_values

HIDDEN = "(hidden)"
_NAMED = re.compile(
    r"""(?P<name>[A-Za-z][\w.-]{1,60})(?P<sign>["']?\s*(?:=|:|=>)\s*["']?)(?P<value>[^\s"',;&}\])]{3,})"""
)
_WORD = re.compile(r"\S+")
_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\Z)", re.DOTALL
)


def redacted(text: str) -> str:
    """Return a text without what looks like a secret."""
    if not text:
        return text
    text = _BLOCK.sub(HIDDEN, text)
    text = _NAMED.sub(_without_value, text)
    return _WORD.sub(_without_shape, text)


def _without_value(match: re.Match[str]) -> str:
    if secret_values.why(match["name"], match["value"]):
        return f"{match['name']}{match['sign']}{HIDDEN}"
    return match[0]


def _without_shape(match: re.Match[str]) -> str:
    return HIDDEN if secret_values.why("", match[0].strip("\"'`(),;.")) else match[0]
