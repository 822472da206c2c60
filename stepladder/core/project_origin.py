"""What a project was made from: the version, and whether its Terraform modules are as that version has them.

The standard library only: the template loads this module by path when it makes a project.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = ".cruft.json"
"""In cruft's own format, so that `cruft check` works; `version` and `unresolved` are ours."""
MODULES = Path("terraform") / "modules"
MODULES_FILE = ".origin.json"
UPGRADE = Path(".stepladder") / "upgrade"
JOURNAL = "journal.json"
"""It is there while an upgrade writes, and after one that was killed: some files are the new version's then."""
FIRST = "0.1.0"
"""The version of a project that records none."""
_JUNK = frozenset({".terraform", ".terraform.lock.hcl", "__pycache__", ".DS_Store"})
_NUMBERS = r"(\d+(?:\.\d+)*)(?:\.?(a|b|rc|dev)(\d+))?"
_STAGES = ("dev", "a", "b", "rc", None)


@dataclass(frozen=True)
class ModulesOrigin:
    """A project's Terraform modules beside what it was made with.

    `edited` names the files that differ from what that version had, relative to the modules' folder; a project of a
    version that recorded no single files has `*` for all of them. `outdated`: that version's modules aren't those of
    the stepladder that is compared with. `version` made them; `missing`: nothing is known.
    """

    edited: tuple[str, ...] = ()
    outdated: bool = False
    version: str = FIRST
    missing: bool = False


def read(path: Path) -> dict[str, Any] | None:
    """Read a record of an origin. None when there is none, or when it is no JSON object."""
    try:
        value = json.loads(path.read_text("utf-8")) if path.is_file() else None
    except (OSError, RecursionError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def is_half_upgraded(project: Path) -> bool:
    """Say whether an upgrade of a project was killed between two files."""
    return (project / UPGRADE / JOURNAL).is_file()


def unresolved(project: Path) -> tuple[str, ...]:
    """Return the files that are in conflict with an upgrade: the version before made them, and the rest is newer."""
    conflicts = (read(project / FILE) or {}).get("unresolved")
    paths = conflicts.get("paths") if isinstance(conflicts, dict) else None
    return tuple(map(str, paths)) if isinstance(paths, list) else ()


def version_of(record: Mapping[str, Any] | None) -> str:
    """Return the version that a record names."""
    version = (record or {}).get("version")
    return version if isinstance(version, str) and re.fullmatch(_NUMBERS, version) else FIRST


def order(version: str) -> tuple[tuple[int, ...], int, int]:
    """Return a key that sorts our versions as PEP 440 does: 0.2.0.dev1 < 0.2.0rc1 < 0.2.0."""
    match = re.match(_NUMBERS, version.removeprefix("v"))
    if not match:
        return (), 0, 0
    numbers = [int(number) for number in match[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), _STAGES.index(match[2]), int(match[3] or 0)


def another(version: str, running: str) -> str:
    """Return how a version is named beside the one that runs: two commits may have one number."""
    return f"stepladder {version}, and {running} runs" if version != running else f"another commit of {version}"


def file_hashes(folder: Path, *, unix: bool = False) -> dict[str, str]:
    """Return the SHA-256 of each file of the modules, by its path. `unix`: as if each line ended as on Unix."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in _contents(folder, unix=unix)}


def tree_hash(folder: Path, *, unix: bool = False) -> str:
    """Return the SHA-256 of the names and contents of the modules' files."""
    digest = hashlib.sha256()
    for name, content in _contents(folder, unix=unix):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def modules(project: Path, own: Path) -> ModulesOrigin:
    """Compare a project's modules with those that it was made with, and these with those in `own`, of a stepladder."""
    folder = project / MODULES
    record = read(folder / MODULES_FILE)
    recorded = (record or {}).get("sha256")
    if record is None or not isinstance(recorded, str):
        return ModulesOrigin(missing=True)
    outdated = recorded != tree_hash(own)
    version = version_of(record)
    if recorded == tree_hash(folder) or recorded == tree_hash(folder, unix=True):
        return ModulesOrigin((), outdated, version)
    return ModulesOrigin(_edited(folder, record.get("files")), outdated, version)


def _edited(folder: Path, recorded: Any) -> tuple[str, ...]:
    if not isinstance(recorded, dict):
        return ("*",)
    exact, unix = file_hashes(folder), file_hashes(folder, unix=True)
    names = sorted(recorded.keys() | exact.keys())
    return tuple(name for name in names if recorded.get(name) not in (exact.get(name), unix.get(name)))


def _contents(folder: Path, *, unix: bool) -> list[tuple[str, bytes]]:
    paths = [("/".join(parts), folder.joinpath(*parts)) for parts in sorted(_files(folder))]
    return [(name, _unix(path.read_bytes()) if unix else path.read_bytes()) for name, path in paths]


def _files(folder: Path) -> Iterator[tuple[str, ...]]:
    """Yield the path of each file of the modules, by its parts."""
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _JUNK]
        below = Path(base).relative_to(folder)
        for path in (below / name for name in names):
            if not _is_junk(path) and (folder / path).is_file():
                yield path.parts


def _unix(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")


def _is_junk(path: Path) -> bool:
    """Recognise Terraform's own files, and those of other tools: no version made them."""
    return path.as_posix() == MODULES_FILE or path.name in _JUNK or path.suffix == ".tfplan" or ".tfstate" in path.name
