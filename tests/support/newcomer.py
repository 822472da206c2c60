"""A new user who takes every answer that is offered, and types what the project's README says."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from stepladder.core import interpreters

ROOT = Path(__file__).resolve().parents[2]
SPEED = 100  # a canary of five minutes takes three seconds
SLUG = "hello-ladder"  # what the default answers make of the project's name
PERSON = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Newcomer"), ("EMAIL", "newcomer@example.org"))
}
COMMENT = 'echo "# a change" >> function/app/handler.py'
MAKERS = {
    "inv new": "inv new --no-input --output {folder}",
    "cookiecutter": "cookiecutter {root} --directory template --no-input --output-dir {folder}",
}


def _blocks(readme: str, heading: str) -> list[str]:
    """The commands of a section, block by block."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## )", readme, re.DOTALL | re.MULTILINE)
    assert section, f"the project's README has no section {heading}"
    return re.findall(r"```sh\n(.*?)```", section[1], re.DOTALL)


def _make(run: Callable[..., Any], folder: Path, trigger: str, maker: str, env: Mapping[str, str]) -> Path:
    command = MAKERS[maker].format(folder=folder, root=ROOT)
    command += f" trigger={trigger}" if maker == "cookiecutter" else f" --trigger {trigger}"
    made = run("bash", "-c", command, **env)
    assert made.wait(400) == 0, made.said
    return folder / SLUG


def tools() -> str:
    """A PATH with this environment's tools, and with the Python that the template offers first.

    That one is perhaps where uv doesn't look; without one uv gets its own.
    """
    folders = [str(Path(sys.executable).parent)]
    default = json.loads((ROOT / "template" / "cookiecutter.json").read_text("utf-8"))["python_version"][0]
    if python := interpreters.find(default):
        folders.append(str(python.parent))
    return os.pathsep.join([*folders, os.environ["PATH"]])


def _typed(project: Path) -> tuple[str, str, str, str]:
    """What the project's README says to type: at first, to deploy, after a change, to roll back."""
    readme = (project / "README.md").read_text("utf-8")
    begin, _local = _blocks(readme, "Quick start")
    first, change, *_ = _blocks(readme, "Deploy")
    (back,) = _blocks(readme, "Roll back")
    begin = re.sub(r"^uv run inv (check|--list).*\n", "", begin, flags=re.MULTILINE)  # see tests/template
    return begin, first, change, back


def walk(run: Callable[..., Any], folder: Path, trigger: str, maker: str) -> str:
    """Make a project with default answers but for its trigger, and go the README's whole way on a local cloud.

    Each project has its own environment, as its README makes it (`uv sync`), and a cloud of its own.
    """
    env = PERSON | {"PATH": tools()}
    project = _make(run, folder, trigger, maker, env)
    begin, first, change, back = _typed(project)
    script = f"""
set -e
cd {project}
{begin}
uv run inv local.up --port 0 --speed {SPEED}
trap 'uv run inv local.down' EXIT
eval "$(uv run inv local.env)"
{first}
{_changed(folder, change, back)}
"""
    typed = run("bash", "-c", script, **env)
    assert typed.wait(400) == 0, typed.said
    assert "production was created and was never released" in typed.said
    assert len(re.findall(r"^promoted \w{12} to production$", typed.said, re.MULTILINE)) == 2, typed.said
    _check(folder, before=1)
    assert typed.left_behind() == []
    return str(typed.said)


def go_on(
    run: Callable[..., Any], folder: Path, project: Path, *, then: str, edit: str = COMMENT, **variables: str
) -> str:
    """Go the way of a project's README with one that this repository's README has deployed and promoted.

    The local cloud is there already. `edit` changes the handler, and `then` is typed at the end.
    """
    begin, first, change, back = _typed(project)
    deploys, commits_locks = first.split("git add -A", 1)
    assert "terraform/*/.terraform.lock.hcl" in commits_locks, "its README changed; look here too"
    script = f"""
set -e
cd {project}
eval "$(uv run inv local.env)"
{begin}
git ls-files --error-unmatch terraform/*/.terraform.lock.hcl
{deploys}
{_changed(folder, change, back, edit)}
{then}
"""
    typed = run("bash", "-c", script, **PERSON, **variables)
    assert typed.wait(400) == 0, typed.said
    assert len(re.findall(r"^promoted \w{12} to production$", typed.said, re.MULTILINE)) == 1, typed.said
    _check(folder, before=1)
    assert typed.left_behind() == []
    return str(typed.said)


def _changed(folder: Path, change: str, back: str, edit: str = COMMENT) -> str:
    """Change the handler and go back, and keep what is live after each, and what is not committed."""
    return f"""
{edit}
{change}
uv run inv status --json > {folder}/promoted.json
{back}
uv run inv status --json > {folder}/returned.json
git status --short > {folder}/uncommitted.txt
"""


def _check(folder: Path, *, before: int) -> None:
    promoted, returned = (_rungs(folder / f"{name}.json") for name in ("promoted", "returned"))
    assert promoted["production"]["digest"] == promoted["staging"]["digest"]
    assert [promoted[name]["version"] for name in promoted] == [str(before + 1)] * 2
    assert [returned[name]["version"] for name in ("staging", "production")] == [str(before + 1), str(before)]
    assert "-dirty" not in (folder / "promoted.json").read_text("utf-8"), "what was released was committed"
    assert (folder / "uncommitted.txt").read_text("utf-8") == "", "nothing is left to commit"


def _rungs(file: Path) -> dict[str, Any]:
    return {row["environment"]: row for row in json.loads(file.read_text("utf-8"))}
