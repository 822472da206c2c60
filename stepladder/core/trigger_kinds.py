"""The trigger kinds: one folder each in the template, and the folder is the whole registration.

`template/templates/triggers/README.md` says what a folder holds. The template reads the same folders by this file, so
it uses the standard library only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = "kind.json"
SETTINGS = "settings.json"
FOLDER = "templates/triggers"
COMMON = "templates/common"
NONE = "none"
"""The kind of a project that nothing calls."""


@dataclass(frozen=True)
class TriggerKind:
    """One kind. `question` is its choice in `inv new`, `summary` how the project's README speaks of it.

    `order` is its place in lists. `like` names the kind that gives the files which this one lacks. `note` stands behind
    its name in the description of Terraform's variable. `own` names the file of the project's own Terraform that makes
    what calls the function, such as a table.
    """

    name: str
    question: str
    order: int
    summary: str = ""
    like: str = ""
    note: str = ""
    default: bool = False
    own: str = ""

    @property
    def own_ci(self) -> str:
        """The file of the foundation that lets CI jobs make it; none where the project makes nothing of its own."""
        return f"ci_{self.own}" if self.own else ""

    @property
    def named_in_terraform(self) -> str:
        """The name as the description of Terraform's variable has it."""
        return f"`{self.name}`{f' ({self.note})' if self.note else ''}"


@cache
def read(template: Path) -> tuple[TriggerKind, ...]:
    """Return every kind of a template, in their order."""
    kinds = [TriggerKind(path.parent.name, **json.loads(path.read_text("utf-8"))) for path in _files(template)]
    return tuple(sorted(kinds, key=lambda kind: (kind.order, kind.name)))


def names(template: Path) -> tuple[str, ...]:
    """Return the names of the kinds, in their order."""
    return tuple(kind.name for kind in read(template))


def default(template: Path) -> str:
    """Return the kind that a project has unless it says otherwise."""
    return next(kind.name for kind in read(template) if kind.default)


def choices(template: Path) -> tuple[TriggerKind, ...]:
    """Return the kinds as a person is asked: the default first."""
    return tuple(sorted(read(template), key=lambda kind: not kind.default))


def question(template: Path) -> str:
    """Return the names of the kinds in a sentence: the default first."""
    *most, last = (kind.name for kind in choices(template))
    return f"{', '.join(most)} or {last}"


def find(template: Path, name: str) -> TriggerKind:
    """Return one kind. Raises `LookupError` that lists the known ones."""
    for kind in read(template):
        if kind.name == name:
            return kind
    raise LookupError(f"there is no trigger kind {name!r}; known: {', '.join(names(template))}")


def settings(template: Path, kind: TriggerKind) -> dict[str, Any]:
    """Return the settings of a trigger of this kind: its `settings.json`, or that of the kind that it is like."""
    for name in (kind.name, kind.like):
        path = template / FOLDER / name / SETTINGS
        if name and path.is_file():
            read: dict[str, Any] = json.loads(path.read_text("utf-8"))
            return read
    return {"settings": {}}


def part(template: Path, name: str, file: str) -> Path:
    """Return a kind's file: its own, else that of the kind it is like, else the one that all kinds share.

    The path may be missing: not every kind has every file.
    """
    kind = find(template, name)
    folders = [f"{FOLDER}/{each}" for each in (kind.name, kind.like) if each]
    paths = [template / folder / file for folder in (*folders, COMMON)]
    return next((path for path in paths if path.is_file()), paths[-1])


def _files(template: Path) -> list[Path]:
    return sorted((template / FOLDER).glob(f"*/{FILE}"))
