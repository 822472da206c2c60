"""Count the places that a person edits for one thing: `python tests/support/places.py reserved_concurrency`.

Places are the files that name it, apart from tests, decisions, the changelog, and what a command writes. With a commit
as the second argument they are counted there: `python tests/support/places.py reserved_concurrency fc04ca6`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASIDE = re.compile(r"tests/|docs/decisions/|CHANGELOG\.md$|uv\.lock$|.*/packages\.txt$")
WRITTEN_BEFORE = {"docs/reference.md", "terraform/modules/service/README.md"}
"""What a command wrote in v0.1.0."""


def written() -> set[str]:
    """Return the files that docs/generate.py writes."""
    sys.path.insert(0, str(ROOT / "docs"))
    import generate

    return {path.relative_to(ROOT).as_posix() for path in generate.documents()}


def edits(word: str, commit: str = "") -> dict[str, int]:
    """Return the files that have a line with this word, and how many lines."""
    argv = ["git", "grep", "-I", "-c", "-w", "-e", word, *([commit] if commit else ["--untracked"])]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    counted = (line.removeprefix(f"{commit}:").rpartition(":") for line in done.stdout.splitlines())
    skipped = WRITTEN_BEFORE if commit else written()
    return {path: int(number) for path, _, number in counted if path not in skipped and not ASIDE.match(path)}


if __name__ == "__main__":
    files = edits(*sys.argv[1:3])
    for path, number in files.items():
        sys.stdout.write(f"{number:4} {path}\n")
    sys.stdout.write(f"{len(files)} files, {sum(files.values())} lines\n")
