"""A project as a user makes it: by `inv new`, with an environment of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from measure import Command, environment

ROOT = Path(__file__).resolve().parents[1]
INVOKE = str(Path(sys.executable).parent / "invoke")
ANSWERS = {"project_name": "hello", "python_version": f"3.{sys.version_info.minor}", "trigger": "none", "ci": "both"}


def new(output: Path, *, compiled: bool = False, **others: str) -> Path:
    """Make a project with an environment of its own, as its README says, and return its folder.

    `others` are answers that differ from `ANSWERS`; a project's name is the name of its folder, too. `compiled` makes
    the byte code at once, as pip does: beside tools that pip has installed.
    """
    output.mkdir(parents=True)
    answers = output / "answers.json"
    answers.write_text(json.dumps(ANSWERS | others))
    argv = [INVOKE, "new", "--no-input", "--answers", str(answers), "--output", str(output)]
    Command(argv, ROOT, environment()).run()
    project = output / (ANSWERS | others)["project_name"]
    uv = str(Path(sys.executable).parent / "uv")
    sync = [uv, "sync", "--quiet", "--python", sys.executable, "--reinstall-package", "stepladder"]
    sync += ["--compile-bytecode"] if compiled else []
    Command(sync, project, {k: v for k, v in environment().items() if k != "VIRTUAL_ENV"}).run()
    return project


def tool(project: Path, name: str) -> str:
    """Return a program of a project's own environment: what a user runs."""
    return str(project / ".venv" / "bin" / name)
