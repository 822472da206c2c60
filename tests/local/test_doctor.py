"""`inv doctor` on a local cloud: a whole project in which many things are broken at once, each of which is named."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloud_images
import identity_providers
import in_process
import pytest
from cloud_project import CloudProject
from iam_callers import Iam
from invoke.parser import Parser

from stepladder.collections import namespace
from stepladder.commands.doctor import Doctor, DoctorOptions
from stepladder.core.console import Console
from stepladder.core.errors import StepladderError
from stepladder.doctor.check import PROJECT
from stepladder.doctor.registered import CHECKS
from stepladder.ledger import schema
from stepladder.ledger.destruction import DESTROY, Destruction
from stepladder.ledger.schema import Holder, InfraRecord
from stepladder.promotion import delivery
from stepladder.settings.ci import GITHUB_ISSUER, CiSettings, GitHubSettings

pytestmark = pytest.mark.cloud

OF_AWS = [check for check in CHECKS if check.scope != PROJECT]
BLOCKED = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def project(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudProject]:
    runtime = cloud_images.runtime(tmp_path_factory.mktemp("runtime"))
    with in_process.pointed_at(cloud, brief=2.0):
        made = CloudProject(cloud, tmp_path_factory.mktemp("project"), runtime=runtime).build()
        _complete(made)
        yield made


def _complete(project: CloudProject) -> None:
    """Make what the modules make besides what promotions need."""
    names, s3 = project.settings.names("staging"), project.client("s3")
    s3.create_bucket(Bucket=names.state_bucket)
    for bucket in (names.state_bucket, names.artifacts_bucket):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=BLOCKED)
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    project.client("ecr").put_image_tag_mutability(repositoryName=project.name, imageTagMutability="IMMUTABLE")
    tables, logs = project.client("dynamodb"), project.client("logs")
    tables.update_table(TableName=names.ledger_table, DeletionProtectionEnabled=True)
    tables.update_continuous_backups(
        TableName=names.ledger_table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    infra = InfraRecord("inputs", "plan", LONG_AGO)
    for name in ("staging", "production"):
        group = project.settings.names(name).log_group
        with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName=group)
        logs.put_retention_policy(logGroupName=group, retentionInDays=30)
        _url(project, project.settings.names(name).function)
        project.rung(name).ledger.record_infra(name, infra)
    project.rung("staging").ledger.record_infra(None, infra)
    delivery.record(project.rung("production"), "inputs", "plan")
    for root in ("foundation", "service", "delivery"):
        folder = project.root / "terraform" / root
        folder.mkdir(parents=True)
        (folder / "main.tf").write_text("# made by API in this test\n")


def _url(project: CloudProject, function: str) -> None:
    """Make a public URL of the alias, with the two permissions that it needs."""
    client, alias = project.client("lambda"), {"FunctionName": function, "Qualifier": "live"}
    client.create_function_url_config(AuthType="NONE", **alias)
    url = {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"}
    client.add_permission(StatementId="Url", Principal="*", **url, **alias)
    invoke = {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True}
    client.add_permission(StatementId="Invoke", Principal="*", **invoke, **alias)


class Report:
    """What a run of the doctor prints as JSON."""

    def __init__(self, project: CloudProject, settings: Any = None, **options: Any) -> None:
        out = io.StringIO()
        console = Console(out=out, err=io.StringIO(), live=False, as_json=True)
        self.code = 0
        try:
            Doctor(project.root, settings or project.settings, console, DoctorOptions(**options), OF_AWS).run()
            self.record = json.loads(out.getvalue())
        except StepladderError as error:
            self.code, self.record = int(error.exit_code), error.record

    @property
    def findings(self) -> list[tuple[str, str]]:
        return [(each["level"], each["check"]) for each in self.record["findings"]]

    def of(self, check: str) -> list[str]:
        return [f"{each['subject']}: {each['problem']}" for each in self.record["findings"] if each["check"] == check]


def test_what_terraform_makes_is_healthy_and_takes_few_calls(project: CloudProject) -> None:
    project.cloud.reset_calls()
    report = Report(project)
    assert report.record["unchecked"] == []
    assert (report.code, report.findings) == (0, [])
    assert len(project.cloud.calls()) < 60


def _break(project: CloudProject) -> None:
    """Break one thing of each kind."""
    staging, production = project.settings.names("staging"), project.settings.names("production")
    s3, tables, cloudwatch = project.client("s3"), project.client("dynamodb"), project.client("cloudwatch")
    lambda_ = project.client("lambda")
    s3.put_bucket_versioning(Bucket=staging.state_bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.delete_public_access_block(Bucket=staging.artifacts_bucket)
    lock = {"ID": "abc-1", "Who": "somebody@gone", "Operation": "OperationTypeApply", "Created": LONG_AGO}
    for key in ("staging/service", "foundation"):
        s3.put_object(Bucket=staging.state_bucket, Key=f"{key}.tfstate.tflock", Body=json.dumps(lock).encode())
    tables.update_table(TableName=staging.ledger_table, DeletionProtectionEnabled=False)
    tables.update_continuous_backups(
        TableName=staging.ledger_table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )
    project.client("ecr").put_image_tag_mutability(repositoryName=project.name, imageTagMutability="MUTABLE")
    rule = {"rulePriority": 7, "action": {"type": "expire"}}
    rule["selection"] = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 2}
    project.client("ecr").put_lifecycle_policy(
        repositoryName=project.name, lifecyclePolicyText=json.dumps({"rules": [rule]})
    )
    uri = project.push("def handler(event, context):\n    return {'statusCode': 200, 'body': 'second'}\n")
    project.release("production", uri)
    lambda_.update_alias(
        FunctionName=production.function, Name="live", RoutingConfig={"AdditionalVersionWeights": {"1": 0.1}}
    )
    lambda_.remove_permission(FunctionName=production.function, Qualifier="live", StatementId="Invoke")
    lambda_.create_function_url_config(FunctionName=staging.function, AuthType="NONE")
    lambda_.delete_alias(FunctionName=staging.function, Name="live")
    project.client("codedeploy").update_deployment_group(
        applicationName=production.function,
        currentDeploymentGroupName="live",
        alarmConfiguration={"enabled": False, "alarms": []},
        autoRollbackConfiguration={"enabled": True, "events": ["DEPLOYMENT_FAILURE"]},
    )
    project.client("codedeploy").delete_deployment_group(applicationName=staging.function, deploymentGroupName="live")
    metric = {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum", "Period": 60, "Threshold": 1}
    metric |= {"EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanOrEqualToThreshold"}
    function = {"Name": "FunctionName", "Value": production.function}
    cloudwatch.put_metric_alarm(AlarmName=production.alarms[0], Dimensions=[function], **metric)
    alias = {"Name": "Resource", "Value": f"{production.function}:live"}
    topic = f"arn:aws:sns:{production.region}:{production.account}:{project.name}-promotion"
    cloudwatch.put_metric_alarm(
        AlarmName=production.alarms[1],
        Dimensions=[function, alias],
        ActionsEnabled=False,
        AlarmActions=[topic],
        **metric | {"MetricName": "Duration"},
    )
    cloudwatch.delete_alarms(AlarmNames=[production.alarms[2]])
    lambda_.add_permission(
        FunctionName=production.function,
        StatementId="Past",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    )
    queue = project.client("sqs").create_queue(QueueName=f"{project.name}-work")["QueueUrl"]
    source = project.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    lambda_.create_event_source_mapping(
        EventSourceArn=source["QueueArn"], FunctionName=production.function, Enabled=False
    )
    project.client("logs").delete_retention_policy(logGroupName=production.log_group)
    states = project.client("stepfunctions")
    definition = json.loads(states.describe_state_machine(stateMachineArn=project.machine)["definition"])
    states.update_state_machine(
        stateMachineArn=project.machine, definition=json.dumps(definition | {"Comment": "changed by hand"})
    )
    identity_providers.remove(project.cloud, GITHUB_ISSUER)
    _left_behind(project)


def _left_behind(project: CloudProject) -> None:
    """Write a lock whose lease has run out, and a preview that is past its time."""
    ledger = project.rung("production").ledger
    holder = Holder("gone@host", "host", "boot", 1, "run-1", "inv deploy --env production", LONG_AGO, 1577836800)
    preview = schema.Preview(LONG_AGO, LONG_AGO, LONG_AGO, "somebody")
    for item in (
        schema.item(schema.LOCK.key(environment="production"), holder),
        schema.item(schema.PREVIEW.key(environment="pr-12"), preview),
    ):
        ledger.client.put_item(TableName=ledger.table, Item=item)


def test_many_broken_things_are_each_named_and_the_safe_ones_fixed(project: CloudProject) -> None:
    _break(project)
    settings = replace(project.settings, ci=CiSettings(github=GitHubSettings(repository="acme/orders")))
    report = Report(project, settings)
    assert (report.code, report.record["unchecked"]) == (1, [])
    names = project.settings.names("production")
    expected = {
        "alarms": [
            f"production: {names.alarms[0]} watches FunctionName={names.function}, not the alias",
            f"production: there is no alarm {names.alarms[2]}",
            f"production: {names.alarms[1]} notifies nobody: its actions are disabled",
        ],
        "alias": ["staging: the alias live of", "production: weights were left on the alias"],
        "buckets": [
            f"{names.state_bucket}: keeps no older versions",
            f"{names.artifacts_bucket}: could be opened to the public",
        ],
        "ci-roles": [f"{project.name}-ci-plan-staging: the role of CI jobs is gone"],
        "deployment-group": [
            f"staging: CodeDeploy has no deployment group live of {project.name}-staging",
            f"production: CodeDeploy doesn't watch {', '.join(names.alarms)}",
            "production: CodeDeploy rolls nothing back on DEPLOYMENT_STOP_ON_ALARM, DEPLOYMENT_STOP_ON_REQUEST",
        ],
        "environment": ["production: gone@host left its lock"],
        "event-sources": [
            f"production: {project.name}-work calls the function ($LATEST) instead of its alias",
            f"production: {project.name}-work is disabled",
        ],
        "identity-providers": ["identity provider token.actions.githubusercontent.com: the account has none"],
        "invoke-permissions": ["production: s3.amazonaws.com may call the function itself (Past)"],
        "ledger": ["may be deleted by one call", "its point-in-time recovery is off"],
        "logs": [f"production: {names.log_group} keeps everything forever"],
        "previews": ["pr-12: its time ended"],
        "repository": ["lifecycle rule 7 deletes images", "a tag may be moved to another image"],
        "service-lock": ["somebody@gone since 2020-01-01"],
        "state-locks": ["somebody@gone since 2020-01-01"],
        "urls": [
            "staging: its URL calls the function ($LATEST) instead of its alias",
            "staging: its public URL answers 403: nobody has lambda:InvokeFunctionUrl",
            "production: its URL answers 403: since 2026-11-01 callers need lambda:InvokeFunction besides",
        ],
        "state-machine": [f"{project.name}-promotion: the state machine in AWS is another one"],
    }
    for check, problems in expected.items():
        actual = report.of(check)
        missing = [problem for problem in problems if not any(problem in each for each in actual)]
        assert missing == [], (check, actual)

    for each in report.record["findings"]:
        commands = re.findall(r"`([^`]+)`", each["fix"])
        assert commands, f"{each['check']} names no command and no setting: {each['fix']}"
        for command in commands:
            if command.startswith("inv "):
                Parser(contexts=namespace().to_contexts(), ignore_unknown=False).parse_argv(shlex.split(command)[1:])

    fixed = Report(project, settings, fix=True, confirmed=True).record
    assert [each["safe_fix"] for each in fixed["fixed"]] == [
        f"turn on versions of {names.state_bucket}",
        f"block public access to {names.artifacts_bucket}",
        f"protect {names.ledger_table} from deletion",
        f"turn on point-in-time recovery of {names.ledger_table}",
        f"make the tags of {project.name} immutable",
        f"enable the actions of {names.alarms[1]}",
    ]
    left = {each["check"] for each in fixed["findings"]}
    assert left == {*expected, *{each["check"] for each in report.record["findings"]}} - {"buckets", "ledger"}


def test_credentials_that_may_do_little_are_told_what_they_lack_and_nothing_is_hidden(
    project: CloudProject, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = Iam(cloud)
    reads = ("iam:GetRole", "iam:SimulatePrincipalPolicy", "lambda:GetAlias", "lambda:GetFunction", "dynamodb:*")
    role = iam.role({"Effect": "Allow", "Action": list(reads), "Resource": "*"})
    session = iam.session(role)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", session["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", session["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", session["SessionToken"])
    from stepladder.core import aws

    aws._session.cache_clear()
    try:
        report = Report(project, environment="production")
    finally:
        aws._session.cache_clear()
    lacking = " ".join(report.of("permissions"))
    assert "states:StartExecution" in lacking
    assert "ecr:PutImage" in lacking
    assert "dynamodb:GetItem" not in lacking
    assert "lambda:GetAlias" not in lacking
    unchecked = {each["check"]: each["reason"] for each in report.record["unchecked"]}
    assert "may not call GetBucketVersioning (AccessDenied)" in unchecked["buckets"]
    assert "may not call DescribeAlarms" in unchecked["alarms"]
    assert "secrets" not in unchecked


def test_of_an_environment_that_is_half_destroyed_only_that_is_said(project: CloudProject) -> None:
    ledger = project.rung("staging").ledger
    key = DESTROY.key(environment="staging")
    item = schema.item(key, Destruction("somebody", LONG_AGO, "inv destroy --env staging"))
    ledger.client.put_item(TableName=ledger.table, Item=item)
    try:
        report = Report(project, environment="staging")
    finally:
        ledger.client.delete_item(TableName=ledger.table, Key=key)
    of_staging = [each for each in report.record["findings"] if each["subject"] == "staging"]
    assert [each["check"] for each in of_staging] == ["environment"]
    assert "`inv destroy --env staging`" in of_staging[0]["fix"]


def test_half_of_a_foundation_and_none_at_all_are_told_apart(cloud: Any, tmp_path: Path) -> None:
    with in_process.pointed_at(cloud, brief=2.0):
        project = CloudProject(cloud, tmp_path, runtime=tmp_path)
        empty = Report(project)
        assert (empty.code, set(empty.findings)) == (0, {("note", "environment")})
        assert "staging: nothing is deployed yet" in empty.of("environment")[0]
        names = project.settings.names("staging")
        project.client("s3").create_bucket(Bucket=names.state_bucket)
        half = Report(project)
        assert half.code == 1
        assert "the ledger is gone" in half.of("ledger")[0]
