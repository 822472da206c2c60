"""The repository that git names, and its ids as `gh` prints them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from stepladder.commands import ci_settings
from stepladder.forge import remote as remotes
from stepladder.forge.remote import Remote

ANSWER = '{"id": 7654321, "full_name": "Acme/orders", "owner": {"id": 1234567}}'


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def gh(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    (folder / "gh").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")


def test_the_remote_origin_comes_before_others_and_one_on_no_forge_is_passed_over(tmp_path: Path) -> None:
    assert remotes.of_project(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert remotes.of_project(tmp_path) is None
    git(tmp_path, "remote", "add", "backup", "/srv/git/orders.git")
    git(tmp_path, "remote", "add", "mirror", "git@gitlab.com:acme/orders.git")
    assert remotes.of_project(tmp_path) == Remote("gitlab", "gitlab.com", "acme/orders")
    git(tmp_path, "remote", "add", "origin", "git@github.com:acme/orders.git")
    assert remotes.of_project(tmp_path) == Remote("github", "github.com", "acme/orders")


def test_the_ids_and_the_name_in_githubs_letters_come_from_gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gh(tmp_path / "bin", f"test \"$*\" = 'api repos/acme/orders' && echo '{ANSWER}'", monkeypatch)
    proposal = ci_settings.propose(Remote("github", "github.com", "acme/orders"))
    assert proposal.values == {"repository": "Acme/orders", "owner_id": "1234567", "repository_id": "7654321"}
    assert proposal.missing == ""


@pytest.mark.parametrize("script", ["exit 4", "echo not JSON", "echo '{\"id\": 1}'", "echo '[]'"])
def test_without_an_answer_the_command_that_shows_the_ids_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    gh(tmp_path / "bin", script, monkeypatch)
    monkeypatch.setattr("stepladder.forge.api.sleep", lambda _seconds: None)
    proposal = ci_settings.propose(Remote("github", "github.com", "acme/orders"))
    assert proposal.values == {"repository": "acme/orders"}
    assert proposal.missing == "gh api repos/acme/orders --jq '.owner.id, .id'"


def test_a_server_of_ones_own_has_an_issuer_and_no_ids() -> None:
    proposal = ci_settings.propose(Remote("github", "github.acme.example", "acme/orders"))
    assert proposal.values["issuer"] == "https://github.acme.example/_services/token"
    proposal = ci_settings.propose(Remote("gitlab", "gitlab.acme.example", "acme/orders"))
    assert proposal.values == {"project": "acme/orders", "url": "https://gitlab.acme.example"}
