"""Which git repositories a connection of the local cloud reaches, and what it sees of their branches."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from localcloud import repositories
from localcloud.repositories import GitRepositories

CONNECTION = "arn:aws:codeconnections:eu-west-1:123456789012:connection/c"


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=jo", "-c", "user.email=jo@example.com")
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize("folder", ["clone", "clone/inside", "worktree", "bare.git"])
def test_a_branch_is_seen_whichever_folder_of_its_repository_is_named(tmp_path: Path, folder: str) -> None:
    clone = tmp_path / "clone"
    (clone / "inside").mkdir(parents=True)
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "clone")
    git(clone, "commit", "--quiet", "--allow-empty", "--message=first")
    git(clone, "worktree", "add", "--quiet", "--detach", str(tmp_path / "worktree"))
    git(tmp_path, "clone", "--quiet", "--bare", "clone", "bare.git")
    reached = GitRepositories()
    reached.connect(CONNECTION, "acme/orders", str(tmp_path / folder))
    first = git(clone, "rev-parse", "HEAD")
    assert repositories.head(reached.folder(CONNECTION, "acme/orders"), "main") == first
    assert reached.begun[CONNECTION, "acme/orders"] == {"main": first}


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no git repository"):
        GitRepositories().connect(CONNECTION, "acme/orders", str(tmp_path))
    with pytest.raises(ValueError, match="is no absolute path"):
        GitRepositories().connect(CONNECTION, "acme/orders", "here")
