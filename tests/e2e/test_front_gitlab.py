"""GitLab's pipelines, by a runner that nobody here wrote: from an empty repository to production, and back.

Each job takes its role, which Terraform made, with an identity token of its own. IAM is enforced.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import ci_tokens
import example_projects
import forge_server
import front_doors
import pytest
from forge_server import REPOSITORY, ForgeServer
from gitlab_runner import GitLabRunner
from shell import Shell

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

NAME = "stock-projection"
RUNGS = ("staging", "production")


class Door:
    """The project, its repository, its forge, and the forge's runner."""

    def __init__(self, shell: Shell, repository: front_doors.Repository, forge: ForgeServer) -> None:
        self.shell, self.repository, self.forge = shell, repository, forge
        env = front_doors.of_jobs(shell) | {"STAND_IN_PYTHON": sys.executable}
        env["PATH"] = f"{front_doors.UV}:{env['PATH']}"
        self.runner = GitLabRunner(shell.folder.parent / "gitlab", env)
        for name, value in front_doors.variables(NAME).items():
            values = {env: value.format(environment=env.removesuffix("-approval")) for env in front_doors.ENVIRONMENTS}
            self.runner.variables[name] = values if "{environment}" in value else value

    def pipeline(self, source: str = "push", *jobs: str, code: int = 0, branch: str = "main", **given: str) -> str:
        """Run a pipeline of what is committed; return its log."""
        return self.runner.run(self.shell.folder, source, *jobs, code=code, **(self.variables(branch) | given))

    def variables(self, branch: str = "main") -> dict[str, str]:
        """What GitLab gives to each job: its identity token, and where its API is."""
        token = ci_tokens.token(self.shell.env["AWS_ENDPOINT_URL"], ci_tokens.gitlab(REPOSITORY, ref=branch))
        return self.forge.gitlab() | {"AWS_TOKEN": token}

    def use(self, word: str, **serving: str) -> None:
        """Assert what each environment serves, and use both."""
        assert {env: row["digest"] for env, row in self.shell.statuses().items()} == serving
        for env in RUNGS:
            example_projects.USES[NAME](self.shell, env, word)

    @property
    def staged(self) -> str:
        """The digest that staging serves."""
        return str(self.shell.statuses()["staging"]["digest"])


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A repository whose pipeline never ran, on a local cloud of its own. A person has made the foundation."""
    shell, repository = front_doors.make(tmp_path_factory.mktemp("gitlab"), NAME, "gitlab")
    with shell.local_cloud(), forge_server.serving() as forge:
        front_doors.bootstrap(shell)
        repository.commit("Lock the providers")
        yield Door(shell, repository, forge)


def test_a_push_goes_from_an_empty_repository_to_production(door: Door) -> None:
    log = door.pipeline()
    assert "promoted" in log
    first = door.staged
    door.use("first", staging=first, production=first)
    example_projects.assert_nothing_was_denied(door.shell)


def test_a_merge_request_shows_what_it_would_do_and_what_is_merged_goes_to_production(door: Door) -> None:
    before = door.staged
    door.repository.git("switch", "--quiet", "--create", "change")
    door.shell.edit(lambda text: text + "\n# a change\n")
    front_doors.change_settings(door.shell, lambda s: s | {"function": s["function"] | {"memory_mb": 320}})
    door.repository.commit("Change")
    door.pipeline("merge_request_event", "plan", "comment", branch="change", **front_doors.merge_request())
    (comment,) = door.forge.comments
    assert "memory_size" in comment
    assert door.staged == before

    door.repository.merge("change")
    door.pipeline("push", "deploy", "promote")
    second = door.staged
    assert second != before
    door.use("second", staging=second, production=second)


def test_a_merge_request_of_a_fork_gets_no_credentials_and_is_told_so(door: Door) -> None:
    log = door.pipeline("merge_request_event", "comment", **front_doors.merge_request(8, fork=True), AWS_TOKEN="")
    assert "fork" in log


def test_a_person_rolls_production_back(door: Door) -> None:
    second = door.staged
    door.shell.inv("rollback --env production --keep-image")
    first = door.shell.statuses()["production"]["digest"]
    assert first != second
    door.use("third", staging=second, production=first)
    example_projects.assert_nothing_was_denied(door.shell)


def test_a_branch_that_is_not_deployed_takes_no_role_that_deploys(door: Door) -> None:
    log = door.pipeline("push", "deploy", code=1, branch="change", CI_COMMIT_BRANCH="main")
    assert "AssumeRoleWithWebIdentity" in log
