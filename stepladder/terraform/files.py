"""Hash what decides a plan: files, folders of Terraform code, mappings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stepladder.core.files import canonical, read_json, write_json, write_text
from stepladder.core.text import check_name

__all__ = [
    "canonical",
    "read_json",
    "sha256_file",
    "sha256_mapping",
    "sha256_sources",
    "sha256_text",
    "sources",
    "write_json",
    "write_text",
]

_SKIPPED = frozenset({".terraform", ".git", "__pycache__"})
_SKIPPED_SUFFIXES = (".tfstate", ".tfplan", ".backup")


def sha256_text(text: str) -> str:
    """Hash text."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Hash a file's bytes; an empty string when there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()  # small files: `file_digest` takes 256 KB for each
    except FileNotFoundError:
        return ""


def sources(folder: Path) -> dict[str, Path]:
    """Return the files that decide what a folder of Terraform code means, by relative path.

    State, plans and Terraform's own working files are left out; so are hidden files other than the lock file.
    """
    paths: dict[str, Path] = {}
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED)
        parent = Path(base)
        before = "".join(f"{part}/" for part in parent.relative_to(folder).parts)
        for name in sorted(files):
            hidden = name.startswith(".") and name != ".terraform.lock.hcl"
            if not hidden and not name.endswith(_SKIPPED_SUFFIXES) and ".tfstate." not in name:
                check_name(f"{folder.name}/{before}{name}")
                paths[f"{before}{name}"] = parent / name
    return paths


def sha256_sources(folder: Path, *, without: Iterable[str] = ()) -> str:
    """Hash names and bytes of `sources`."""
    skipped = set(without)
    return sha256_mapping({name: sha256_file(path) for name, path in sources(folder).items() if name not in skipped})


def sha256_mapping(values: Mapping[str, Any]) -> str:
    """Hash a mapping of JSON values."""
    return sha256_text(canonical(dict(values)))
