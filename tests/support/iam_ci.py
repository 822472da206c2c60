"""What the roles of CI jobs may and may not, by the policies that Terraform plans for them.

The policies are read from the inventory that `tests/terraform/test_module_plans.py` compares with the plan. What must
be allowed was recorded from whole runs on the local cloud, with IAM enforced and each command under its job's role.
It is in `tests/unit/data/ci_accesses.json`, by role: action, resource, and the condition keys that policies ask for.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from iam_cases import PolicyCase

from localcloud.authorization.model import Principal

TESTS = Path(__file__).parents[1]
INVENTORY = TESTS / "terraform" / "inventories" / "foundation-ci.yaml"
MANY = INVENTORY.with_name("foundation-cimany.yaml")
"""The same of a project that has a function beside its own."""
RECORDED = TESTS / "unit" / "data" / "ci_accesses.json"
ACCOUNT, REGION = "123456789012", "eu-west-1"
AT = f"{REGION}:{ACCOUNT}"
IAM = f"arn:aws:iam::{ACCOUNT}"
BOUNDARY = f"{IAM}:policy/sample-ci-boundary-{REGION}"
BOUNDED = {"iam:permissionsboundary": (BOUNDARY,)}
STATES = f"arn:aws:s3:::sample-tfstate-{ACCOUNT}-{REGION}"
ARTIFACTS = f"arn:aws:s3:::sample-artifacts-{ACCOUNT}-{REGION}"
TABLE = f"arn:aws:dynamodb:{AT}:table/sample-releases"
IMAGES = f"arn:aws:ecr:{AT}:repository/sample"
MACHINE = f"arn:aws:states:{AT}:stateMachine:sample-promotion"
PULLS = frozenset({"ecr:BatchGetImage", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer"})
PUSHES = PULLS | {
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
}
REGISTRY = {
    "inv image.push": PUSHES,
    "inv promote: the repository that it copies from": PULLS,
    "inv promote: a repository that it copies to": PUSHES - {"ecr:GetDownloadUrlForLayer"},
    "inv image.verify": PULLS,
    "inv diff": PULLS,
}
"""What a command asks of ECR and its registry; `tests/unit/test_ci_registry.py` records it."""
KEY_POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"{IAM}:root"}, "Action": "kms:*", "Resource": "*"}],
}
"""A key leaves it to the account's policies who may use it."""
Forbidden = tuple[str, str, dict[str, tuple[str, ...]]]


def function(name: str) -> str:
    return f"arn:aws:lambda:{AT}:function:{name}"


def logs(name: str) -> str:
    return f"arn:aws:logs:{AT}:log-group:/aws/lambda/{name}"


def role(name: str) -> str:
    return f"{IAM}:role/{name}"


def item(key: str) -> dict[str, tuple[str, ...]]:
    return {"dynamodb:leadingkeys": (key,)}


def passed_to(service: str) -> dict[str, tuple[str, ...]]:
    return {"iam:passedtoservice": (f"{service}.amazonaws.com",)}


EVERYBODY: tuple[Forbidden, ...] = (
    *(
        (f"iam:{action}", role(f"sample-ci-{each}"), {})
        for each in ("deploy-staging", "deploy-production", "plan-staging", "release-production", "preview")
        for action in (
            "AttachRolePolicy",
            "PutRolePolicy",
            "UpdateAssumeRolePolicy",
            "UpdateRole",
            "CreateRole",
            "DeleteRole",
        )
    ),
    *(
        (f"iam:{action}", f"{IAM}:policy/sample-ci-apply-staging", {})
        for action in ("CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicy", "DeletePolicyVersion")
    ),
    *(
        (f"iam:{action}", f"{IAM}:oidc-provider/token.actions.githubusercontent.com", {})
        for action in ("AddClientIDToOpenIDConnectProvider", "DeleteOpenIDConnectProvider")
    ),
    ("iam:CreatePolicyVersion", BOUNDARY, {}),
    ("iam:CreateRole", role("someone"), BOUNDED),
    ("iam:CreateRole", role("sample-x-staging-function"), BOUNDED),
    ("iam:CreateUser", f"{IAM}:user/someone", {}),
    ("iam:CreateAccessKey", f"{IAM}:user/someone", {}),
    ("iam:PassRole", role("sample-ci-deploy-staging"), passed_to("lambda")),
    ("iam:PassRole", role("admin"), passed_to("lambda")),
    ("sts:AssumeRole", role("sample-ci-deploy-production"), {}),
    ("sts:AssumeRole", role("admin"), {}),
    ("s3:PutBucketPolicy", STATES, {}),
    ("s3:PutBucketVersioning", STATES, {}),
    ("s3:DeleteBucket", ARTIFACTS, {}),
    ("s3:DeleteObject", f"{STATES}/staging/service.tfstate", {}),
    ("s3:DeleteObjectVersion", f"{STATES}/staging/service.tfstate", {}),
    ("s3:PutObject", f"{STATES}/foundation.tfstate", {}),
    ("s3:DeleteObject", f"{STATES}/foundation.tfstate.tflock", {}),
    ("dynamodb:DeleteTable", TABLE, {}),
    ("dynamodb:UpdateTable", TABLE, {}),
    ("dynamodb:Scan", TABLE, {}),
    ("dynamodb:PutItem", TABLE, item("root#foundation")),
    ("dynamodb:PutItem", TABLE, {}),
    ("ecr:DeleteRepository", IMAGES, {}),
    ("ecr:SetRepositoryPolicy", IMAGES, {}),
    ("ecr:BatchDeleteImage", IMAGES, {}),
    ("ecr:PutImage", f"arn:aws:ecr:{AT}:repository/other", {}),
    ("lambda:UpdateFunctionCode", function("someone-elses"), {}),
    ("lambda:InvokeFunction", function("someone-elses:live"), {}),
    ("lambda:UpdateFunctionCode", function("sample-pr"), {}),
    ("lambda:CreateEventSourceMapping", "*", {"lambda:functionarn": (function("someone-elses"),)}),
    ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{AT}:secret:sample/staging/KEY-AbC123", {}),
    ("ssm:GetParameter", f"arn:aws:ssm:{AT}:parameter/sample/staging/KEY", {}),
    ("logs:DeleteLogGroup", f"arn:aws:logs:{AT}:log-group:/aws/lambda/someone-elses", {}),
    ("cloudformation:CreateStack", f"arn:aws:cloudformation:{AT}:stack/someone-elses/*", {}),
    ("sqs:DeleteQueue", f"arn:aws:sqs:{AT}:someone-elses", {}),
    ("events:PutRule", f"arn:aws:events:{AT}:rule/someone-elses", {}),
)
"""What no role may."""

WRITES: tuple[Forbidden, ...] = (
    ("iam:CreateRole", role("sample-staging-function"), BOUNDED),
    ("iam:PassRole", role("sample-staging-function"), passed_to("lambda")),
    ("lambda:CreateFunction", function("sample-staging"), {}),
    ("lambda:UpdateFunctionConfiguration", function("sample-staging"), {}),
    ("s3:PutObject", f"{STATES}/staging/service.tfstate", {}),
    ("s3:PutObject", f"{STATES}/staging/service.tfstate.tflock", {}),
    ("s3:PutObject", f"{STATES}/delivery.tfstate", {}),
    ("states:UpdateStateMachine", MACHINE, {}),
)
"""What Terraform does in staging, and in the delivery."""
RELEASES: tuple[Forbidden, ...] = (
    ("lambda:PublishVersion", function("sample-staging"), {}),
    ("lambda:UpdateAlias", function("sample-staging"), {}),
    ("lambda:UpdateFunctionCode", function("sample-staging"), {}),
    ("lambda:InvokeFunction", function("sample-staging:live"), {}),
    ("dynamodb:PutItem", TABLE, item("env#staging")),
    ("dynamodb:PutItem", TABLE, item("digest#sha256:0")),
    ("dynamodb:UpdateItem", TABLE, item("climb#1")),
    ("ecr:PutImage", IMAGES, {}),
    ("states:StartExecution", MACHINE, {}),
    ("states:SendTaskSuccess", "*", {}),
)
"""What a release does in staging, and a promotion."""


def _in(environment: str, calls: tuple[Forbidden, ...], *but: str) -> tuple[Forbidden, ...]:
    """Return calls in an environment; `but` are actions that are left out."""
    changed = json.loads(json.dumps(calls).replace("staging", environment))
    return tuple(
        (action, arn, {k: tuple(v) for k, v in more.items()}) for action, arn, more in changed if action not in but
    )


OWN = ("states:UpdateStateMachine", "s3:PutObject", "dynamodb:PutItem", "dynamodb:UpdateItem", "states:StartExecution")
FORBIDDEN: dict[str, tuple[Forbidden, ...]] = {
    "deploy-production": (
        ("lambda:PublishVersion", function("sample-production"), {}),
        ("lambda:UpdateAlias", function("sample-production"), {}),
        ("lambda:UpdateAlias", function("sample-production:live"), {}),
        ("lambda:InvokeFunction", function("sample-production:live"), {}),
        ("ecr:PutImage", IMAGES, {}),
        ("states:SendTaskSuccess", "*", {}),
        ("iam:CreateRole", role("sample-production-function"), {}),
        ("iam:CreateRole", role("sample-promotion"), {"iam:permissionsboundary": (f"{IAM}:policy/mine",)}),
        *_in("staging", WRITES, *OWN),
        *_in("staging", RELEASES, *OWN),
        ("dynamodb:PutItem", TABLE, item("env#staging")),
        ("s3:PutObject", f"{STATES}/staging/service.tfstate", {}),
        ("s3:GetObject", f"{ARTIFACTS}/plans/staging/service/x.tfplan", {}),
    ),
    "deploy-staging": (
        ("iam:CreateRole", role("sample-staging-function"), {}),
        ("iam:CreateRole", role("sample-staging-function"), {"iam:permissionsboundary": (f"{IAM}:policy/mine",)}),
        ("iam:PutRolePolicy", role("sample-staging-function"), {}),
        ("iam:AttachRolePolicy", role("sample-staging-codedeploy"), {}),
        (
            "iam:PutRolePermissionsBoundary",
            role("sample-staging-function"),
            {"iam:permissionsboundary": (f"{IAM}:policy/mine",)},
        ),
        ("iam:DeleteRolePermissionsBoundary", role("sample-staging-function"), BOUNDED),
        ("iam:PassRole", role("sample-staging-function"), passed_to("ec2")),
        ("iam:PassRole", role("sample-staging-codedeploy"), passed_to("lambda")),
        ("iam:CreateRole", role("sample-promotion"), BOUNDED),
        ("iam:PassRole", role("sample-promotion"), passed_to("states")),
        ("lambda:UpdateFunctionCode", function("sample-pipeline-validate"), {}),
        ("s3:PutObject", f"{ARTIFACTS}/plans/staging/service/x.tfplan", {}),
        ("s3:PutObject", f"{ARTIFACTS}/pipeline/validate.zip", {}),
        ("s3:PutObject", f"{STATES}/delivery.tfstate", {}),
        ("states:StartExecution", MACHINE, {}),
        ("states:UpdateStateMachine", MACHINE, {}),
        ("states:SendTaskSuccess", "*", {}),
        ("dynamodb:PutItem", TABLE, item("root#delivery")),
        *_in("production", WRITES, "states:UpdateStateMachine"),
        *_in("production", RELEASES, "dynamodb:PutItem", "ecr:PutImage"),
        ("dynamodb:PutItem", TABLE, item("env#production")),
    ),
    "plan-staging": (
        *WRITES,
        *RELEASES,
        ("s3:PutObject", f"{ARTIFACTS}/plans/production/service/x.tfplan", {}),
        ("s3:PutObject", f"{ARTIFACTS}/smoke/x.json", {}),
        ("s3:GetObject", f"{ARTIFACTS}/plans/staging/service/x.tfplan", {}),
        ("lambda:InvokeFunction", function("sample-pipeline-rollback"), {}),
        *(("logs:FilterLogEvents", logs(f"sample-{name}"), {}) for name in ("production", "staging")),
    ),
    "preview": (
        *WRITES,
        *RELEASES,
        *_in("production", WRITES),
        *_in("production", RELEASES),
        ("s3:GetObject", f"{STATES}/staging/service.tfstate", {}),
        ("s3:DeleteObjectVersion", f"{STATES}/staging/service.tfstate", {}),
        ("s3:ListBucketVersions", STATES, {"s3:prefix": ("staging/",)}),
        ("s3:ListBucketVersions", STATES, {}),
        ("s3:GetObject", f"{STATES}/foundation.tfstate", {}),
        ("s3:PutObject", f"{ARTIFACTS}/plans/staging/service/x.tfplan", {}),
        ("lambda:GetAlias", function("sample-staging"), {}),
        ("lambda:GetFunction", function("sample-production"), {}),
        ("dynamodb:GetItem", TABLE, item("env#staging")),
        ("dynamodb:GetItem", TABLE, item("climb#1")),
        ("ecr:BatchGetImage", IMAGES, {}),
        ("logs:FilterLogEvents", logs("sample-staging"), {}),
        ("apigateway:DELETE", f"arn:aws:apigateway:{REGION}::/apis/abc", {}),
        ("iam:PassRole", role("sample-pr-1-function"), passed_to("ec2")),
        ("iam:CreateRole", role("sample-pr-1-function"), {}),
        ("lambda:TagResource", f"arn:aws:lambda:{AT}:event-source-mapping:1", {"aws:resourcetag/project": ("other",)}),
    ),
    "release-production": (
        *_in("production", WRITES),
        *_in("staging", WRITES),
        *_in(
            "staging",
            RELEASES,
            "states:StartExecution",
            "states:SendTaskSuccess",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
        ),
        ("dynamodb:PutItem", TABLE, item("env#staging")),
        ("s3:GetObject", f"{STATES}/production/service.tfstate", {}),
        ("s3:PutObject", f"{ARTIFACTS}/plans/production/service/x.tfplan", {}),
        ("ecr:PutImage", IMAGES, {}),
    ),
}
"""What a role may not, by its name."""
PREVIEWS: tuple[Forbidden, ...] = (
    ("iam:CreateRole", role("sample-pr-1-function"), BOUNDED),
    ("iam:PassRole", role("sample-pr-1-function"), passed_to("lambda")),
    ("lambda:CreateFunction", function("sample-pr-1"), {}),
    ("lambda:UpdateAlias", function("sample-pr-1"), {}),
    ("lambda:InvokeFunction", function("sample-pr-1:live"), {}),
    ("s3:PutObject", f"{STATES}/pr-1/service.tfstate", {}),
    ("dynamodb:PutItem", TABLE, item("env#pr-1")),
    ("s3:ListBucket", STATES, {}),
    ("s3:ListBucketVersions", STATES, {"s3:prefix": ("pr-1/",)}),
    ("s3:DeleteObjectVersion", f"{STATES}/pr-1/service.tfstate", {}),
    ("dynamodb:PutItem", TABLE, item("previews")),
    ("dynamodb:Query", TABLE, item("previews")),
    ("ecr:PutImage", f"arn:aws:ecr:{AT}:repository/sample-pr-images", {}),
)
"""What a preview's job may."""
OF_PREVIEWS = (
    ("dynamodb:PutItem", TABLE, False),
    ("dynamodb:PutItem", f"arn:aws:dynamodb:{AT}:table/orders", False),
    ("s3:PutObject", f"{ARTIFACTS}/pipeline/validate.zip", False),
    ("s3:GetObject", "arn:aws:s3:::somebodys/file", False),
    ("ecr:PutImage", IMAGES, False),
    ("lambda:UpdateFunctionCode", function("sample-staging"), False),
    ("lambda:UpdateFunctionCode", function("sample-pipeline-validate"), False),
    ("lambda:InvokeFunction", function("somebodys"), False),
    ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{AT}:secret:sample/production/KEY-AbC123", False),
    ("ssm:GetParameter", f"arn:aws:ssm:{AT}:parameter/sample/production/KEY", False),
    ("states:SendTaskSuccess", "*", False),
    ("states:StartExecution", MACHINE, False),
    ("cloudformation:UpdateStack", f"arn:aws:cloudformation:{AT}:stack/somebodys/1", False),
    ("codebuild:StartBuild", f"arn:aws:codebuild:{AT}:project/somebodys", False),
    ("sts:AssumeRole", "arn:aws:iam::210987654321:role/partner", False),
    ("sqs:ReceiveMessage", f"arn:aws:sqs:{AT}:sample-staging", False),
    ("sqs:ReceiveMessage", f"arn:aws:sqs:{AT}:sample-pr-1", True),
    ("lambda:InvokeFunction", f"{function('sample-pr-1')}:live", True),
    ("logs:PutLogEvents", f"{logs('sample-pr-1')}:log-stream:x", True),
    ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{AT}:secret:sample/pr-1/KEY-AbC123", True),
    ("cloudwatch:DescribeAlarms", "*", True),
    ("ec2:CreateNetworkInterface", f"arn:aws:ec2:{AT}:subnet/subnet-1", True),
    ("xray:PutTraceSegments", "*", True),
)
"""What a role of a preview may that was given every right, and what it may not, whatever it is given."""


@functools.cache
def planned(inventory: Path = INVENTORY) -> dict[str, dict[str, Any]]:
    """Return the values of the plan by address."""
    values: dict[str, dict[str, Any]] = yaml.safe_load(inventory.read_text("utf-8"))["values"]
    return values


@functools.cache
def policies(name: str, inventory: Path = INVENTORY) -> tuple[dict[str, Any], ...]:
    """Return the policies that are attached to a role."""
    prefix = f'aws_iam_role_policy_attachment.ci["{name}:'
    values = planned(inventory)
    attached = [key.removeprefix(prefix).removesuffix('"]') for key in values if key.startswith(prefix)]
    return tuple(values[f'aws_iam_policy.ci["{each}"]']["policy"] for each in attached)


def case(
    name: str, action: str, resource: str, context: dict[str, tuple[str, ...]], inventory: Path = INVENTORY
) -> PolicyCase:
    """Return one access of a role."""
    return case_of(name, policies(name, inventory), action, resource, context)


def case_of(
    name: str,
    identity: tuple[dict[str, Any], ...],
    action: str,
    resource: str,
    context: dict[str, tuple[str, ...]],
) -> PolicyCase:
    """Return one access of a role that has these policies."""
    principal = Principal(
        arn=role(f"sample-ci-{name}"),
        session_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/sample-ci-{name}/run",
        account=ACCOUNT,
    )
    more = " ".join(f"{key}={','.join(value)}" for key, value in context.items())
    title = f"{name} {action} {resource} {more}".strip()
    return PolicyCase(
        title,
        principal,
        action,
        resource,
        ACCOUNT,
        context,
        identity=identity,
        resource_policy=KEY_POLICY if action.startswith("kms:") else None,
    )


def bounded(made: str, action: str, resource: str, inventory: Path = INVENTORY) -> PolicyCase:
    """Return one access of a role that a job made, bounded it, and gave it every right."""
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    boundary = planned(inventory)[f'aws_iam_policy.ci["{BOUNDARY.rpartition("-ci-")[2]}"]']["policy"]
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{made.rpartition('/')[2]}/run"
    principal = Principal(arn=made, session_arn=session, account=ACCOUNT)
    title = f"{made} {action} {resource}"
    return PolicyCase(title, principal, action, resource, ACCOUNT, identity=(everything,), boundary=boundary)


def allowed() -> Iterator[PolicyCase]:
    """Yield what was recorded of each role, and what a preview needs."""
    for name, accesses in json.loads(RECORDED.read_text("utf-8")).items():
        for action, resource, context in accesses:
            yield case(name, action, resource, {key: tuple(values) for key, values in context.items()})
    yield from (case("preview", *each) for each in PREVIEWS)


def forbidden() -> Iterator[PolicyCase]:
    """Yield what no role may, and what each may not."""
    for name, calls in FORBIDDEN.items():
        yield from (case(name, *each) for each in (*EVERYBODY, *calls))


_OF_THE_FUNCTION = re.compile(r"\bsample-(staging|production)(?=[-:/]|$)")
_RELEASING = ("deploy-staging", "release-production", "release-staging")
"""Roles that write what the ledger has of a function, where they act."""


def _named(name: str, access: Forbidden) -> Forbidden:
    """Return a call about the project's own function as the same about one beside it, mailer."""
    action, resource, context = access
    renamed = {
        key: tuple(
            f"{value}-mailer"
            if key == "dynamodb:leadingkeys" and value.startswith("env#") and name in _RELEASING
            else _OF_THE_FUNCTION.sub(r"\g<0>-mailer", value)
            for value in values
        )
        for key, values in context.items()
    }
    return action, _OF_THE_FUNCTION.sub(r"\g<0>-mailer", resource), renamed


def allowed_of_named() -> Iterator[PolicyCase]:
    """Yield what was recorded of each role, about a function beside the project's own."""
    for name, accesses in json.loads(RECORDED.read_text("utf-8")).items():
        for action, resource, context in accesses:
            access = (action, resource, {key: tuple(values) for key, values in context.items()})
            yield case(name, *_named(name, access), MANY)
    yield from (case("preview", *_previewed(each), MANY) for each in PREVIEWS)


def _previewed(access: Forbidden) -> Forbidden:
    action, resource, context = access
    return action, resource.replace("sample-pr-1", "sample-pr-1-mailer"), context


def forbidden_of_named() -> Iterator[PolicyCase]:
    """Yield what each role may not, about both functions of a project, and about those of others."""
    for name, calls in FORBIDDEN.items():
        yield from (case(name, *each, MANY) for each in (*EVERYBODY, *calls))
        yield from (case(name, *_named(name, each), MANY) for each in calls)


def of_ci() -> list[PolicyCase]:
    """Return all of them."""
    previews = (bounded(role("sample-pr-1-function"), action, resource) for action, resource, _ in OF_PREVIEWS)
    return [*allowed(), *forbidden(), *previews, *allowed_of_named(), *forbidden_of_named()]
