"""What an installer has written, laid out as it lies in the image, and nothing of the machine that installed it."""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from stepladder.images.context.files import Entry

_INSTALLER = {"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json"}


def entries(folder: Path, prefix: str, *, site: bool) -> list[Entry]:
    """Place in the image what the function may use, less what depends on the machine that installed it."""
    entries_by_name: dict[str, Entry] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (
            path.is_dir()
            or name == ".lock"
            or "__pycache__" in path.parts
            or (path.parent.name.endswith(".dist-info") and path.name in _INSTALLER)
            or (name.startswith("bin/") and _is_launcher(path))
        ):
            continue
        entries_by_name[name] = Entry(name, path, executable=bool(path.stat().st_mode & 0o100))
    for name, entry in entries_by_name.items():
        if name.endswith(".dist-info/RECORD"):
            _trim_record(entry.source, _as_recorded(name, entries_by_name))
    return [replace(entry, path=_placed(prefix, name, site=site)) for name, entry in entries_by_name.items()]


def _is_launcher(path: Path) -> bool:
    """Say whether a command begins with the path of the Python that installed it: a script of the installer's."""
    with path.open("rb") as file:
        first, second = file.readline(512), file.readline(8)
    return first.startswith(b"#!") and (b"python" in first or second.startswith(b"'''exec'"))


def _as_recorded(record: str, names: Iterable[str]) -> set[str]:
    """Return the kept files in RECORD's words: relative to the folder that its *.dist-info lies in."""
    root = posixpath.dirname(posixpath.dirname(record))
    return {posixpath.relpath(name, root or ".") for name in names}


def _placed(prefix: str, name: str, *, site: bool) -> str:
    """Return where a file goes: of site-packages the library goes there, the rest beside Python."""
    if not site:
        return f"{prefix}/{name}".lstrip("/")
    library = re.fullmatch(r"lib(?:64)?/python[\d.]+/site-packages/(.*)", name)
    return f"{prefix}/{library[1]}" if library else f"{prefix.rsplit('/', 3)[0]}/{name}"


def _trim_record(path: Path, kept: set[str]) -> None:
    """Leave in RECORD what is in the layer, sorted: importlib.metadata reads it."""
    rows = sorted(row for row in csv.reader(path.read_text(encoding="utf-8").splitlines()) if row and row[0] in kept)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    path.write_text(out.getvalue(), encoding="utf-8")
