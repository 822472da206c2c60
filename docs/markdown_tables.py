"""Tables of Markdown."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, figures: Collection[int] = ()) -> str:
    """Return a table, a line for each row. A cell stays one: its bars and line ends are taken from it.

    `figures` are the indices of the columns of numbers, which are aligned on the right.
    """
    lines = [head, ["---:" if column in figures else "---" for column in range(len(head))], *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    text = " ".join(text.split()).replace("|", "\\|")
    return text if "`" in text else re.sub(r"<(?=[a-z/])", "&lt;", text)
