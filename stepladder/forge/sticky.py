"""One comment or issue of ours, known by a hidden marker: edited rather than repeated, and never made twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from stepladder.forge.interface import Posted

_MARKER = r"[a-z0-9][a-z0-9:._-]*"
_SECTION = r"(?s)\n*<!-- (stepladder-section:[a-z]+) -->\n.*?\n<!-- /\1 -->\n?"
_SECTIONS = 4
"""What part of a comment its sections may take together: the code of the change may have written them."""
_TRIES = 3  # of a section that another job's comment may have overwritten between our read and our write


@dataclass(frozen=True)
class Item:
    """A comment or an issue: what the forge calls it in its API, its title (of an issue), its text, its address."""

    id: str
    body: str
    title: str = ""
    url: str = ""


@dataclass(frozen=True)
class Items:
    """The forge's calls for one kind of item. `own` lists ours, the oldest first, whatever their marker."""

    own: Callable[[], Iterable[Item]]
    create: Callable[[str, str], Item]
    update: Callable[[Item, str, str], Item]
    remove: Callable[[Item], None]


def marked(markdown: str, marker: str) -> str:
    """Return a text that begins with its marker, which no forge renders. A marker is a word: `stepladder:plan`."""
    return f"{_comment(marker)}\n{markdown}"


def cut_to(markdown: str, limit: int, marker: str) -> str:
    """Return a marked text of at most `limit` characters. What is cut here was to be cut by whoever wrote it."""
    text = marked(markdown, marker)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def post(items: Items, title: str, text: str, marker: str, limit: int = 0) -> Posted:
    """Make exactly one item of ours have this marker, title and text.

    The sections that it has already are of other jobs, and stay. Where all is more than a limit the text is cut.
    """
    own = with_marker(items, marker)
    made = None
    if not own:
        made = items.create(title, text)
        own = with_marker(items, marker) or [made]  # a job that runs beside this one may have made another before
    first, *again = own
    text = _with_sections(text, "".join(match[0] for match in re.finditer(_SECTION, first.body)), limit)
    same = (_lines(first.body), first.title) == (_lines(text), title)
    current = first if same else items.update(first, title, text)
    for item in again:
        items.remove(item)
    if made and made.id == first.id:
        return Posted("created", made.url or first.url)
    return Posted("unchanged" if same else "updated", current.url or first.url)


def post_section(items: Items, text: str, marker: str, name: str, limit: int) -> Posted:
    """Make our item with this marker have a section with this text, and leave the rest of it; empty takes it out."""
    section = _section(name, text[: limit // (2 * _SECTIONS)]) if text else ""
    for _ in range(_TRIES):
        own = with_marker(items, marker)
        if not own and not section:
            return Posted("unchanged")
        if not own:
            made = items.create("", marked(section.lstrip("\n"), marker))
            return Posted("created", made.url)
        sections = re.finditer(_SECTION, own[0].body)
        others = "".join(match[0] for match in sections if match[1] != f"stepladder-section:{name}")
        body = _with_sections(re.sub(_SECTION, "", own[0].body), others + section, limit)
        if _lines(body) == _lines(own[0].body):
            return Posted("unchanged", own[0].url)
        current = items.update(own[0], "", body)
        if not section or any(section.strip() in _lines(item.body) for item in with_marker(items, marker)[:1]):
            return Posted("updated", current.url or own[0].url)
    return Posted(problem="another job wrote the comment at the same time, again and again")


def close(items: Items, say: Callable[[Item], object], marker: str) -> Posted:
    """Remove our items with this marker, which closes issues, and `say` something at each afterwards."""
    own = with_marker(items, marker)
    for item in own:
        items.remove(item)
        say(item)
    return Posted("closed" if own else "unchanged", own[0].url if own else "")


def with_marker(items: Items, marker: str) -> list[Item]:
    """Return our items with a marker, the oldest first. It counts only where we write it: at the very beginning."""
    return [item for item in items.own() if item.body.startswith(_comment(marker))]


def _section(name: str, text: str) -> str:
    begin = f"stepladder-section:{name}"
    return f"\n\n<!-- {begin} -->\n{text.strip()}\n<!-- /{begin} -->\n"


def _with_sections(text: str, sections: str, limit: int) -> str:
    """Return a text with sections behind it; where they are more than a limit together, the text is cut.

    Sections that take too much of the comment are left out: the text must not be kept from being written.
    """
    if not sections or (limit and len(sections) > limit // _SECTIONS):
        return text
    room = limit - len(sections) - 1
    text = text.rstrip()
    return (f"{text[:room]}…" if limit and len(text) > room else text) + sections


def _lines(text: str) -> str:
    """Return a text as forges keep it: some change line ends and the last blanks."""
    return text.replace("\r\n", "\n").strip()


def _comment(marker: str) -> str:
    if not re.fullmatch(_MARKER, marker) or "--" in marker:
        raise ValueError(f"{marker!r} can't mark a comment")
    return f"<!-- {marker} -->"
