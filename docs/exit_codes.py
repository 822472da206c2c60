"""Make docs/reference/exit-codes.md: each exit code, what to do, and the kinds of errors that end with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import error_catalogue
from markdown_tables import markdown_table

from stepladder.core.errors import ExitCode

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "exit-codes.md"
NEXT = {
    ExitCode.OK: "nothing",
    ExitCode.FAILED: "read the error, and [its kind](errors.md)",
    ExitCode.BAD_INPUT: "change what the message names; nothing was done",
    ExitCode.ROLLED_BACK: "fix the release; callers have the version from before",
    ExitCode.REFUSED: "do what the hint says; nothing has moved",
    ExitCode.ROLLBACK_FAILED: "[act now](../guides/exit-code-5.md): callers may have a bad version",
    ExitCode.NOT_READY: "run it again when the tool, the credentials or AWS are there",
    ExitCode.LOCKED: "[wait, or see who it is](../guides/locked.md)",
    ExitCode.INTERRUPTED: "run it again",
}
HEAD = """# Exit codes

Written by `docs/generate.py` from the code; a test compares.

Every task ends with one of these. A script decides by the code, and reads `error_kind` of `--json`.
"""
TAIL = """An unknown task, an unknown flag and a missing one are bad input (2). Outside a project Invoke ends with 1.

## In a job

| the job | wants |
| --- | --- |
| deploys, or promotes | to fail on every code but 0 |
| checks for drift | to read 2 as drift, and any other code as a check that did not work |
| tries again by itself | to try 6 and 7 again, and no other |
| calls a person | 5 |
"""


def page(meanings: Mapping[ExitCode, str]) -> str:
    """Return docs/reference/exit-codes.md."""
    kinds: dict[int, set[str]] = defaultdict(set)
    for each in error_catalogue.raised():
        kinds[each.exit_code].add(each.kind)
    for error in error_catalogue.classes().values():
        kinds[error.exit_code].add(error.kind)
    known = {kind for entries in error_catalogue.kinds().values() for kind in entries}
    rows = [(f"{int(code)}", text, NEXT[code]) for code, text in meanings.items()]
    parts = [HEAD, markdown_table(("code", "meaning", "then"), rows), TAIL]
    parts.append("## Kinds of errors by code\n")
    lists = [
        (f"{int(code)}", ", ".join(f"[`{kind}`](errors.md#{kind})" for kind in sorted(kinds[int(code)] & known)))
        for code in meanings
    ]
    table = markdown_table(("code", "kinds"), [(code, links) for code, links in lists if links])
    parts.append(f"A kind may end with several codes.\n\n{table}")
    return "\n".join(parts)
