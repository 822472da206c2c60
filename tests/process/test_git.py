"""What git says of a project, from git itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from stepladder.core import git
from stepladder.core.errors import NotReadyError


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
    assert git.commit(project, ["function"]).changed == "function/app.py, function/a new é.py"


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
    assert caught.value.hint.endswith(f"safe.directory {project.parent}`")


def run(root: Path, *arguments: str) -> None:
    argv = ("git", "-c", "user.name=ann", "-c", "user.email=ann@example.org", "-c", "protocol.file.allow=always")
    subprocess.run([*argv, *arguments], cwd=root, check=True, capture_output=True)


def paths(project: Path) -> list[str]:
    found = git.tree(project, ["function"])
    assert found
    return [difference.path for difference in found.differences]


@pytest.fixture
def module(project: Path, tmp_path: Path) -> Path:
    """A submodule in the project's function, itself with one inside."""
    for name in ("inner", "library"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "code.py").write_text("one")
        run(folder, "init", "--quiet")
        if name == "library":
            run(folder, "submodule", "--quiet", "add", str(tmp_path / "inner"), "inner")
        run(folder, "add", ".")
        run(folder, "commit", "--quiet", "-m", "one")
    run(project, "submodule", "--quiet", "add", str(tmp_path / "library"), "function/vendor")
    run(project, "commit", "--quiet", "-m", "a submodule")
    run(project, "submodule", "--quiet", "update", "--init", "--recursive")
    assert paths(project) == []
    return project / "function" / "vendor"


def test_what_changed_in_a_submodule_is_named_however_deep(project: Path, module: Path) -> None:
    (module / "code.py").write_text("two")
    (module / "inner" / "new.py").write_text("")
    assert sorted(paths(project)) == ["function/vendor/code.py", "function/vendor/inner/new.py"]


def test_a_submodule_at_another_commit_differs_though_it_is_told_to_be_ignored(project: Path, module: Path) -> None:
    run(project, "config", "submodule.project/function/vendor.ignore", "all")
    run(module, "commit", "--quiet", "--allow-empty", "-m", "two")
    assert paths(project) == ["function/vendor"]


def test_a_submodule_that_is_not_checked_out_differs(project: Path, module: Path) -> None:
    run(module, "submodule", "--quiet", "deinit", "--force", "inner")
    assert paths(project) == ["function/vendor/inner"]
    run(project, "submodule", "--quiet", "deinit", "--force", "--all")
    assert paths(project) == ["function/vendor"]


@pytest.mark.parametrize("flag", ["skip-worktree", "assume-unchanged"])
def test_a_file_that_is_hidden_from_git_differs_when_it_does(project: Path, flag: str) -> None:
    run(project, "update-index", f"--{flag}", "function/app.py")
    assert paths(project) == []
    (project / "function" / "app.py").write_text("two")
    assert subprocess.check_output(["git", "status", "--short"], cwd=project) == b""
    assert paths(project) == ["function/app.py"]


def test_a_sparse_checkout_lacks_what_its_commit_has(project: Path) -> None:
    (project / "function" / "sub").mkdir()
    (project / "function" / "sub" / "more.py").write_text("")
    run(project, "add", ".")
    run(project, "commit", "--quiet", "-m", "more")
    run(project.parent, "sparse-checkout", "set", "--no-cone", "/*", "!sub/")
    found = git.tree(project, ["function"])
    assert found
    assert found.differences == (git.Difference("function/sub/more.py", absent=True),)


def test_worktrees_and_shallow_clones_are_read_as_any_other(project: Path, tmp_path: Path) -> None:
    run(project, "commit", "--quiet", "--allow-empty", "-m", "two")
    run(project, "worktree", "add", "--quiet", "--detach", str(tmp_path / "worktree"))
    run(tmp_path, "clone", "--quiet", "--depth", "1", project.parent.as_uri(), "shallow")
    for root in (tmp_path / "worktree" / "project", tmp_path / "shallow" / "project"):
        assert paths(root) == []
        (root / "function" / "app.py").write_text("two")
        assert paths(root) == ["function/app.py"]


def test_outside_a_repository_git_is_asked_twice_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def run(argv: list[str], **options: object) -> object:
        started.append(argv)
        return ran(argv, **options)  # type: ignore[arg-type]

    ran = git.process.run
    monkeypatch.setattr(git.process, "run", run)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git.commit(tmp_path, ["."]).sha == ""
    assert len(started) == 2, started
