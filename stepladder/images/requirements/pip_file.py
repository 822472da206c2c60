"""A requirements file in the image that is built: what it locks, and where pip would find it.

Unlike `requirements`, files that it names by `-r` or `-c` are found in the image, variables are the stage's, and
an option that can't be honoured is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from stepladder.core import text
from stepladder.core.errors import BadInputError
from stepladder.images.parsers.run_command import Indexes
from stepladder.images.requirements import read as requirements
from stepladder.images.requirements.read import Requirement

_NOTHING = {"--require-hashes", "--prefer-binary", "--pre", "--use-feature"}


@dataclass(frozen=True)
class Locked:
    """What requirements files ask for: each requirement, as it is written with its hashes, and pip's options."""

    pinned: tuple[Requirement, ...] = ()
    lines: tuple[str, ...] = ()
    indexes: Indexes = field(default_factory=Indexes)
    unknown: tuple[str, ...] = ()
    limits: tuple[Requirement, ...] = ()
    """What `-c` allows: of locked versions it can only forbid some."""

    def __add__(self, other: Locked) -> Locked:
        own, others = self.indexes, other.indexes
        merged = Indexes(
            others.index or own.index,
            (*own.extra, *others.extra),
            (*own.links, *others.links),
            own.no_index or others.no_index,
            (*own.trusted, *others.trusted),
        )
        return Locked(
            (*self.pinned, *other.pinned),
            (*self.lines, *other.lines),
            merged,
            (*self.unknown, *other.unknown),
            (*self.limits, *other.limits),
        )

    def with_links(self, links: Iterable[str]) -> Locked:
        """Return it with other places to find wheels in."""
        return replace(self, indexes=replace(self.indexes, links=tuple(links)))


def read(path: Path, where: str, variables: Mapping[str, str], nested: Callable[[str], Locked]) -> Locked:
    """Return what a file asks for. `nested` reads what a line `-r other.txt` names.

    Raises `BadInputError` with every option that can't be honoured.
    """
    locked, refused = Locked(), list[str]()
    for number, line in requirements.logical(text.read(path, where=where), variables):
        location = f"{where}:{number}"
        if not line.startswith("-"):
            locked += Locked((requirements.parse(location, line),), (line,))
            continue
        option = _option(location, line, nested)
        if not requirements.is_option(line):
            locked += Locked(unknown=(f"{location}: {line[:80]}",))
        elif option is None:
            refused.append(
                f"{location}: {line[:80]}: {requirements.option(line)[0]} is not known to the layers builder"
            )
        else:
            locked += option
    if refused:
        raise BadInputError(
            f"{where} has options that the layers builder doesn't honour",
            kind="bad-requirements",
            hint="take the lines out, or set `stepladder.image.builder` to docker",
            problems=tuple(refused),
        )
    return locked


def _option(location: str, line: str, nested: Callable[[str], Locked]) -> Locked | None:
    name, value = requirements.option(line)
    if name == "--requirement":
        return nested(value)
    if name == "--constraint":
        return Locked(limits=nested(value).pinned)
    if name == "--editable":
        return Locked((Requirement(location, line, url=value, editable=True),), (line,))
    known = {
        "-i": Indexes(index=value),
        "--index-url": Indexes(index=value),
        "--pypi-url": Indexes(index=value),
        "--extra-index-url": Indexes(extra=(value,)),
        "-f": Indexes(links=(value,)),
        "--find-links": Indexes(links=(value,)),
        "--no-index": Indexes(no_index=True),
        "--trusted-host": Indexes(trusted=(value,)),
    }
    if name in known:
        return Locked(indexes=known[name])
    return Locked() if name in _NOTHING or (name, value) == ("--only-binary", ":all:") else None
