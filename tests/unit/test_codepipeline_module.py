"""The pipeline that the delivery module makes: the forges' own lines, and roles that may do no more than it takes.

What is read is the delivery module's plan, which tests/terraform compares with Terraform's own.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcloud.authorization.decide import decide
from localcloud.authorization.documents import parse_policy
from localcloud.authorization.model import AccessRequest, ApplicablePolicies, Principal
from stepladder.core import resources
from stepladder.promotion.plan import CODEPIPELINE
from stepladder.settings import codepipeline

ACCOUNT = "123456789012"
INVENTORY = yaml.safe_load((Path(__file__).parents[1] / "terraform" / "delivery.yaml").read_text("utf-8"))
PIPELINE: dict[str, Any] = INVENTORY["pipeline"]
PREPARE = " --prepare promotion.json"
RUN = "uv run --locked inv "


def buildspec(build: str, of: dict[str, Any] = PIPELINE) -> dict[str, Any]:
    spec: dict[str, Any] = of[f'aws_codebuild_project.build["{build}"]']["source"][0]["buildspec"]
    return spec


def forge_lines(forge: str, job: str) -> list[str]:
    """The lines of stepladder's that a job of a generated project runs, without what an answer adds."""
    project = resources.folder("template") / "{{cookiecutter.project_slug}}"
    if forge == "github":
        (path,) = (project / ".github" / "workflows").glob("*ladder.yml*")
        block = rf"^  {job}:\n(.*?)(?=^  [\w-]+:\n|\Z)"
    else:
        (path,) = project.glob("*.gitlab-ci.yml*")
        block = rf"^{job}:\n(.*?)(?=^[\w.-]+:|\Z)"
    match = re.search(block, path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert match, f"{forge} has no job {job}"
    lines = re.findall(rf"^ +(?:- )?(?:run: )?({re.escape(RUN)}.*)$", match[1], re.MULTILINE)
    return [re.sub(r"\{\{.*?\}\}", "", line) for line in lines]


@pytest.mark.parametrize("forge", ["github", "gitlab"])
@pytest.mark.parametrize("build", ["check", "deploy", "promote"])
def test_a_build_runs_the_lines_of_the_forge_s_job(forge: str, build: str) -> None:
    lines = buildspec(build)["phases"]["build"]["commands"]
    assert all(line.startswith(RUN) for line in lines)
    assert [line.removesuffix(PREPARE) for line in lines] == forge_lines(forge, build)
    assert any(line.endswith(PREPARE) for line in lines) == (build == "promote")


def test_a_build_is_set_up_as_gitlab_s_jobs_are() -> None:
    (path,) = (resources.folder("template") / "{{cookiecutter.project_slug}}").glob("*.gitlab-ci.yml*")
    text = path.read_text("utf-8")
    for command in codepipeline.SETUP:
        assert command in text
    for image in codepipeline.IMAGES.values():
        assert f"name: {image.removeprefix('public.ecr.aws/')}\n" in text
    assert buildspec("deploy")["phases"]["install"]["commands"] == list(codepipeline.SETUP)


def test_a_line_that_fails_stops_its_build() -> None:
    assert {buildspec(build)["phases"]["build"]["on-failure"] for build in ("check", "deploy", "promote")} == {"ABORT"}


def test_the_action_starts_the_promotion_with_the_file_that_the_build_leaves() -> None:
    stages = PIPELINE['aws_codepipeline.promotion["it"]']["stage"]
    actions = {action["name"]: action for stage in stages for action in stage["action"]}
    promote, prepare = actions["Promote"], actions["Prepare"]
    assert promote["input_artifacts"] == prepare["output_artifacts"]
    assert promote["configuration"]["Input"] in buildspec("promote")["artifacts"]["files"]
    assert promote["configuration"]["InputType"] == "FilePath"
    assert PREPARE.endswith(promote["configuration"]["Input"])
    assert f"{promote['configuration']['ExecutionNamePrefix']}-" == CODEPIPELINE


def test_docker_is_started_where_that_builder_deploys_and_nowhere_else() -> None:
    setup = buildspec("deploy", INVENTORY["gitlab"])["phases"]["install"]["commands"]
    assert any("dockerd" in command for command in setup)
    assert not any("docker" in json.dumps(buildspec(build)) for build in ("check", "deploy", "promote"))


PARTITION, PLACE = "arn:aws", f"eu-west-1:{ACCOUNT}"
CONNECTION = next(
    action["configuration"]["ConnectionArn"]
    for stage in PIPELINE['aws_codepipeline.promotion["it"]']["stage"]
    for action in stage["action"]
    if action["name"] == "Source"
)
USE = "codeconnections:UseConnection"
OWN = {"codeconnections:fullrepositoryid": ("acme/orders",)}
OTHER = {"codeconnections:fullrepositoryid": ("acme/payroll",)}
BUCKET = f"{PARTITION}:s3:::sample-artifacts-{ACCOUNT}-eu-west-1"
TOPIC = f"{PARTITION}:sns:{PLACE}:sample-promotion"
ROLES = {
    "codepipeline": [
        (True, USE, CONNECTION, OWN),
        (False, USE, CONNECTION, OTHER),
        (False, USE, CONNECTION, {}),
        (False, USE, CONNECTION.replace("0d7a", "ffff"), OWN),
        (True, "codebuild:StartBuild", f"{PARTITION}:codebuild:{PLACE}:project/sample-pipeline-promote", {}),
        (False, "codebuild:StartBuild", f"{PARTITION}:codebuild:{PLACE}:project/payroll", {}),
        (True, "states:StartExecution", f"{PARTITION}:states:{PLACE}:stateMachine:sample-promotion", {}),
        (False, "states:StartExecution", f"{PARTITION}:states:{PLACE}:stateMachine:payroll", {}),
        (True, "states:DescribeExecution", f"{PARTITION}:states:{PLACE}:execution:sample-promotion:one", {}),
        (True, "s3:PutObject", f"{BUCKET}/sample-pipeline/promotion/x", {}),
        (False, "s3:PutObject", f"{BUCKET}/pipeline/relay-0.zip", {}),
        (False, "s3:GetObject", f"{BUCKET}/plans/staging.tfplan", {}),
        (False, "iam:PassRole", f"{PARTITION}:iam::{ACCOUNT}:role/sample-ci-deploy-staging", {}),
    ],
    "check": [
        (True, USE, CONNECTION, OWN),
        (False, USE, CONNECTION, OTHER),
        (True, "s3:GetObject", f"{BUCKET}/sample-pipeline/source/x", {}),
        (False, "s3:PutObject", f"{BUCKET}/sample-pipeline/promotion/x", {}),
        (False, "states:StartExecution", f"{PARTITION}:states:{PLACE}:stateMachine:sample-promotion", {}),
        (False, "lambda:UpdateAlias", f"{PARTITION}:lambda:{PLACE}:function:sample-staging", {}),
        (False, "sts:AssumeRole", f"{PARTITION}:iam::{ACCOUNT}:role/sample-ci-deploy-staging", {}),
        (
            *(True, "logs:PutLogEvents"),
            *(f"{PARTITION}:logs:{PLACE}:log-group:/aws/codebuild/sample-pipeline-check:log-stream:x", {}),
        ),
        (
            *(False, "logs:PutLogEvents"),
            *(f"{PARTITION}:logs:{PLACE}:log-group:/aws/codebuild/sample-pipeline-deploy:log-stream:x", {}),
        ),
    ],
    "notice": [
        (True, "sns:Publish", TOPIC, {}),
        (False, "sns:Publish", TOPIC.replace("sample", "payroll"), {}),
        (True, "events:PutEvents", f"{PARTITION}:events:{PLACE}:event-bus/default", {"events:source": ("stepladder",)}),
        (False, "events:PutEvents", f"{PARTITION}:events:{PLACE}:event-bus/default", {"events:source": ("payroll",)}),
        (True, "ssm:GetParameter", f"{PARTITION}:ssm:{PLACE}:parameter/sample/codepipeline/forge-token", {}),
        (False, "ssm:GetParameter", f"{PARTITION}:ssm:{PLACE}:parameter/sample/staging/API_KEY", {}),
        (False, "codepipeline:StartPipelineExecution", f"{PARTITION}:codepipeline:{PLACE}:sample-pipeline", {}),
    ],
}


@pytest.mark.parametrize(
    ("role", "allowed", "action", "resource", "context"),
    [(role, *row) for role, rows in ROLES.items() for row in rows],
)
def test_a_role_may_do_what_the_pipeline_takes_and_nothing_beside_it(
    role: str, allowed: bool, action: str, resource: str, context: dict[str, tuple[str, ...]]
) -> None:
    document = parse_policy(PIPELINE[f'aws_iam_role_policy.{role}["it"]']["policy"])
    principal = Principal(arn=f"arn:aws:iam::{ACCOUNT}:role/{role}", session_arn="x", account=ACCOUNT)
    decision = decide(
        AccessRequest(action, resource, context), principal, ApplicablePolicies(identity=(document,)), ACCOUNT
    )
    assert decision.allowed is allowed


def test_wildcards_stand_where_nobody_knows_the_name() -> None:
    """An artifact, an execution, a log stream: AWS names them."""
    named = ("/sample-pipeline/*", ":execution:sample-promotion:*", ":log-stream:*")
    for address, values in PIPELINE.items():
        for statement in values["policy"]["Statement"] if address.startswith("aws_iam_role_policy.") else ():
            resource = statement["Resource"]
            for arn in [resource] if isinstance(resource, str) else resource:
                assert "*" not in arn or arn.endswith(named), f"{address}: {arn}"


@pytest.mark.parametrize("role", ["codepipeline", "check"])
def test_only_the_service_that_works_with_a_role_may_assume_it_and_for_the_one_thing(role: str) -> None:
    (statement,) = PIPELINE[f'aws_iam_role.{role}["it"]']["assume_role_policy"]["Statement"]
    service = "codepipeline" if role == "codepipeline" else "codebuild"
    assert statement["Principal"] == {"Service": f"{service}.amazonaws.com"}
    source = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert source.startswith(f"arn:aws:{service}:eu-west-1:{ACCOUNT}:")
    assert "*" not in source
