"""A forge is one file and one line of registration; only its file knows its variables."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from stepladder import collections
from stepladder.core import process_identity
from stepladder.core.ci import in_ci
from stepladder.forge import codebuild, local, registered
from stepladder.forge.interface import Forge
from stepladder.ledger.lock import EnvironmentLock

ROOT = Path(__file__).resolve().parents[2]
VARIABLES = {
    "GitHub": {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "octo"},
    "GitLab": {"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "octo"},
    "AWS CodeBuild": {"CODEBUILD_BUILD_ID": "demo:1", "CODEBUILD_INITIATOR": "octo"},
}


class Gitea(Forge):
    """A forge that nobody has written yet."""

    name = "Gitea"

    def detect(self) -> bool:
        return True

    def identity(self) -> str:
        return "hanako"


@pytest.fixture(autouse=True)
def no_forge(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "GITLAB_", "CI_", "CODEBUILD_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_forge_is_detected_and_names_the_account_that_started_the_job(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in VARIABLES[name].items():
        monkeypatch.setenv(variable, value)
    assert registered.current().name == name
    assert registered.this_process().owner.startswith("octo@")


@pytest.mark.parametrize("name", VARIABLES)
def test_an_account_counts_where_the_rest_of_its_forge_is_hidden(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = list(VARIABLES[name])[1]
    monkeypatch.setenv(variable, "octo")
    assert (registered.current().name, registered.identity()) == ("no forge", "octo")


@pytest.mark.parametrize("name", VARIABLES)
def test_a_job_of_a_forge_is_a_ci_job_though_ci_is_not_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    collections.namespace()
    monkeypatch.delenv("CI", raising=False)
    assert not in_ci()
    variable, value = next(iter(VARIABLES[name].items()))
    monkeypatch.setenv(variable, value)
    assert in_ci()
    monkeypatch.setenv("CI", "false")
    assert not in_ci()


def test_a_forge_that_is_added_is_one_whose_jobs_are_ci_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    collections.namespace()
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(registered, "REGISTERED", (Gitea(), *registered.REGISTERED))
    assert in_ci()


@pytest.mark.parametrize("variable", ["JENKINS_URL", "TEAMCITY_VERSION", "TF_BUILD"])
def test_a_job_of_a_provider_that_is_no_forge_is_a_ci_job(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv(variable, "True")
    assert in_ci()


def test_without_a_forge_the_user_of_the_machine_is_at_work() -> None:
    assert registered.identity() == ""
    assert registered.this_process() == process_identity.this_process()


def test_a_forge_without_a_page_of_its_own_shows_nothing_and_says_so() -> None:
    for forge in (*registered.REGISTERED, Gitea()):
        assert not forge.summary("# Released")
        assert not forge.comment("released", "stepladder:test").done
        assert not forge.issue("Drift", "released", "stepladder:test").done
        assert not forge.close_issue("released", "stepladder:test").done
        assert not forge.outputs({"version": "13"})
        assert not forge.annotate([])
    for forge in (codebuild.FORGE, local.FORGE, Gitea()):
        assert forge.annotation("it failed", path="app/handler.py", line=3) == "it failed"


def test_a_registered_forge_is_at_work_in_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registered, "REGISTERED", (Gitea(), *registered.REGISTERED))
    asked = []

    class Ledger:
        table, offset, clock = "demo-releases", 0.0, None

        @property
        def client(self) -> Ledger:
            return self

        def put_item(self, **request: dict[str, dict[str, str]]) -> dict[str, str]:
            asked.append(request["Item"]["owner"]["S"].partition("@")[0])
            return {}

    lock = EnvironmentLock(Ledger(), "staging", "inv deploy --env staging")  # type: ignore[arg-type]
    assert lock._put(instead_of=None)
    assert (registered.current().name, asked) == ("Gitea", ["hanako"])


def test_no_other_module_knows_a_variable_of_a_forge() -> None:
    named = re.compile(r"""["'](?:GITHUB|GITLAB|CODEBUILD|CI)_\w+["']""")
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "stepladder").rglob("*.py")
        if path.parent.name != "forge" and named.search(path.read_text("utf-8"))
    }
    assert not found
