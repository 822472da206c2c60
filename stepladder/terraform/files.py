"""Write and hash files so that a kill leaves the old or the new content, and equal content has equal bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_SKIPPED = frozenset({".terraform", ".git", "__pycache__"})
_SKIPPED_SUFFIXES = (".tfstate", ".tfplan", ".backup")


def write_text(path: Path, text: str, *, mode: int = 0o644) -> Path:
    """Write a file at once (temporary file, rename), only when its content differs; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == text:
            return path
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def canonical(value: Any) -> str:
    """Return JSON whose bytes depend on the value only."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any, *, mode: int = 0o644) -> Path:
    """Write a value as canonical JSON."""
    return write_text(path, canonical(value), mode=mode)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an empty one when the file is missing or broken."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def sha256_text(text: str) -> str:
    """Hash text."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Hash a file's bytes; an empty string when there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def sources(folder: Path) -> dict[str, Path]:
    """Return the files that decide what a folder of Terraform code means, by relative path.

    State, plans and Terraform's own working files are left out; so are hidden files other than the lock file.
    """
    found: dict[str, Path] = {}
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED)
        for name in sorted(files):
            hidden = name.startswith(".") and name != ".terraform.lock.hcl"
            if not hidden and not name.endswith(_SKIPPED_SUFFIXES) and ".tfstate." not in name:
                path = Path(base) / name
                found[path.relative_to(folder).as_posix()] = path
    return found


def sha256_sources(folder: Path, *, without: Iterable[str] = ()) -> str:
    """Hash names and bytes of `sources`."""
    skipped = set(without)
    return sha256_mapping({name: sha256_file(path) for name, path in sources(folder).items() if name not in skipped})


def sha256_mapping(values: Mapping[str, Any]) -> str:
    """Hash a mapping of JSON values."""
    return sha256_text(canonical(dict(values)))
