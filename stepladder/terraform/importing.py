"""Import what a killed run created but never wrote into the state.

Terraform saves a remote state every 20 s (hashicorp/terraform#32680), so a kill can leave resources that no state
knows; creating them again fails for ever. A plan for review, a plan after a kill, and one after
an apply that failed on such a resource therefore look each resource up by its name, where AWS won't create a second,
and import what is there and ours by `import` blocks
(https://developer.hashicorp.com/terraform/language/import). Ours means: it carries all the tags that the plan would
give it, or its parent is ours, or, for a bucket, our account owns it (its name holds project, account and region).
Kinds whose creation is a put (policies, alarms, permissions of a bucket) need no import.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from stepladder.core.aws import ABSENT_IN_S3, Aws, error_code
from stepladder.core.errors import RefusedError
from stepladder.core.names import Names
from stepladder.terraform import functions, pipeline_resources, trigger_resources
from stepladder.terraform.trigger_resources import KEY, NAME

_ABSENT = ABSENT_IN_S3 | frozenset(
    {
        "ApplicationDoesNotExistException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "DeploymentConfigDoesNotExistException",
        "DeploymentGroupDoesNotExistException",
        "NoSuchEntity",
        "NotFoundException",
        "PipelineNotFoundException",
        "QueueDoesNotExist",
        "RepositoryNotFoundException",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "StateMachineDoesNotExist",
    }
)
_FORBIDDEN = frozenset({"403", "AccessDenied"})
_WORKERS = 8


@dataclass(frozen=True)
class ExistingResource:
    """A resource that exists: its import id, and its tags; None where ownership shows otherwise."""

    id: str
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Import:
    """One resource to import: address, import id."""

    address: str
    id: str

    def block(self) -> str:
        """Return the `import` block (JSON strings are HCL strings once `${` and `%{` are escaped)."""
        text = json.dumps(self.id).replace("${", "$${").replace("%{", "%%{")
        return f"import {{\n  to = {self.address}\n  id = {text}\n}}\n"


Values = Mapping[str, Any]
Finder = Callable[[Aws, Names, Values], ExistingResource | None]


def imports(aws: Aws, names: Names, plan: Mapping[str, Any], *, only: frozenset[str] | None = None) -> list[Import]:
    """Return what a plan (`terraform show -json`) would create although it exists and is ours.

    `only` limits it to these addresses.

    Raises `RefusedError` when a name is taken by something that isn't ours.
    """
    created = [
        change
        for change in plan.get("resource_changes", ())
        if change["change"]["actions"] == ["create"] and change["type"] in FINDERS
        if only is None or change["address"] in only
    ]
    if not created:
        return []
    with ThreadPoolExecutor(_WORKERS) as pool:
        existing_resources = list(pool.map(lambda change: _find(aws, names, change), created))
    return [
        _claim(change, existing)
        for change, existing in zip(created, existing_resources, strict=True)
        if existing is not None
    ]


def _find(aws: Aws, names: Names, change: Mapping[str, Any]) -> ExistingResource | None:
    from botocore.exceptions import ClientError

    kind, values = change["type"], {**change["change"]["after"], KEY: change.get("index"), NAME: change.get("name")}
    names = replace(names, name_of_function=functions.name_in(str(change["address"])))
    try:
        return FINDERS[kind](aws, names, values)
    except KeyError:  # a name that is only known after the apply: nothing of that name can be there
        return None
    except ClientError as error:
        code = error_code(error)
        if code in _ABSENT:
            return None
        if kind == "aws_s3_bucket" and code in _FORBIDDEN:
            raise RefusedError(
                f"the S3 bucket {values['bucket']} belongs to another account, or may not be read",
                kind="foreign-resource",
                hint="bucket names are global; choose another `stepladder.project`, or check your credentials",
            ) from error
        raise


def _claim(change: Mapping[str, Any], existing: ExistingResource) -> Import:
    expected = change["change"]["after"].get("tags_all") or {}
    if existing.tags is not None:
        missing = {key: value for key, value in expected.items() if existing.tags.get(key) != value}
        if missing or not expected:
            wanted = ", ".join(f"{key}={value}" for key, value in missing.items()) or "any tags that say so"
            if change["type"] == "aws_iam_openid_connect_provider":
                raise RefusedError(
                    f"the account has an identity provider {existing.id} already, which isn't this project's",
                    kind="foreign-resource",
                    hint="use it as it is: let `stepladder.ci.github.provider` say existing; for GitLab's it is "
                    "`stepladder.ci.gitlab.provider`",
                )
            raise RefusedError(
                f"{existing.id} exists already, and isn't this project's: it doesn't carry {wanted}",
                kind="foreign-resource",
                hint=f"choose another `stepladder.project`; or tag it so, if it is yours ({change['address']})",
            )
    return Import(str(change["address"]), existing.id)


def _bucket(aws: Aws, names: Names, values: Values) -> ExistingResource:
    aws.client("s3").head_bucket(Bucket=values["bucket"], ExpectedBucketOwner=names.account)
    return ExistingResource(values["bucket"])


def _table(aws: Aws, _names: Names, values: Values) -> ExistingResource:
    dynamodb = aws.client("dynamodb")
    arn = dynamodb.describe_table(TableName=values["name"])["Table"]["TableArn"]
    return ExistingResource(values["name"], _pairs(dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]))


def _repository(aws: Aws, _names: Names, values: Values) -> ExistingResource:
    ecr = aws.client("ecr")
    arn = ecr.describe_repositories(repositoryNames=[values["name"]])["repositories"][0]["repositoryArn"]
    return ExistingResource(values["name"], _pairs(ecr.list_tags_for_resource(resourceArn=arn)["tags"]))


def _role(aws: Aws, _names: Names, values: Values) -> ExistingResource:
    role = aws.client("iam").get_role(RoleName=values["name"])["Role"]
    return ExistingResource(values["name"], _pairs(role.get("Tags", [])))


def _policy(aws: Aws, names: Names, values: Values) -> ExistingResource:
    arn = f"arn:{names.partition}:iam::{names.account}:policy{values.get('path') or '/'}{values['name']}"
    return ExistingResource(arn, _pairs(aws.client("iam").get_policy(PolicyArn=arn)["Policy"].get("Tags", [])))


def _oidc_provider(aws: Aws, names: Names, values: Values) -> ExistingResource:
    host = values["url"].removeprefix("https://").rstrip("/")
    arn = f"arn:{names.partition}:iam::{names.account}:oidc-provider/{host}"
    provider = aws.client("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    return ExistingResource(arn, _pairs(provider.get("Tags", [])))


def _log_group(aws: Aws, names: Names, values: Values) -> ExistingResource | None:
    logs = aws.client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix=values["name"])["logGroups"]
    if values["name"] not in {group["logGroupName"] for group in groups}:
        return None
    arn = f"arn:{names.partition}:logs:{names.region}:{names.account}:log-group:{values['name']}"
    return ExistingResource(values["name"], logs.list_tags_for_resource(resourceArn=arn)["tags"])


def _function(aws: Aws, _names: Names, values: Values) -> ExistingResource:
    answer = aws.client("lambda").get_function(FunctionName=values["function_name"])
    return ExistingResource(values["function_name"], answer.get("Tags", {}))


def _alias(aws: Aws, _names: Names, values: Values) -> ExistingResource:
    aws.client("lambda").get_alias(FunctionName=values["function_name"], Name=values["name"])
    return ExistingResource(f"{values['function_name']}/{values['name']}")


def _function_url(aws: Aws, _names: Names, values: Values) -> ExistingResource:
    where = {"Qualifier": values["qualifier"]} if values.get("qualifier") else {}
    aws.client("lambda").get_function_url_config(FunctionName=values["function_name"], **where)
    return ExistingResource("/".join(filter(None, (values["function_name"], values.get("qualifier")))))


def _permission(aws: Aws, _names: Names, values: Values) -> ExistingResource | None:
    where = {"Qualifier": values["qualifier"]} if values.get("qualifier") else {}
    policy = json.loads(aws.client("lambda").get_policy(FunctionName=values["function_name"], **where)["Policy"])
    if values["statement_id"] not in {statement.get("Sid") for statement in policy["Statement"]}:
        return None
    qualified = ":".join(filter(None, (values["function_name"], values.get("qualifier"))))
    return ExistingResource(f"{qualified}/{values['statement_id']}")


def _queue(aws: Aws, _names: Names, values: Values) -> ExistingResource:
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=values["name"])["QueueUrl"]
    return ExistingResource(url, sqs.list_queue_tags(QueueUrl=url).get("Tags", {}))


def _codedeploy_app(aws: Aws, names: Names, values: Values) -> ExistingResource:
    codedeploy = aws.client("codedeploy")
    codedeploy.get_application(applicationName=values["name"])
    arn = f"arn:{names.partition}:codedeploy:{names.region}:{names.account}:application:{values['name']}"
    return ExistingResource(values["name"], _pairs(codedeploy.list_tags_for_resource(ResourceArn=arn)["Tags"]))


def _codedeploy_group(aws: Aws, _names: Names, values: Values) -> ExistingResource:
    app, group = values["app_name"], values["deployment_group_name"]
    aws.client("codedeploy").get_deployment_group(applicationName=app, deploymentGroupName=group)
    return ExistingResource(f"{app}:{group}")


def _codedeploy_config(aws: Aws, _names: Names, values: Values) -> ExistingResource:
    name = values["deployment_config_name"]  # holds project, environment and all that the configuration says
    aws.client("codedeploy").get_deployment_config(deploymentConfigName=name)
    return ExistingResource(name)


def _stack(aws: Aws, _names: Names, values: Values) -> ExistingResource | None:
    """Find a stack. CloudFormation has no code of its own for one that isn't there, so all are listed."""
    for page in aws.client("cloudformation").get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            if stack["StackName"] == values["name"] and stack["StackStatus"] != "DELETE_COMPLETE":
                return ExistingResource(values["name"], _pairs(stack.get("Tags", [])))
    return None


def _schedule(aws: Aws, _names: Names, values: Values) -> ExistingResource:
    group = values.get("group_name") or "default"
    aws.client("scheduler").get_schedule(Name=values["name"], GroupName=group)
    return ExistingResource(f"{group}/{values['name']}")


def _state_machine(aws: Aws, names: Names, values: Values) -> ExistingResource:
    arn = f"arn:{names.partition}:states:{names.region}:{names.account}:stateMachine:{values['name']}"
    stepfunctions = aws.client("stepfunctions")
    stepfunctions.describe_state_machine(stateMachineArn=arn)
    return ExistingResource(arn, _pairs(stepfunctions.list_tags_for_resource(resourceArn=arn)["tags"]))


def _state_machine_alias(aws: Aws, names: Names, values: Values) -> ExistingResource:
    """Find an alias of the project's one state machine, whose ARN the plan doesn't know yet."""
    machine = f"arn:{names.partition}:states:{names.region}:{names.account}:stateMachine:{names.state_machine}"
    arn = f"{machine}:{values['name']}"
    aws.client("stepfunctions").describe_state_machine_alias(stateMachineAliasArn=arn)
    return ExistingResource(arn)


def _by(find: trigger_resources.Find) -> Finder:
    def finder(aws: Aws, names: Names, values: Values) -> ExistingResource | None:
        existing = find(aws, names, values)
        return ExistingResource(existing) if existing else None

    return finder


def _tagged(find: pipeline_resources.FindTagged) -> Finder:
    def finder(aws: Aws, _names: Names, values: Values) -> ExistingResource | None:
        existing = find(aws, values)
        return ExistingResource(existing[0], _pairs(existing[1])) if existing else None

    return finder


def _pairs(tags: list[dict[str, str]]) -> dict[str, str]:
    """Read the three spellings of AWS's lists of tags."""
    lowered = [{key.lower(): value for key, value in tag.items()} for tag in tags]
    return {tag["key"]: tag["value"] for tag in lowered}


FINDERS: dict[str, Finder] = {
    "aws_apigatewayv2_api": _by(trigger_resources.api),
    "aws_apigatewayv2_integration": _by(trigger_resources.integration),
    "aws_apigatewayv2_route": _by(trigger_resources.route),
    "aws_apigatewayv2_stage": _by(trigger_resources.stage),
    "aws_cloudformation_stack": _stack,
    "aws_codebuild_project": _tagged(pipeline_resources.build_project),
    "aws_codeconnections_connection": _tagged(pipeline_resources.connection),
    "aws_codedeploy_app": _codedeploy_app,
    "aws_codedeploy_deployment_config": _codedeploy_config,
    "aws_codedeploy_deployment_group": _codedeploy_group,
    "aws_cloudwatch_log_group": _log_group,
    "aws_codepipeline": _tagged(pipeline_resources.pipeline),
    "aws_dynamodb_table": _table,
    "aws_ecr_repository": _repository,
    "aws_iam_openid_connect_provider": _oidc_provider,
    "aws_iam_policy": _policy,
    "aws_iam_role": _role,
    "aws_lambda_alias": _alias,
    "aws_lambda_event_source_mapping": _by(trigger_resources.event_source_mapping),
    "aws_lambda_function": _function,
    "aws_lambda_function_url": _function_url,
    "aws_lambda_permission": _permission,
    "aws_s3_bucket": _bucket,
    "aws_scheduler_schedule": _schedule,
    "aws_sfn_alias": _state_machine_alias,
    "aws_sfn_state_machine": _state_machine,
    "aws_sqs_queue": _queue,
}
