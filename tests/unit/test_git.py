"""What git says of a project, from git itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from stepladder import git
from stepladder.errors import NotReadyError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in a subfolder of a repository with one commit."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    root = tmp_path / "repository" / "project"
    (root / "function").mkdir(parents=True)
    (root / "function" / "app.py").write_text("one")
    identity = ("-c", "user.name=ann", "-c", "user.email=ann@example.org")
    for arguments in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "-m", "one")):
        subprocess.run(["git", *arguments], cwd=root.parent, check=True)
    return root


def test_a_clean_project_is_its_commit(project: Path) -> None:
    found = git.commit(project, ["function"])
    assert (len(found.sha), found.dirty) == (40, False)


def test_what_differs_is_named_whatever_is_in_its_name(project: Path) -> None:
    (project / "function" / "app.py").write_text("two")
    (project / "function" / "a new é.py").write_text("")
    (project / "other.txt").write_text("")
    assert git.commit(project, ["function"]).changed == "project/function/app.py, project/function/a new é.py"


def test_a_folder_outside_any_repository_has_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    found = git.commit(tmp_path, ["."])
    assert (found.sha, found.dirty) == ("", True)


def test_without_git_there_is_no_commit(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert git.commit(project, ["."]).sha == ""


def test_a_repository_of_another_user_is_explained(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(NotReadyError, match="belongs to another user") as caught:
        git.commit(project, ["."])
    assert caught.value.hint.endswith(f"safe.directory {project.parent}")
