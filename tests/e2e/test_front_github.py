"""A project on GitHub, from an empty repository to production: its own workflows by act, each job as its own role.

What the runner lacks is made by hand: two runs at once in place of a queue, a kill in place of a cancelled job, the
local cloud's issuer for identity tokens. IAM is enforced, and the roles are those that Terraform made.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import ci_tokens
import example_projects
import forge_server
import front_doors
import pytest
from botocore.exceptions import ClientError
from forge_server import ForgeServer
from front_doors import Repository
from github_runner import GitHubRunner
from shell import ACCOUNT, REGION, Shell

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

Door = tuple[Shell, Repository, GitHubRunner, ForgeServer]


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A repository whose workflows never ran, on a local cloud of its own. A person has prepared the account."""
    folder = tmp_path_factory.mktemp("github")
    shell, repository = front_doors.make(folder, "orders", "github", {"approval": True})
    with shell.local_cloud(), forge_server.serving() as forge:
        for each in front_doors.bootstrap(shell):
            environment = each["environment"].removesuffix("-approval")
            expected = front_doors.variables("orders")[each["name"]]
            assert each["value"] == expected.replace("{environment}", environment)
        repository.commit("Lock the providers")
        runner = GitHubRunner(folder / "runner", front_doors.of_jobs(shell) | {"GITHUB_API_URL": forge.url})
        runner.variables = front_doors.variables("orders")
        runner.secrets = {"GITHUB_TOKEN": forge_server.TOKEN}
        yield shell, repository, runner, forge


def changed(shell: Shell, memory: int, word: str) -> None:
    """Change what Terraform applies, and what the image holds."""
    front_doors.change_settings(shell, lambda s: s | {"function": s["function"] | {"memory_mb": memory}})
    shell.edit(lambda text: f"{text}\n\n{word} = {memory}\n")


def test_a_push_goes_from_an_empty_repository_to_production(door: Door) -> None:
    shell, repository, runner, _ = door
    run = runner.run(shell.folder, "push", front_doors.push(repository.head))
    assert [run.ended(job) for job in ("check", "deploy", "promote", "approve")] == [["succeeded"]] * 4
    subject = "as repo:acme@1/orders@2:environment"
    for job, role in (
        ("deploy", f"orders-ci-deploy-staging/github-1 {subject}:staging"),
        ("promote", f"orders-ci-deploy-production/github-1 {subject}:production"),
        ("approve", f"orders-ci-release-production/github-1 {subject}:production-approval"),
    ):
        assert role in run.of(job)
    assert "approved production as ann" in run.of("approve")
    statuses = shell.statuses()
    assert statuses["production"]["digest"] == statuses["staging"]["digest"]


def test_a_pull_request_is_planned_for_every_environment_and_shown_in_one_comment(door: Door) -> None:
    shell, repository, runner, forge = door
    repository.git("switch", "--quiet", "--create", "change")
    changed(shell, 512, "FIRST")
    event = front_doors.pull_request(repository.commit("Give it more memory"))
    before = shell.statuses()
    run = runner.run(shell.folder, "pull_request", event, "plan", "comment")
    assert run.ended("plan") == ["succeeded", "succeeded"]
    assert "orders-ci-plan-production/github-1 as repo:acme@1/orders@2:pull_request" in run.of("plan")
    (comment,) = forge.comments
    assert "memory_size: 256 -> 512" in comment
    assert all(f"<summary>{env}/service: 1 change</summary>" in comment for env in before)
    assert shell.statuses() == before


def test_a_pull_request_with_the_label_has_a_preview_until_it_is_closed(door: Door) -> None:
    """By the role of previews, and beside the plan in the one comment. Nothing of it is left afterwards."""
    shell, repository, runner, forge = door
    before = shell.statuses()
    labelled = front_doors.pull_request(repository.head, labels=["preview"])
    run = runner.run(shell.folder, "pull_request", labelled, "preview", "preview_comment")
    assert run.ended("preview") == run.ended("preview_comment") == ["succeeded"]
    assert "orders-ci-preview/github-1 as repo:acme@1/orders@2:pull_request" in run.of("preview")
    assert "arn:" not in run.of("preview_comment")
    url = shell.record("preview")["previews"]["pr-7"]["url"]
    (comment,) = forge.comments
    assert "memory_size: 256 -> 512" in comment
    assert url in comment
    configuration = shell.client("lambda").get_function_configuration(FunctionName="orders-pr-7", Qualifier="live")
    assert configuration["MemorySize"] == 512

    closed = front_doors.pull_request(repository.head, action="closed", labels=["preview"])
    run = runner.run(shell.folder, "pull_request", closed, "preview_destroy", "preview_comment")
    assert run.ended("preview_destroy") == run.ended("preview_comment") == ["succeeded"]
    assert shell.record("preview") == {"previews": {}}
    names = [each["FunctionName"] for each in shell.client("lambda").list_functions()["Functions"]]
    assert not [name for name in names if "-pr-" in name]
    (comment,) = forge.comments
    assert "memory_size: 256 -> 512" in comment
    assert "~~**preview** `pr-7`" in comment
    assert shell.statuses() == before


def test_a_fork_s_pull_request_is_planned_by_no_job_and_told_so(door: Door) -> None:
    shell, repository, runner, forge = door
    calls = len(forge.calls)
    event = front_doors.pull_request(repository.head, 8, "mallory/orders")
    run = runner.run(shell.folder, "pull_request", event, "plan", "comment")
    assert run.ended("plan") == []
    assert run.ended("comment") == ["succeeded"]
    assert "This change comes from a fork. Its jobs get no credentials" in run.log
    assert "took arn:" not in run.log
    assert len(forge.calls) == calls


def held(shell: Shell) -> list[dict[str, str]]:
    """Return the locks that a killed job left; its own may be over, and Terraform may have ended well."""
    command = [sys.executable, "-m", "invoke", "unlock", "--env", "staging", "--json"]
    done = subprocess.run(command, cwd=shell.folder, env=shell.env, capture_output=True, timeout=60, check=False)
    assert done.returncode in (0, 7), done.stderr
    locks: list[dict[str, str]] = json.loads(done.stdout)["locks"]
    return locks


def test_a_merge_that_is_cut_off_in_its_apply_converges_when_it_is_run_again(door: Door) -> None:
    shell, repository, runner, _ = door
    event = front_doors.push(repository.merge("change"))
    shell.page("calls", "DELETE")
    with runner.started(shell.folder, "push", event, "deploy") as run:
        run.until(lambda: "lambda:UpdateFunctionConfiguration" in shell.page("calls")["calls"])
        run.kill()
    for lock in held(shell):
        shell.inv(f"unlock --env staging --id {lock['id']}")

    run = runner.run(shell.folder, "push", event, "deploy", "promote", "approve")
    assert re.search(r"every action was reviewed: plan \w+ of change 7", run.of("promote"))
    assert [run.ended(job) for job in ("deploy", "promote", "approve")] == [["succeeded"]] * 3
    statuses = shell.statuses()
    assert statuses["production"]["digest"] == statuses["staging"]["digest"]
    for env in statuses:
        configuration = shell.client("lambda").get_function_configuration(
            FunctionName=f"orders-{env}", Qualifier="live"
        )
        assert configuration["MemorySize"] == 512
    shell.page("calls", "DELETE")
    assert shell.record("promote --infra")["outcome"] == "unchanged"
    assert "stepfunctions:StartExecution" not in shell.page("calls")["calls"]


def test_of_two_merges_at_once_each_ends_well_or_says_who_is_first(door: Door, tmp_path: Path) -> None:
    shell, repository, runner, _ = door
    older = tmp_path / "older"
    shell.edit(lambda text: f"{text}\n\nSECOND = 2\n")
    repository.commit("One more")
    subprocess.run(["git", "clone", "--quiet", str(shell.folder), str(older)], check=True, timeout=60)
    subprocess.run(["git", "remote", "set-url", "origin", front_doors.REMOTES["github"]], cwd=older, check=True)
    shell.edit(lambda text: f"{text}\n\nTHIRD = 3\n")
    event = front_doors.push(repository.commit("And another"))
    with (
        runner.started(older, "push", event, "deploy") as one,
        runner.started(shell.folder, "push", event, "deploy") as two,
    ):
        codes = [one.finished(), two.finished()]
    for run, code in ((one, codes[0]), (two, codes[1])):
        assert code == 0 or "[locked]" in run.log, run.log
    assert 0 in codes
    runner.run(shell.folder, "push", event, "deploy")
    assert "[locked]" not in shell.inv("status --check --env staging").stderr


def test_what_was_changed_by_hand_is_in_one_issue_the_next_morning(door: Door) -> None:
    shell, _, runner, forge = door
    shell.client("lambda").update_function_configuration(FunctionName="orders-staging", MemorySize=640)
    run = runner.run(
        shell.folder, "schedule", front_doors.schedule(), "drift", "issue", code=1, matrix="environment:staging"
    )
    assert (run.ended("drift"), run.ended("issue")) == (["failed"], ["succeeded"])
    (issue,) = forge.issues
    assert issue.title == "Drift in staging"
    assert "memory_size" in issue.body


def test_no_job_was_denied_anything(door: Door) -> None:
    example_projects.assert_nothing_was_denied(door[0])


def test_a_pull_request_s_identity_reaches_nothing_of_production(door: Door) -> None:
    """Whatever its code calls: it takes the role of previews by its own token, and AWS says no."""
    shell, *_ = door
    claims = ci_tokens.github(event="pull_request", ref="refs/pull/7/merge")
    preview = ci_tokens.session(
        shell.env["AWS_ENDPOINT_URL"], front_doors.variables("orders")["AWS_PREVIEW_ROLE_ARN"], claims
    )
    refused = {
        "lambda": lambda it: it.update_function_configuration(FunctionName="orders-production", MemorySize=128),
        "s3": lambda it: it.get_object(Bucket=f"orders-tfstate-{ACCOUNT}-{REGION}", Key="production/service.tfstate"),
        "dynamodb": lambda it: it.get_item(
            TableName="orders-releases", Key={"pk": {"S": "env#production"}, "sk": {"S": "current"}}
        ),
        "ecr": lambda it: it.initiate_layer_upload(repositoryName="orders"),
        "stepfunctions": lambda it: it.list_executions(
            stateMachineArn=f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:orders-promotion"
        ),
    }
    for service, call in refused.items():
        with pytest.raises(ClientError) as caught:
            call(preview.client(service, endpoint_url=shell.env["AWS_ENDPOINT_URL"]))
        assert "AccessDenied" in caught.value.response["Error"]["Code"], service
    for role in ("deploy-production", "release-production", "deploy-staging"):
        with pytest.raises(ClientError, match="AssumeRoleWithWebIdentity"):
            ci_tokens.session(shell.env["AWS_ENDPOINT_URL"], f"arn:aws:iam::{ACCOUNT}:role/orders-ci-{role}", claims)
