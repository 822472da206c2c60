"""Read requirement files as pip does: continued lines, comments, options, `-r`, direct references, hashes.

https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stepladder.core import text
from stepladder.core.errors import BadInputError
from stepladder.images.context import shown

_COMMENT = r"(^|\s+)#.*$"
_VARIABLE = r"\$\{([A-Z0-9_]+)\}"
_HASH = r"\s--hash[=\s]\s*(\S+)"
_FRAGMENT = r"#(?:.*&)?(sha(?:256|384|512))=([0-9a-f]+)"
_OPTION = r"\s--(?:config-settings?|global-option)[=\s]\s*\S+|\s-C\s*\S+"
_NAMED = r"(?s)([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*(@.*|[\s(<>=!~;].*)?"
_PINNED = r"===?\s*([^\s,*()]+)"
_WITH_VALUE = (
    *("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--no-binary", "--only-binary"),
    *("-r", "--requirement", "-c", "--constraint", "-e", "--editable", "--trusted-host", "--use-feature"),
)
_FLAGS = ("--no-index", "--prefer-binary", "--require-hashes", "--pre")
_LONG = {"-r": "--requirement", "-c": "--constraint", "-e": "--editable"}
_ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz")
_NESTED = 20


@dataclass(frozen=True)
class Requirement:
    """One requirement; `where` is its file and line for people, `text` the line without its hashes.

    A direct reference has a `url`, which may be a path. A bare one has the name that its wheel's file has, or none.
    """

    where: str
    text: str
    name: str = ""
    extras: frozenset[str] = frozenset()
    specifier: str = ""
    marker: str = ""
    url: str = ""
    hashes: tuple[str, ...] = ()
    editable: bool = False

    @property
    def key(self) -> str:
        """The name as all spellings of it compare (PEP 503)."""
        return normal(self.name)

    @property
    def version(self) -> str:
        """The one version that is asked for; empty when there may be several."""
        match = re.fullmatch(_PINNED, self.specifier)
        return match[1] if match else ""


@dataclass
class Requirements:
    """What a file and the files that it names ask for. `files` are all that were read, by path."""

    requirements: list[Requirement] = field(default_factory=list)
    constraints: list[Requirement] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    files: dict[Path, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def normal(name: str) -> str:
    """Return a project's name in the one spelling that all others are compared by."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(path: Path, where: str = "") -> Requirements:
    """Read a requirements file and what it names by `-r` and `-c`.

    Raises `BadInputError` for a file that isn't text or isn't there, and for files that name each other in a circle.
    """
    requirements = Requirements()
    _read(path, where or f"{shown.name(path.parent)}/{path.name}", requirements, requirements.requirements, 0)
    return requirements


def _read(path: Path, where: str, requirements: Requirements, into: list[Requirement], depth: int) -> None:
    if depth > _NESTED:
        raise BadInputError(
            f"{where}: requirement files name each other in a circle", kind="bad-requirements", hint=f"fix `{where}`"
        )
    requirements.files[path] = content = text.read(path, where=where)
    for number, line in logical(content, os.environ):
        location = f"{where}:{number}"
        if not line.startswith("-"):
            into.append(parse(location, line))
            continue
        name, value = option(line)
        if name == "--editable":
            into.append(Requirement(location, line, url=value, editable=True))
        elif name in {"--requirement", "--constraint"}:
            inner = path.parent / value
            shown = f"{where.rpartition('/')[0]}/{value}" if "/" in where else value
            try:
                _read(
                    inner, shown, requirements, requirements.constraints if name == "--constraint" else into, depth + 1
                )
            except FileNotFoundError:
                raise BadInputError(
                    f"{location}: there is no {shown}", kind="bad-requirements", hint=f"fix `{location}`"
                ) from None
        elif name == "--trusted-host":
            requirements.hosts.append(value)
        elif name not in (*_WITH_VALUE, *_FLAGS):
            requirements.unknown.append(f"{location}: {line[:80]}")


def logical(content: str, variables: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the lines, continued ones joined, without comments: a comment ends a continued line, as in pip.

    `${NAME}` is what `variables` say, and stays when they don't.
    """
    pending, start = "", 0
    for number, raw in enumerate(text.lines(content), 1):
        start = start or number
        comment = raw.lstrip().startswith("#")
        if raw.endswith("\\") and not comment:
            pending += raw[:-1] + " "
            continue
        joined = re.sub(_COMMENT, "", pending + (f" {raw}" if comment else raw)).strip()
        if joined:
            yield start, re.sub(_VARIABLE, lambda match: variables.get(match[1]) or match[0], joined)
        pending, start = "", 0
    if joined := re.sub(_COMMENT, "", pending).strip():
        yield start, joined


def option(line: str) -> tuple[str, str]:
    """Split an option from its value: `-r x`, `-rx`, `--requirement x`, `--requirement=x`."""
    if line.startswith("--"):
        name, value = (*re.split(r"[=\s]", line, maxsplit=1), "")[:2]
    else:
        name, value = line[:2], line[2:].removeprefix("=")
    return _LONG.get(name, name), value.strip().strip("\"'")


def is_option(line: str) -> bool:
    """Say whether a line begins with an option that pip knows."""
    return option(line)[0] in {*_WITH_VALUE, *_FLAGS}


def parse(where: str, line: str) -> Requirement:
    """Read one logical line that is no option."""
    hashes = tuple(re.findall(_HASH, f" {line}"))
    line = re.sub(_OPTION, "", re.sub(_HASH, "", f" {line}")).strip()
    body, _, marker = line.partition(" ;")
    named = re.fullmatch(_NAMED, body.strip())
    if named and not _is_path(body):
        rest = (named[3] or "").strip()
        extras = frozenset(normal(extra.strip()) for extra in (named[2] or "").split(",") if extra.strip())
        if rest.startswith("@"):
            url = rest[1:].strip()
            return Requirement(where, line, named[1], extras, "", marker.strip(), url, hashes + _in_fragment(url))
        specifier, _, tight = rest.partition(";")  # a marker needs no blank before it, but after a direct reference
        specifier = specifier.strip().removeprefix("(").removesuffix(")").strip()
        return Requirement(where, line, named[1], extras, specifier, (marker or tight).strip(), "", hashes)
    url = body.strip()
    file = url.partition("#")[0].rpartition("/")[2]
    name = file.partition("-")[0] if file.endswith(".whl") else ""
    return Requirement(where, line, name, frozenset(), "", marker.strip(), url, hashes + _in_fragment(url))


def _is_path(body: str) -> bool:
    first = re.split(r"[@;\s\[(<>=!]", body.strip(), maxsplit=1)[0]
    return "/" in first or "\\" in first or first.startswith(("~", ".")) or first.lower().endswith(_ARCHIVES)


def _in_fragment(url: str) -> tuple[str, ...]:
    return tuple(f"{kind}:{value}" for kind, value in re.findall(_FRAGMENT, url))
