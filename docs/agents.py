"""The tables of the template's AGENTS.md: tasks that only read, and exit codes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stepladder.core.errors import ExitCode

PAGE = "template/{{cookiecutter.project_slug}}/AGENTS.md"


def page(root: Path, tasks: Iterable[tuple[str, Any, Any]], exit_codes: Mapping[ExitCode, str]) -> str:
    """Return the file with its tables."""
    text = (root / PAGE).read_text("utf-8")
    text = _filled(text, "generated", _reading(tasks))
    rows = "".join(f"| {int(code)} | {meaning} |\n" for code, meaning in exit_codes.items())
    return _filled(text, "exit codes", f"| code | what it means |\n|---|---|\n{rows}")


def _filled(text: str, name: str, table: str) -> str:
    before, _, rest = text.partition(f"<!-- begin: {name} -->\n")
    after = rest.partition(f"<!-- end: {name} -->")[2]
    return f"{before}<!-- begin: {name} -->\n{table}<!-- end: {name} -->{after}"


def _reading(tasks: Iterable[tuple[str, Any, Any]]) -> str:
    """Return the tasks that change nothing, as they are typed, on lines of a readable length."""
    typed = []
    for name, task, context in tasks:
        if task.reads_only:
            shown = next((alias for alias in context.aliases if "." not in alias), name)
            typed.append(f"`inv {shown}`")
    text = ", ".join(each.replace(" ", "\0") for each in typed)
    return "".join(f"{line}\n" for line in textwrap.wrap(text, 120, break_on_hyphens=False)).replace("\0", " ")
