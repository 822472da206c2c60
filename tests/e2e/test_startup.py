"""Start-up in a project's own environment, which uv makes without byte code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
FOREIGN = ("AWS_", "INVOKE_", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "VIRTUAL_ENV")
FIRST = {"tasks", "stepladder/__init__", "stepladder/collections/__init__"}
"""What is imported before stepladder can turn byte code on again."""

pytestmark = pytest.mark.e2e


def _run(folder, *argv):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return subprocess.run(argv, cwd=folder, env=kept, capture_output=True, text=True, timeout=200, check=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project of the template with its own environment, made as its README says."""
    folder = tmp_path_factory.mktemp("own")
    answers = ("--no-input", "--project-name", "hello", "--python-version", f"3.{sys.version_info.minor}")
    made = _run(ROOT, str(TOOLS / "invoke"), "new", *answers, "--output", str(folder))
    assert made.returncode == 0, made.stderr
    # Refreshed: uv takes a folder for unchanged while its pyproject.toml is.
    sync = ("sync", "--quiet", "--python", sys.executable, "--reinstall-package", "stepladder")
    synced = _run(folder / "hello", str(TOOLS / "uv"), *sync)
    assert synced.returncode == 0, synced.stderr
    return folder / "hello"


def _compiled(project, *arguments):
    """Return the modules whose source a command had to compile."""
    done = _run(project, str(project / ".venv/bin/python"), "-v", "-m", "invoke", *arguments)
    return {
        re.sub(r".*/site-packages/", "", path.removeprefix(f"{project}/")).removesuffix(".py")
        for path in re.findall(r"^# code object from (.+\.py)$", done.stderr, re.MULTILINE)
    }


@pytest.mark.parametrize("command", [["--list"], ["status"], ["deploy", "--env", "staging"]], ids=" ".join)
def test_a_command_of_a_project_compiles_what_it_imports_once(project, command):
    _compiled(project, *command)
    assert _compiled(project, *command) - {"invoke/__main__"} <= FIRST
