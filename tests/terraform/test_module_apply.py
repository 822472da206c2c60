"""The modules against the local cloud: they apply, and a plan straight after, or after a release, is empty."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from typing import Any

import identity_providers
import pytest

from stepladder.core import resources

pytestmark = [pytest.mark.terraform, pytest.mark.cloud]

PROJECT = f"applied-{os.getpid()}"
REGION = "eu-west-1"
GITHUB, GITLAB = "https://token.actions.githubusercontent.com", f"https://git-{os.getpid()}.example.com/gitlab"
QUEUE = "${aws_sqs_queue.guests.arn}"
SOURCES = f"""
resource "aws_dynamodb_table" "guests" {{
  name             = "{PROJECT}-guests"
  billing_mode     = "PAY_PER_REQUEST"
  hash_key         = "id"
  stream_enabled   = true
  stream_view_type = "NEW_IMAGE"
  attribute {{
    name = "id"
    type = "S"
  }}
}}
resource "aws_s3_bucket" "uploads" {{
  bucket = "{PROJECT}-uploads"
}}
resource "aws_sns_topic" "guests" {{
  name = "{PROJECT}-guests"
}}
resource "aws_sqs_queue" "guests" {{
  name                       = "{PROJECT}-guests"
  visibility_timeout_seconds = 90
}}
"""
"""What calls a function and isn't made by the module: known only once it is made."""
SERVICES: dict[str, dict[str, Any]] = {
    "url": {"environment_variables": {"LOG_LEVEL": "INFO"}, "trigger": "url"},
    "iam": {
        "async": {"on_failure": ["${aws_sns_topic.failures.arn}"], "retries": 1},
        "deployment": {"strategy": "all-at-once"},
        "ephemeral_storage_mb": 1024,
        "provisioned_concurrency": 2,
        "reserved_concurrency": 5,
        "tracing": "Active",
        "trigger": "url-iam",
        "vpc": {"security_groups": ["${aws_security_group.own.id}"], "subnets": ["${aws_subnet.own.id}"]},
    },
    "sqs": {"trigger": "sqs"},
    "schedule": {"trigger": "schedule"},
    "many": {
        "triggers": {
            "dynamodb": {"this": {"stream_arn": "${aws_dynamodb_table.guests.stream_arn}", "on_failure_arn": [QUEUE]}},
            "eventbridge": {"this": {"pattern": '{"source":["shop"]}'}, "paid": {"pattern": '{"source":["bank"]}'}},
            "http-api": {
                "this": {"cors": {"allow_origins": ["https://example.org"]}, "burst_limit": 10, "rate_limit": 5}
            },
            "s3": {
                "this": {"bucket": {"uploads": "${aws_s3_bucket.uploads.bucket}"}, "prefix": "in/"},
                "gone": {"bucket": {"uploads": "${aws_s3_bucket.uploads.bucket}"}, "events": ["s3:ObjectRemoved:*"]},
            },
            "schedule": {"nightly": {"enabled": False, "timezone": "Europe/Berlin", "input": '{"a":1}'}},
            "sns": {"this": {"topic_arn": "${aws_sns_topic.guests.arn}", "filter": '{"size":["large"]}'}},
            "sqs": {"theirs": {"queue_arn": [QUEUE], "filters": ['{"body":{"kind":["order"]}}']}},
        },
    },
    "own": {"deployment": {"percentage": 25, "strategy": "linear"}, "trigger": "none"},
}

OWN = """
resource "aws_vpc" "own" {
  cidr_block = "10.0.0.0/16"
}

resource "aws_subnet" "own" {
  vpc_id     = aws_vpc.own.id
  cidr_block = "10.0.1.0/24"
}

resource "aws_security_group" "own" {
  vpc_id = aws_vpc.own.id
}

resource "aws_sns_topic" "failures" {
  name = "failures"
}
"""
"""What a project might have beside the module, to which its settings refer."""


def subjects(*environments: str) -> dict[str, Any]:
    """The subjects of a repository's jobs on GitHub."""
    return {
        "branch": ["repo:acme@1/orders@2:ref:refs/heads/main"],
        "environments": {name: [f"repo:acme@1/orders@2:environment:{name}"] for name in environments},
        "pull_requests": ["repo:acme@1/orders@2:pull_request"],
    }


def foundation_ci() -> dict[str, Any]:
    """Whose jobs may act: of a repository on GitHub, and on a GitLab whose provider the account has already."""
    names = {"buckets": [], "http_api": True, "topics": []}
    github = subjects("production", "production-approval", "staging", "staging-approval")
    gitlab = json.loads(json.dumps(github).replace("repo:acme@1/orders@2:", "project_path:acme/orders:"))
    return {
        "environments": {
            name: {
                **names,
                "promoted": name == "production",
                **{each: [f"{PROJECT}-{name}"] for each in ("queues", "rules", "schedules", "stacks")},
            }
            for name in ("production", "staging")
        },
        "issuers": {
            "github": {"audience": "sts.amazonaws.com", "provider": "create", "subjects": github, "url": GITHUB},
            "gitlab": {
                "audience": GITLAB,
                "provider": "existing",
                "subjects": gitlab | {"pull_requests": ["project_path:acme/orders:ref_type:branch:ref:*"]},
                "url": GITLAB,
            },
        },
        "previews": True,
    }


def put_blob(ecr: Any, kind: str, data: bytes) -> dict[str, Any]:
    """Upload a blob and return its descriptor."""
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    upload = ecr.initiate_layer_upload(repositoryName=PROJECT)["uploadId"]
    part = {"partFirstByte": 0, "partLastByte": len(data) - 1, "layerPartBlob": data}
    ecr.upload_layer_part(repositoryName=PROJECT, uploadId=upload, **part)
    ecr.complete_layer_upload(repositoryName=PROJECT, uploadId=upload, layerDigests=[digest])
    return {"mediaType": f"application/vnd.oci.image.{kind}", "size": len(data), "digest": digest}


def put_image(ecr: Any) -> str:
    """Put an image with one empty layer into the repository and return its digest."""
    tar = bytes(10240)
    rootfs = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]}
    config = json.dumps({"architecture": "arm64", "os": "linux", "rootfs": rootfs}).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put_blob(ecr, "config.v1+json", config),
        "layers": [put_blob(ecr, "layer.v1.tar+gzip", gzip.compress(tar, mtime=0))],
    }
    answer = ecr.put_image(
        repositoryName=PROJECT,
        imageManifest=json.dumps(manifest),
        imageManifestMediaType=manifest["mediaType"],
        imageTag="one",
    )
    return str(answer["image"]["imageId"]["imageDigest"])


@pytest.fixture(scope="module")
def applied(cloud, runner, make_root, write):
    """Apply the foundation, put an image, apply a service of every kind; yield the root, to plan again."""
    env = {**cloud.env, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
    provider = f'provider "aws" {{\n  region = "{REGION}"\n  allowed_account_ids = ["123456789012"]\n}}\n'
    given = {"ci": foundation_ci(), "project": PROJECT}
    identity_providers.remove(cloud, GITHUB)
    cloud.client("iam").create_open_id_connect_provider(Url=GITLAB, ClientIDList=[GITLAB])
    root = make_root({"main.tf": provider + write.call("foundation", "foundation", given)})
    test = runner.test(root, **env)
    test.setup(upgrade=False, cleanup_on_exit=False)
    test.apply()
    image = f"${{module.foundation.repository_url}}@{put_image(cloud.client('ecr', region=REGION))}"
    with (root / "main.tf").open("a") as code:
        code.write(SOURCES)
        code.write(OWN)
        for name, variables in SERVICES.items():
            code.write(write.call(name, "service", {"image_uri": image, "project": PROJECT, **variables}, raw=True))
            code.write(write.outputs(name, ["function_url", "http_api_url", "queue_url", "alias_arn"]))
    test.setup(upgrade=False, cleanup_on_exit=False)
    test.apply()
    yield test
    identity_providers.remove(cloud, GITHUB, GITLAB)


@pytest.mark.parametrize(
    ("issuer", "subject", "opened"),
    [
        (GITHUB, "repo:acme@1/orders@2:environment:staging", "deploy-staging"),
        (GITHUB, "repo:acme@1/orders@2:pull_request", "plan-production"),
        (GITLAB, "project_path:acme/orders:ref_type:branch:ref:feature", "preview"),
    ],
    ids=("an environment", "a pull request", "a branch"),  # of the values each worker would have others
)
def test_a_job_may_act_as_the_role_of_its_subject_and_as_no_other(applied, cloud, issuer, subject, opened):
    claims = {"iss": issuer, "aud": GITLAB if issuer == GITLAB else "sts.amazonaws.com", "sub": subject}
    token = cloud.info.request("oidc/tokens", "POST", claims)["token"]

    def assume(role):
        arn = f"arn:aws:iam::123456789012:role/{PROJECT}-ci-{role}"
        session = {"RoleArn": arn, "RoleSessionName": "job", "WebIdentityToken": token}
        return cloud.client("sts").assume_role_with_web_identity(**session)["AssumedRoleUser"]["Arn"]

    assert assume(opened).endswith(f"{PROJECT}-ci-{opened}/job")
    for role in ("deploy-production", "release-production"):
        with pytest.raises(Exception, match="Not authorized to perform sts:AssumeRoleWithWebIdentity"):
            assume(role)


def test_a_plan_after_a_release_is_empty_once_what_no_unreleased_alias_may_have_was_applied(applied, cloud):
    """A release publishes a version and moves the alias there, which is no drift."""
    client = cloud.client("lambda", region=REGION)
    live = {"FunctionName": f"{PROJECT}-iam", "Qualifier": "live"}

    def release(description):
        version = client.publish_version(FunctionName=live["FunctionName"], Description=description)["Version"]
        client.update_alias(FunctionName=live["FunctionName"], Name="live", FunctionVersion=version)

    release("first")
    applied.apply()
    ready = client.get_provisioned_concurrency_config(**live)
    assert (ready["Status"], ready["AvailableProvisionedConcurrentExecutions"]) == ("READY", 2)
    release("second")
    plan = applied.plan(output=True)
    changed = {
        address: change["change"]["actions"]
        for address, change in plan.resource_changes.items()
        if change["change"]["actions"] != ["no-op"]
    }
    assert changed == {}


def test_what_the_settings_refer_to_is_made_in_the_same_apply(applied, cloud):
    client = cloud.client("lambda", region=REGION)
    function = client.get_function_configuration(FunctionName=f"{PROJECT}-iam", Qualifier="live")
    subnet, group = (function["VpcConfig"][key][0] for key in ("SubnetIds", "SecurityGroupIds"))
    network = cloud.client("ec2", region=REGION)
    assert network.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"] == function["VpcConfig"]["VpcId"]
    assert network.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert function["EphemeralStorage"] == {"Size": 1024}
    calls = client.get_function_event_invoke_config(FunctionName=f"{PROJECT}-iam", Qualifier="live")
    assert (calls["MaximumRetryAttempts"], calls["DestinationConfig"]["OnFailure"]["Destination"][-9:]) == (
        1,
        ":failures",
    )


def test_outputs_are_what_callers_need(applied):
    outputs = applied.output()
    assert outputs["url__function_url"].startswith("http")
    assert outputs["iam__function_url"].startswith("http")
    assert outputs["sqs__queue_url"].endswith(f"/{PROJECT}-sqs")
    assert outputs["schedule__alias_arn"].endswith(f":function:{PROJECT}-schedule:live")


def test_what_calls_the_function_without_being_made_by_the_module_calls_the_alias(applied, cloud):
    """On the first apply, in which the table, the bucket, the topic and the queue are made too."""
    alias = f"arn:aws:lambda:{REGION}:123456789012:function:{PROJECT}-many:live"
    client = lambda name: cloud.client(name, region=REGION)  # noqa: E731
    mappings = client("lambda").list_event_source_mappings(FunctionName=f"{PROJECT}-many:live")["EventSourceMappings"]
    assert {each["FunctionArn"] for each in mappings} == {alias}
    assert len(mappings) == 2
    configuration = client("s3").get_bucket_notification_configuration(Bucket=f"{PROJECT}-uploads")
    assert [each["LambdaFunctionArn"] for each in configuration["LambdaFunctionConfigurations"]] == [alias] * 2
    for rule in (f"{PROJECT}-many", f"{PROJECT}-many-paid"):
        assert [each["Arn"] for each in client("events").list_targets_by_rule(Rule=rule)["Targets"]] == [alias]
    subscriptions = client("sns").list_subscriptions()["Subscriptions"]
    assert alias in [each["Endpoint"] for each in subscriptions]
    schedule = client("scheduler").get_schedule(Name=f"{PROJECT}-many-nightly")
    assert (schedule["State"], schedule["Target"]["Arn"]) == ("DISABLED", alias)
    assert applied.output()["many__http_api_url"].startswith("http")


def test_a_schedule_sends_what_the_sample_event_shows(applied, cloud):
    target = cloud.client("scheduler", region=REGION).get_schedule(Name=f"{PROJECT}-schedule")["Target"]
    sample = json.loads((resources.folder("template") / "templates/triggers/schedule/event.json").read_text("utf-8"))
    sent = json.loads(target["Input"])
    assert sent.keys() == sample.keys()
    assert sent["time"] == "<aws.scheduler.scheduled-time>"
    same = ("detail", "detail-type", "source", "version", "region", "account")
    assert {key: sent[key] for key in same} == {key: sample[key] for key in same}
