"""The roles of CI jobs may what their jobs do, and nothing beside it; each trusts the subjects of its own jobs."""

from __future__ import annotations

import json
from pathlib import Path

import iam_ci
import pytest
from iam_ci import (
    ACCOUNT,
    AT,
    IAM,
    STATES,
    TABLE,
    logs,
    planned,
    role,
)

from localcloud.authorization.decide import decide
from localcloud.authorization.documents import parse_policy
from localcloud.authorization.model import AccessRequest, ApplicablePolicies, Principal

GITHUB = ("token.actions.githubusercontent.com", "sts.amazonaws.com")
GITLAB = ("git.example.com/gitlab", "https://git.example.com/gitlab")
IMMUTABLE, OLDER, PROJECT = "repo:acme@1/orders@2", "repo:acme/orders", "project_path:acme/shop/orders"
ROLES = sorted(
    address.removeprefix('aws_iam_role.ci["').removesuffix('"]')
    for address in planned()
    if address.startswith("aws_iam_role.ci[")
)
PLANS, ENVIRONMENTS = {"plan-production", "plan-staging"}, ("production", "staging")
EVERY = {f"{purpose}-{name}" for purpose in ("deploy", "plan", "release") for name in ENVIRONMENTS}
SUBJECTS = {
    **{
        f"{form}:{what}": roles
        for form in (IMMUTABLE, OLDER)
        for what, roles in {
            "pull_request": {*PLANS, "preview"},
            "ref:refs/heads/main": {*PLANS, "preview"},
            "environment:staging": {"deploy-staging"},
            "environment:production": {"deploy-production"},
            "environment:staging-approval": {"release-staging"},
            "environment:production-approval": {"release-production"},
            "ref:refs/heads/main2": set(),
            "ref:refs/heads/feature": set(),
            "ref:refs/tags/main": set(),
            "environment:Staging": set(),
            "environment:staging:ref:refs/heads/main": set(),
        }.items()
    },
    "repo:acme@1/orders@3:environment:staging": set(),
    "repo:acme@9/orders@2:environment:staging": set(),
    "repo:acme/orders2:environment:staging": set(),
    "repo:Acme/orders:environment:staging": set(),
    "repo:acme@1/orders@2": set(),
    "repo:acme@*/orders@*:environment:staging": set(),
}
"""The roles that a job of GitHub may act as, by its subject."""
MERGES = {
    f"{PROJECT}:ref_type:branch:ref:main": {*EVERY, "preview"},
    f"{PROJECT}:ref_type:branch:ref:feature/1": {*PLANS, "preview"},
    f"{PROJECT}:ref_type:tag:ref:main": set(),
    "project_path:acme/shop/orders2:ref_type:branch:ref:main": set(),
    "project_path:someone/orders:ref_type:branch:ref:main": set(),
    "project_path:acme/shop:ref_type:branch:ref:main": set(),
}
"""The roles that a job of GitLab may act as, by its subject."""


def trusted(issuer: tuple[str, str], subject: str, *, audience: str = "") -> set[str]:
    """The roles that somebody with this subject may assume."""
    host, own = issuer
    context = {f"{host}:sub": (subject,), f"{host}:aud": (audience or own,)}
    caller = Principal(federated=f"{IAM}:oidc-provider/{host}")
    found = set()
    for name in ROLES:
        trust = parse_policy(planned()[f'aws_iam_role.ci["{name}"]']["assume_role_policy"])
        outcomes = {
            decide(
                AccessRequest(action, role(f"sample-ci-{name}"), context),
                caller,
                ApplicablePolicies(resource=trust),
                ACCOUNT,
            ).allowed
            for action in ("sts:AssumeRoleWithWebIdentity", "sts:TagSession")
        }
        assert len(outcomes) == 1, "who may assume a role may tag the session"
        found |= {name} if outcomes == {True} else set()
    return found


@pytest.mark.parametrize("name", [*json.loads(iam_ci.RECORDED.read_text("utf-8")), "preview"])
def test_a_role_may_do_what_its_jobs_were_seen_to_do(name: str) -> None:
    cases = [case for case in iam_ci.allowed() if case.name.startswith(f"{name} ")]
    assert cases
    assert [case.name for case in cases if not case.decided().allowed] == []


@pytest.mark.parametrize("name", [*json.loads(iam_ci.RECORDED.read_text("utf-8")), "preview"])
def test_a_role_may_do_the_same_to_a_function_beside_the_projects_own(name: str) -> None:
    cases = [case for case in iam_ci.allowed_of_named() if case.name.startswith(f"{name} ")]
    assert any("-mailer" in case.name for case in cases)
    assert [case.name for case in cases if not case.decided().allowed] == []


@pytest.mark.parametrize("name", iam_ci.FORBIDDEN)
def test_a_function_beside_the_projects_own_lets_a_role_do_nothing_more(name: str) -> None:
    cases = [case for case in iam_ci.forbidden_of_named() if case.name.startswith(f"{name} ")]
    assert any("-mailer" in case.name for case in cases)
    assert [case.name for case in cases if case.decided().allowed] == []


@pytest.mark.parametrize("name", iam_ci.FORBIDDEN)
def test_a_role_may_not_change_rights_the_foundation_or_what_is_anothers(name: str) -> None:
    granted = [case.name for case in iam_ci.forbidden() if case.name.startswith(f"{name} ") and case.decided().allowed]
    assert granted == []


@pytest.mark.parametrize(("subject", "roles"), SUBJECTS.items(), ids=SUBJECTS)
def test_a_job_of_github_may_act_as_the_roles_of_its_subject(subject: str, roles: set[str]) -> None:
    assert trusted(GITHUB, subject) == roles


@pytest.mark.parametrize(("subject", "roles"), MERGES.items(), ids=MERGES)
def test_a_job_of_gitlab_may_act_as_the_roles_of_its_subject(subject: str, roles: set[str]) -> None:
    assert trusted(GITLAB, subject) == roles


@pytest.mark.parametrize(
    ("issuer", "subject"),
    [(GITHUB, f"{IMMUTABLE}:environment:staging"), (GITLAB, f"{PROJECT}:ref_type:branch:ref:main")],
)
def test_a_token_for_another_audience_opens_nothing(issuer: tuple[str, str], subject: str) -> None:
    assert trusted(issuer, subject, audience="https://example.com") == set()


def test_a_subject_of_one_forge_is_none_of_the_other() -> None:
    assert trusted(GITLAB, f"{IMMUTABLE}:environment:staging") == set()
    assert trusted(GITHUB, f"{PROJECT}:ref_type:branch:ref:main") == set()


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("iam:PutRolePolicy", role("sample-ci-deploy-staging"), False),
        ("iam:CreateAccessKey", f"{IAM}:user/someone", False),
        ("iam:PassRole", role("admin"), False),
        ("sts:AssumeRole", role("admin"), False),
        ("sts:AssumeRole", "arn:aws:iam::210987654321:role/partner", True),
        ("s3:GetObject", f"{STATES}/staging/service.tfstate", False),
        ("dynamodb:DeleteTable", TABLE, False),
        ("dynamodb:PutItem", TABLE, True),
        ("dynamodb:PutItem", f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/orders", True),
    ],
)
def test_a_role_that_a_job_makes_changes_no_rights_whatever_it_is_given(
    action: str, resource: str, allowed: bool
) -> None:
    assert may_when_bounded(role("sample-staging-function"), action, resource) is allowed


def may_when_bounded(made: str, action: str, resource: str, inventory: Path = iam_ci.INVENTORY) -> bool:
    """Say whether a role that a job made may, once the job gave it every right."""
    return iam_ci.bounded(made, action, resource, inventory).decided().allowed


@pytest.mark.parametrize("purpose", ["codedeploy", "function", "schedule"])
@pytest.mark.parametrize(("action", "resource", "allowed"), iam_ci.OF_PREVIEWS)
def test_a_role_of_a_preview_reaches_previews_and_nothing_else_whatever_it_is_given(
    purpose: str, action: str, resource: str, allowed: bool
) -> None:
    assert may_when_bounded(role(f"sample-pr-1-{purpose}"), action, resource) is allowed


@pytest.mark.parametrize("action", ["codebuild:StartBuild", "codebuild:UpdateProject", "codebuild:RetryBuild"])
@pytest.mark.parametrize("build", ["check", "deploy", "promote"])
def test_no_build_of_the_pipeline_is_started_but_by_the_pipeline(action: str, build: str) -> None:
    """A build's own role deploys, and whoever starts one may give it other commands."""
    inventory = iam_ci.INVENTORY.with_name("foundation-codepipeline.yaml")
    project = f"arn:aws:codebuild:{AT}:project/sample-pipeline-{build}"
    assert not may_when_bounded(role("sample-staging-function"), action, project, inventory)
    assert may_when_bounded(role("sample-codepipeline"), action, project, inventory)
    assert may_when_bounded(role("sample-staging-function"), action, f"{project}s", inventory)


@pytest.mark.parametrize(
    ("name", "environments"),
    [
        ("plan-staging", set()),
        ("plan-production", set()),
        ("preview", {"pr-1"}),
        *(
            (f"{purpose}-{name}", {"staging", "production"})
            for purpose in ("deploy", "release")
            for name in ENVIRONMENTS
        ),
    ],
)
def test_what_functions_log_is_read_by_who_releases_and_not_by_who_plans(name: str, environments: set[str]) -> None:
    read = {
        each
        for each in (*ENVIRONMENTS, "pr-1", "other")
        for end in ("", ":*")
        if iam_ci.case(name, "logs:FilterLogEvents", logs(f"sample-{each}") + end, {}).decided().allowed
    }
    assert read == environments


def test_a_policy_has_each_of_its_statements_once() -> None:
    for address, values in planned().items():
        if address.startswith("aws_iam_policy.ci["):
            sids = [statement["Sid"] for statement in values["policy"]["Statement"]]
            assert sorted(set(sids)) == sorted(sids), address


def test_no_policy_of_a_role_has_a_wildcard_in_an_action() -> None:
    actions = {
        action
        for address, values in planned().items()
        if address.startswith("aws_iam_policy.ci[") and "boundary" not in address
        for statement in values["policy"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert [action for action in actions if "*" in action or "?" in action] == []


def test_a_policy_fits_into_iam_in_the_partition_with_the_longest_name() -> None:
    sizes = {
        address: len(json.dumps(values["policy"], separators=(",", ":")).replace("arn:aws:", "arn:aws-us-gov:"))
        for address, values in planned().items()
        if address.startswith("aws_iam_policy.ci[")
    }
    assert max(sizes.values()) <= 6144, sizes
