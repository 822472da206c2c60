"""The table of docs/guides/doctor.md: every check, what it is of, and what it finds."""

from __future__ import annotations

import inspect
from pathlib import Path

from markdown_tables import markdown_table

from stepladder.doctor.check import ENVIRONMENT, LOCATION, PROJECT
from stepladder.doctor.registered import CHECKS

PAGE = "docs/guides/doctor.md"
BEGIN, END = "<!-- begin: generated -->\n", "<!-- end: generated -->"
_OF = {PROJECT: "the project", LOCATION: "each account and region", ENVIRONMENT: "each environment"}


def page(root: Path) -> str:
    """Return the page with its table."""
    text = (root / PAGE).read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    table = markdown_table(("check", "of", "says"), [(each.name, _OF[each.scope], _finds(each.act)) for each in CHECKS])
    return f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}"


def _finds(act: object) -> str:
    summary = (inspect.getdoc(act) or "").partition("\n\n")[0]
    return summary.removeprefix("Yield ").removesuffix(".")
