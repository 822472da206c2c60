"""Put texts of others into Markdown for a forge: none of them can become markup, a mention, a command or a heading.

Forges read more than Markdown: `@name` calls a person, `/merge` at the start of a line is a command of GitLab's,
`</details>` ends what a comment folds. What comes from elsewhere therefore stands in code, which forges leave alone:
inside of a line in a code span, else in a fenced block. A code span in a table is no way, since `|` ends its cell.
"""

from __future__ import annotations

import re
import unicodedata

_TICKS = "`+"
_SPECIAL = r"([\\`*_{}\[\]()#!|~<>&@$^])"
_HIDDEN = {"Cc", "Cf", "Zl", "Zp", "Cs"}


def visible(text: str) -> str:
    """Return a text on one line, with what can't be seen or turns the direction of writing as its escape."""
    shown = (c if unicodedata.category(c) not in _HIDDEN else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown)


def code(text: str) -> str:
    """Return a text as a code span, whatever is in it."""
    shown = visible(text) or " "
    fence = "`" * (max(map(len, re.findall(_TICKS, shown)), default=0) + 1)
    pad = " " if shown[0] == "`" or shown[-1] == "`" or (shown[0] == shown[-1] == " " and shown.strip()) else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def block(lines: list[str], language: str = "") -> str:
    """Return lines as a fenced block. No line of it ends the block: the fence is longer than any in them."""
    shown = [visible(line) for line in lines]
    longest = max((len(ticks) for line in shown for ticks in re.findall(_TICKS, line)), default=0)
    fence = "`" * max(longest + 1, 3)
    return "\n".join([f"{fence}{language}", *shown, fence])


def plain(text: str) -> str:
    """Return a text as words amid Markdown, also in a table: its marks stand for themselves, and it names nobody.

    A mention is broken by a character without width, since forges read names in what Markdown made of it.
    """
    return re.sub(r"(\\[@#!$~%&])(?=\w)", "\\1\u200b", re.sub(_SPECIAL, r"\\\1", visible(text)))


def folded(summary: str, body: str) -> str:
    """Return a part that is folded away under a summary of plain words."""
    return f"<details><summary>{escaped(summary)}</summary>\n\n{body}\n\n</details>"


def escaped(text: str) -> str:
    """Return a text as HTML shows it."""
    shown = visible(text)
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("@", "@\u200b")):
        shown = shown.replace(mark, entity)
    return shown
