"""Words of our own, or pictures, where AWS, Terraform, OCI, Git or Python has a word: people never read them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

INSTEAD = {
    r"climb(?:s|ed|ing|er)?": "promotion, promote",
    r"mend(?:s|ed|ing)?": "fix",
    r"weigh(?:s|ed|ing)?": "route traffic, split traffic",
    r"tak(?:e|es|en|ing) (?:it )?up(?! to)": "resume, import",
    r"took up": "resumed, imported",
    r"put (?:back )?in order": "recover",
    r"made anew|make anew|makes anew": "recreate",
    r"look (?:now|at|into|who|up|again)|looks? for|looked (?:at|for|up)": "check, read, poll, see",
    r"tell(?:s|ing)?|told": "say, print, report",
    r"the word of|gives? its word": "decision",
    r"nobody expected": "unexpected",
}
"""What is not to be read, as a pattern, and the words to take."""

PRIVATE = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)

IDENTIFIERS = {
    "asked": "requested, calls, a noun for what was read",
    "away": "remote, child",
    "beside": "nested, next_to",
    "bring brings": "copy, load",
    "climb climbs climbing climbed": "promotion, promote",
    "crowd crowded crowding": "concurrency",
    "desk desks": "machine, executions",
    "elsewhere": "remote",
    "found": "a noun for what it is: answer, entry, match, problems",
    "heard hear": "last_event, received",
    "here there": "local, remote, existing",
    "look looks looked looking": "poll, read, check",
    "mend mends mended": "fix",
    "often": "count, interval",
    "place places": "location, index, folder",
    "quiet": "options, silent",
    "said says": "message, text, printed",
    "stranger strangers": "unknown",
    "taken": "used, existing",
    "tell tells telling told": "print, send, publish; answer, values",
    "unfit": "invalid",
    "verdict verdicts": "outcome, decision",
    "weigh weighs weighed": "route, split",
    "world": "state",
}
"""Words that hide in a name what the thing is, and the words to take."""

STORED = frozenset(
    {
        "ElsewhereError",  # an execution's error
        "taken_names",  # a parameter of Invoke's
        "taken_over",  # what is done with a lock whose holder has died
    }
)
KEYS = frozenset({"asked_at", "elsewhere", "look_seconds", "max_looks", "place", "verdict", "verdict_seconds"})
"""Keys of the ledger's items and of an execution's input, as classes declare them. They keep working."""

_HIDING = {word: instead for words, instead in IDENTIFIERS.items() for word in words.split()}
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def hiding(name: str) -> str:
    """Return the words to take instead for a name that hides what the thing is; empty for any other name."""
    parts = [part.lower() for part in _PART.findall(name)]
    if name in STORED or parts[-2:] == ["not", "found"] or "NotFound" in name:
        return ""
    return next((_HIDING[part] for part in parts if part in _HIDING), "")


def bound_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of all that a module gives a name to: definitions, arguments, variables, attributes."""
    keys: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(body=body):
                keys |= {line.target for line in body if isinstance(line, ast.AnnAssign)}
                yield node.lineno, node.name
            case ast.Name(id=name) if name in KEYS and node in keys:
                continue
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
                yield node.lineno, name
