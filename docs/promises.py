"""Write the numbered promises into docs/concepts/promises.md: from the code's invariants and docs/promises.yaml.

`docs/generate.py` runs it. What stands outside of the two marks is written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from stepladder.promotion.invariants import INVARIANTS, Invariant

PAGE = Path("docs", "concepts", "promises.md")
BEGIN, END = "<!-- promises -->\n", "<!-- end of promises -->\n"


def described(root: Path) -> dict[str, dict[str, Any]]:
    """Return what is said of each promise, by its kind."""
    table: dict[str, dict[str, Any]] = yaml.safe_load((root / "docs" / "promises.yaml").read_text("utf-8"))
    return table


def page(root: Path) -> str:
    """Return the page with its promises as they must be."""
    text = (root / PAGE).read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{''.join(sections(root))}{END}{after}"


def sections(root: Path) -> Iterator[str]:
    """Yield the table of all promises, then a section for each."""
    known = described(root)
    rows = [f"| {one.number} | {one.sentence} | {known[one.kind]['holds']} |\n" for one in INVARIANTS]
    yield "| # | promise | holds |\n|---|---|---|\n" + "".join(rows)
    for one in INVARIANTS:
        yield section(one, known[one.kind])


def section(invariant: Invariant, known: dict[str, Any]) -> str:
    """Return what is said of one promise."""
    tests = "".join(f"* `{test}`\n" for test in known["tests"])
    return (
        f"\n### {invariant.number}. {known['title']}\n\n"
        f"{known['means']}\n\n"
        f"| | |\n|---|---|\n| holds | {known['holds']} |\n| does not cover | {known['except']} |\n\n"
        f"Tests that try to break it:\n\n{tests}"
    )
