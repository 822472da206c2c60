"""A copy of this checkout that a test may change, and whose own code then runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    *("benchmarks", "docs", "function", "localcloud", "stepladder", "template", "terraform"),
    *("tests/local/data/aws-recordings", "tests/terraform/inventories"),  # what generated pages are made from
)
FILES = ("README.md", "pyproject.toml", "uv.lock")
JUNK = shutil.ignore_patterns("__pycache__", ".terraform*", "*.tfstate*", "node_modules")
MADE_UP_KIND = Path(__file__).parent / "made_up_kind" / "topic"


def copy(folder: Path) -> Path:
    """Copy the sources to a new folder below `folder`."""
    made = folder / "checkout"
    made.mkdir()
    for name in filter(lambda each: (ROOT / each).is_dir(), FOLDERS):
        shutil.copytree(ROOT / name, made / name, ignore=JUNK)
    for name in FILES:
        shutil.copyfile(ROOT / name, made / name)
    return made


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the copy's own packages; fail with what it printed."""
    env = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=checkout, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def with_the_made_up_kind(folder: Path) -> Path:
    """Return a copy to which one folder was added, and nothing else changed by hand."""
    checkout = copy(folder)
    shutil.copytree(MADE_UP_KIND, checkout / "template/templates/triggers/topic")
    run(checkout, "docs/generate.py")
    return checkout
