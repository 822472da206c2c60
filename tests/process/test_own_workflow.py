"""The workflow of this repository, run by act: each Python runs `.ci/run` in a checkout with the whole history."""

from __future__ import annotations

import shutil
from pathlib import Path

from front_doors import Repository
from github_runner import GitHubRunner

ROOT = Path(__file__).resolve().parents[2]


def test_every_python_runs_the_one_command_of_ci(tmp_path):
    folder = tmp_path / "repository"
    (folder / ".ci").mkdir(parents=True)
    (folder / ".github" / "workflows").mkdir(parents=True)
    shutil.copy(ROOT / ".github" / "workflows" / "ci.yml", folder / ".github" / "workflows")
    command = folder / ".ci" / "run"
    command.write_text('#!/bin/sh\necho "commits: $(git rev-list --count HEAD) python: $PYTHON_ASKED_FOR"\n')
    command.chmod(0o755)
    repository = Repository(folder, "https://github.com/acme/stepladder.git")
    repository.commit("One")
    repository.git("commit", "--quiet", "--allow-empty", "--message", "Two")

    run = GitHubRunner(tmp_path / "runner", {}).run(folder, "push", {"ref": "refs/heads/main"})

    assert run.ended("test") == ["succeeded", "succeeded"]
    assert {line.strip() for line in run.of("test").splitlines() if "commits: 2 python" in line} == {
        "commits: 2 python: 3.11",
        "commits: 2 python: 3.14",
    }
