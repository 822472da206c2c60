"""CodeBuild: builds run their commands on this machine, with the project's role."""

from __future__ import annotations

import functools
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import roles
from asking import until

from localcloud import daemon

pytestmark = pytest.mark.cloud

BUILDSPEC = """\
version: 0.2
env:
  variables: {GREETING: hello, OVERRIDDEN: buildspec}
  parameter-store: {PARAMETER: /f/parameter}
  secrets-manager: {SECRET: "f-secret:key"}
  exported-variables: [TAG, MISSING]
phases:
  install:
    commands:
      - export TAG=exported
      - OWN=unexported
      - cd folder
  pre_build:
    commands:
      - echo "in $(basename "$PWD") $GREETING $OVERRIDDEN $PARAMETER $SECRET $OWN"
  build:
    commands:
      - |
        echo "several"; exit 3
      - echo never
    finally:
      - echo "finally $TAG"
  post_build:
    commands:
      - echo "succeeding $CODEBUILD_BUILD_SUCCEEDING in $(basename "$PWD")"
      - env | sort > ../environment.txt
artifacts:
  files: [environment.txt]
"""


@pytest.fixture(scope="module")
def role(cloud: Any) -> str:
    return roles.make(cloud.client("iam"), f"build-{uuid4().hex[:8]}", services=["codebuild.amazonaws.com"])


@pytest.fixture(scope="module")
def bucket(cloud: Any) -> str:
    name = f"builds-{uuid4().hex[:8]}"
    cloud.client("s3").create_bucket(Bucket=name)
    return name


def make(cloud: Any, role: str, spec: str, *, start: bool = True, **settings: Any) -> dict[str, Any]:
    builds, name = cloud.client("codebuild"), f"project-{uuid4().hex[:8]}"
    given = {
        "source": {"type": "NO_SOURCE", "buildspec": spec},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
        },
        "serviceRole": role,
        **settings,
    }
    made: dict[str, Any] = builds.create_project(name=name, **given)["project"]
    return builds.start_build(projectName=name)["build"] if start else made


@pytest.fixture
def project(cloud: Any, role: str) -> Any:
    """Return what makes a project, and starts a build of it unless asked not to."""
    return functools.partial(make, cloud, role)


def ended(cloud: Any, build: dict[str, Any]) -> dict[str, Any]:
    builds = cloud.client("codebuild")
    result: dict[str, Any] = until(
        lambda: builds.batch_get_builds(ids=[build["id"]])["builds"][0], lambda each: each["buildComplete"]
    )
    return result


def lines(cloud: Any, build: dict[str, Any]) -> list[str]:
    logs = build["logs"]
    events = cloud.client("logs").get_log_events(
        logGroupName=logs["groupName"], logStreamName=logs["streamName"], startFromHead=True
    )["events"]
    return [event["message"].rstrip("\n") for event in events]


def statuses(build: dict[str, Any]) -> dict[str, str]:
    return {phase["phaseType"]: phase.get("phaseStatus", "") for phase in build["phases"]}


def test_a_build_runs_its_commands_in_one_shell_and_uploads_what_it_made(cloud: Any, project: Any, bucket: str) -> None:
    cloud.client("ssm").put_parameter(Name="/f/parameter", Value="from-ssm", Type="String")
    cloud.client("secretsmanager").create_secret(Name="f-secret", SecretString=json.dumps({"key": "hidden-value"}))
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("folder/file.txt", "text")
        archive.writestr("spec/build.yml", BUILDSPEC)
    cloud.client("s3").put_object(Bucket=bucket, Key="source.zip", Body=body.getvalue())
    variables = [{"name": "OVERRIDDEN", "value": "project", "type": "PLAINTEXT"}]
    environment = {"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"}
    started = project(
        "",
        source={"type": "S3", "location": f"{bucket}/source.zip", "buildspec": "spec/build.yml"},
        artifacts={"type": "S3", "location": bucket, "name": "out.zip", "packaging": "ZIP"},
        environment={**environment, "environmentVariables": variables},
    )
    build = ended(cloud, started)
    assert (build["buildStatus"], started["buildStatus"]) == ("FAILED", "IN_PROGRESS")
    assert {name: status for name, status in statuses(build).items() if status == "FAILED"} == {"BUILD": "FAILED"}
    failed = next(phase for phase in build["phases"] if phase["phaseType"] == "BUILD")["contexts"][0]
    assert failed["statusCode"] == "COMMAND_EXECUTION_ERROR"
    assert "exit status 3" in failed["message"]
    output = [line for line in lines(cloud, build) if not line.startswith("[Container]")]
    assert output == [
        "in folder hello project from-ssm *** unexported",
        "several",
        "finally exported",
        "succeeding 0 in folder",
    ]
    assert build["exportedEnvironmentVariables"] == [{"name": "TAG", "value": "exported"}]
    answer = cloud.client("s3").get_object(Bucket=bucket, Key="out.zip")
    with zipfile.ZipFile(io.BytesIO(answer["Body"].read())) as made:
        text = made.read("environment.txt").decode()
    seen = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert (seen["CODEBUILD_BUILD_ID"], seen["CODEBUILD_INITIATOR"]) == (build["id"], "root")
    assert not {"AWS_ACCESS_KEY_ID", "AWS_PROFILE", "VIRTUAL_ENV"} & set(seen)
    assert not Path(seen["CODEBUILD_SRC_DIR"]).exists()


def test_a_build_calls_aws_with_the_role_of_its_project(cloud: Any, project: Any) -> None:
    limited = roles.make(
        cloud.client("iam"),
        f"limited-{uuid4().hex[:8]}",
        {"Effect": "Allow", "Action": "logs:*", "Resource": "*"},
        services=["codebuild.amazonaws.com"],
    )
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn']); boto3.client('s3').list_buckets()"
    build = ended(
        cloud,
        project(
            f'version: 0.2\nphases: {{build: {{commands: ["{sys.executable} -c \\"{code}\\""]}}}}', serviceRole=limited
        ),
    )
    text = "\n".join(lines(cloud, build))
    assert f":assumed-role/{limited.rpartition('/')[2]}/AWSCodeBuild-" in text
    assert "AccessDenied" in text
    assert build["buildStatus"] == "FAILED"


def test_the_processes_of_a_stopped_build_are_killed(cloud: Any, project: Any, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    commands = f"build: {{commands: ['sleep 300 & echo $! > {file}; wait']}}"
    spec = f"version: 0.2\nphases: {{{commands}, post_build: {{commands: [touch {tmp_path}/after]}}}}"
    started = project(spec)
    pid = int(until(lambda: file.read_text() if file.exists() else "", lambda text: text.endswith("\n")))
    cloud.client("codebuild").stop_build(id=started["id"])
    build = ended(cloud, started)
    assert (build["buildStatus"], statuses(build)["BUILD"]) == ("STOPPED", "STOPPED")
    until(lambda: is_running(pid), lambda running: not running)
    assert not (tmp_path / "after").exists()


def test_a_cloud_that_ends_ends_its_builds_and_leaves_none_of_their_folders(cloud_of: Any, tmp_path: Path) -> None:
    state, builds = tmp_path / "cloud", tmp_path / "data" / "builds"
    environ = {"STEPLADDER_LAUNCHER": "process"}
    info, _ = daemon.up(state, data=tmp_path / "data", environ=environ)
    try:
        own = cloud_of(info)
        role = roles.make(own.client("iam"), "build", services=["codebuild.amazonaws.com"])
        started = make(own, role, "version: 0.2\nphases: {build: {commands: ['touch begun; sleep 300']}}")
        until(lambda: list(builds.glob("*/src/begun")), bool)
        daemon.down(state)
        assert list(builds.glob("*")) == []
        (builds / "of-a-killed-cloud").mkdir(parents=True)
        info, _ = daemon.up(state, data=tmp_path / "data", environ=environ)
        assert not builds.exists()
        build = ended(cloud_of(info), started)
        assert (build["buildStatus"], statuses(build)["BUILD"]) == ("FAULT", "FAULT")
    finally:
        daemon.down(state)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("spec", "phase", "message"),
    [
        ("version: 0.2\nphases: {build: {commands: [{a: b}]}}", "DOWNLOAD_SOURCE", "found subkeys instead"),
        ("version: 7\n", "DOWNLOAD_SOURCE", "Invalid buildspec version: 7"),
        ("missing.yml", "DOWNLOAD_SOURCE", "stat missing.yml: no such file"),
        ("version: 0.2\nenv: {parameter-store: {A: /none}}\n", "DOWNLOAD_SOURCE", "parameter does not exist: /none"),
        (
            "version: 0.2\nphases: {pre_build: {commands: ['false']}, build: {commands: ['true']}}",
            "PRE_BUILD",
            "exit status 1",
        ),
    ],
    ids=["a command that is a mapping", "an unknown version", "no buildspec", "no such parameter", "a failing command"],
)
def test_a_build_says_why_it_failed(cloud: Any, project: Any, spec: str, phase: str, message: str) -> None:
    build = ended(cloud, project(spec))
    failed = {
        each["phaseType"]: each["contexts"][0]["message"]
        for each in build["phases"]
        if each.get("phaseStatus") == "FAILED"
    }
    assert list(failed) == [phase]
    assert message in failed[phase]
    assert "BUILD" not in statuses(build)


def test_a_project_needs_a_role_that_trusts_codebuild_and_that_its_maker_may_pass(
    cloud: Any, project: Any, code: Any
) -> None:
    other = roles.make(cloud.client("iam"), f"other-{uuid4().hex[:8]}", services=["lambda.amazonaws.com"])
    assert code(project, "version: 0.2\n", start=False, serviceRole=other) == "InvalidInputException"


def test_a_role_without_logs_fails_its_builds_and_says_so(cloud: Any, project: Any) -> None:
    nothing = roles.make(
        cloud.client("iam"),
        f"nothing-{uuid4().hex[:8]}",
        {"Effect": "Deny", "Action": "*", "Resource": "*"},
        services=["codebuild.amazonaws.com"],
    )
    build = ended(cloud, project("version: 0.2\n", serviceRole=nothing))
    assert statuses(build)["PROVISIONING"] == "FAILED"
    assert "does not allow AWS CodeBuild to create" in build["phases"][2]["contexts"][0]["message"]


def test_a_build_finds_the_programs_that_only_the_clouds_own_environment_has(cloud: Any, project: Any) -> None:
    build = ended(
        cloud, project("version: 0.2\nphases: {build: {commands: [uv --version, '[ -z \"$VIRTUAL_ENV\" ]']}}\n")
    )
    assert build["buildStatus"] == "SUCCEEDED", lines(cloud, build)
