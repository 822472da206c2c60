"""What was released before, read out of this repository's own history.

Tags don't travel to every clone, commits do: the table names commits.
"""

from __future__ import annotations

import functools
import io
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COMMITS = {"0.1.0": "fc04ca6a89afed9bceee0223894f1cf0ec218f9e"}
"""Each released version, and its commit."""


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def commit(version: str) -> str:
    """Return a version's commit. A clone without its whole history fails here, and says what to do."""
    commit_id = COMMITS[version]
    kind = subprocess.run(["git", "cat-file", "-t", commit_id], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert kind.stdout.strip() == b"commit", (
        f"this clone lacks {commit_id}, the commit of {version}: fetch the whole history (`git fetch --unshallow`)"
    )
    return commit_id


@functools.cache
def text(version: str, path: str) -> str:
    """Return one file of a version."""
    return _git("show", f"{commit(version)}:{path}").decode()


def clone(version: str, folder: Path) -> Path:
    """Check a version out into a folder that git knows the commit of, as a person's clone is, and return the folder."""
    commit_id = commit(version)
    _git("clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(folder))
    _git("-C", str(folder), "checkout", "--quiet", commit_id)
    return folder


def extract(version: str, folder: Path) -> Path:
    """Write a version's files into a folder, as `git archive` gives them, and return the folder."""
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit(version)))) as archive:
        archive.extractall(folder, filter="data")
    return folder
