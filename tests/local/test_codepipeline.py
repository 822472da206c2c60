"""CodePipeline: a push runs the stages; whatever fails says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import roles
from asking import until
from code_pipelines import APPROVED, CodePipelines, action, approval, build, stage
from printing import queue

pytestmark = pytest.mark.cloud

MACHINE = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
FULL = """\
version: 0.2
env: {exported-variables: [MADE]}
phases:
  build:
    commands:
      - test "$(git rev-parse HEAD)" = "$EXPECTED"
      - test "$CODEBUILD_RESOLVED_SOURCE_VERSION" = "$EXPECTED"
      - test "$(git rev-list --count HEAD)" = "$(cat count)"
      - git fetch --quiet origin
      - test "${CODEBUILD_INITIATOR%/*}" = codepipeline
      - MADE="by $(git log -1 --format=%an)"
      - printf '{"made":"%s"}' "$MADE" > input.json
artifacts: {files: [input.json]}
"""


@pytest.fixture
def pipelines(cloud: Any, tmp_path: Path) -> Any:
    made = CodePipelines(cloud, tmp_path)
    yield made
    for name in made.made:
        made.client.delete_pipeline(name=name)


def machine(cloud: Any, role: str, definition: dict[str, Any] = MACHINE) -> str:
    name = f"machine-{uuid4().hex[:8]}"
    made = cloud.client("stepfunctions").create_state_machine(
        name=name, definition=json.dumps(definition), roleArn=role
    )
    return str(made["stateMachineArn"])


def promote(arn: str, **configuration: str) -> dict[str, Any]:
    given = {"StateMachineArn": arn, **configuration}
    return action("Promote", ("Invoke", "StepFunctions"), given, inputs=["made"], namespace="Promote")


def test_a_push_goes_through_a_full_clone_an_approval_and_a_state_machine(cloud: Any, pipelines: CodePipelines) -> None:
    arn = machine(cloud, pipelines.role)
    expected = [{"name": "EXPECTED", "value": "#{Source.CommitId}", "type": "PLAINTEXT"}]
    name = pipelines.make(
        pipelines.source(OutputArtifactFormat="CODEBUILD_CLONE_REF"),
        stage("Build", build("Build", pipelines.project(FULL), expected, outputs=["made"], namespace="Build")),
        stage("Approve", approval()),
        stage(
            "Promote",
            promote(arn, InputType="FilePath", Input="input.json", ExecutionNamePrefix="p"),
            action(
                "Literal",
                ("Invoke", "StepFunctions"),
                {"StateMachineArn": arn, "Input": {"by": "#{Build.MADE}", "id": "#{codepipeline.PipelineExecutionId}"}},
            ),
        ),
    )
    first = pipelines.ended(name)
    assert (first["status"], first["trigger"]["triggerType"]) == ("Failed", "CreatePipeline")
    assert "is not available: it is PENDING" in pipelines.error(name, first["pipelineExecutionId"], "Source")["message"]
    pipelines.repository.push("first", {"count": "1"})
    pipelines.connect()
    connections = cloud.client("codeconnections")
    shown = connections.get_connection(ConnectionArn=pipelines.connection)["Connection"]
    assert shown["ConnectionStatus"] == "AVAILABLE"
    pipelines.client.start_pipeline_execution(name=name)
    started = pipelines.executions(name)[0]["pipelineExecutionId"]
    waiting = until(
        lambda: pipelines.state(name, "Approve")["actionStates"][0].get("latestExecution", {}),
        lambda each: "token" in each,
    )
    pipelines.client.put_approval_result(
        pipelineName=name, stageName="Approve", actionName="Approve", result=APPROVED, token=waiting["token"]
    )
    done = pipelines.ended(name, count=2)
    assert (done["status"], done["pipelineExecutionId"]) == ("Succeeded", started)
    actions = pipelines.actions(name, started)
    assert actions["Build"]["output"]["outputVariables"] == {"MADE": "by Ann"}
    assert actions["Approve"]["output"]["executionResult"]["externalExecutionSummary"] == "fine"
    states = cloud.client("stepfunctions")
    inputs = {
        key: json.loads(
            states.describe_execution(executionArn=actions[key]["output"]["outputVariables"]["ExecutionArn"])["input"]
        )
        for key in ("Promote", "Literal")
    }
    assert inputs == {"Promote": {"made": "by Ann"}, "Literal": {"by": "by Ann", "id": started}}
    assert actions["Promote"]["output"]["executionResult"]["externalExecutionId"].rpartition(":")[2].startswith("p-")


def test_a_push_starts_the_pipeline_and_its_files_reach_the_build(
    cloud: Any, functions: Any, pipelines: CodePipelines
) -> None:
    pipelines.connect()
    spec = "version: 0.2\nphases: {build: {commands: ['sh run.sh']}}\n"
    sqs, sent, arn = queue(functions)
    rule = f"rule-{pipelines.unique}"
    name = pipelines.make(
        pipelines.source(), stage("Build", build("Build", pipelines.project(spec))), stage("After", approval())
    )
    events = cloud.client("events")
    pattern = {"source": ["aws.codepipeline"], "detail": {"pipeline": [name], "state": ["FAILED"]}}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": arn}])
    first = pipelines.ended(name)["pipelineExecutionId"]
    message = "[GitHub] No Branch [main] found for FullRepositoryName [acme/orders]"
    assert pipelines.error(name, first, "Source")["message"] == message
    commit = pipelines.repository.push("first", {"run.sh": "echo broken; exit 4"})
    second = pipelines.ended(name, count=2)
    assert (second["status"], second["trigger"]["triggerType"]) == ("Failed", "WebhookV2")
    assert second["sourceRevisions"][0]["revisionId"] == commit
    error = pipelines.error(name, second["pipelineExecutionId"], "Build")
    assert error["message"].startswith(
        "Build terminated with state: FAILED. Phase: BUILD, Code: COMMAND_EXECUTION_ERROR"
    )
    assert set(pipelines.actions(name, second["pipelineExecutionId"])) == {"Source", "Build"}
    events_sent = received(sqs, sent, second["pipelineExecutionId"], 3)
    assert {each["detail-type"].split()[1] for each in events_sent} == {"Action", "Stage", "Pipeline"}
    by_action = next(each["detail"] for each in events_sent if "action" in each["detail"])
    assert (by_action["stage"], by_action["action"], by_action["execution-result"]["error-code"]) == (
        *("Build", "Build"),
        "JobFailed",
    )
    assert by_action["execution-result"]["external-execution-summary"] == error["message"]


def received(sqs: Any, url: str, execution: str, count: int) -> list[dict[str, Any]]:
    """Return the events of an execution from a queue."""
    events: list[dict[str, Any]] = []

    def more() -> list[dict[str, Any]]:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
            event = json.loads(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            if event["detail"]["execution-id"] == execution:
                events.append(event)
        return events

    result: list[dict[str, Any]] = until(more, lambda each: len(each) >= count)
    return result


def test_a_failed_stage_is_retried_from_its_failed_action_and_goes_on(
    cloud: Any, pipelines: CodePipelines, tmp_path: Path
) -> None:
    pipelines.connect()
    pipelines.repository.push("first", {"a": "a"})
    runs, gate = tmp_path / "runs", tmp_path / "gate"
    good = pipelines.project(f"version: 0.2\nphases: {{build: {{commands: ['echo run >> {runs}']}}}}\n")
    bad = pipelines.project(f"version: 0.2\nphases: {{build: {{commands: ['test -e {gate}']}}}}\n")
    name = pipelines.make(
        pipelines.source(),
        stage("Both", build("Good", good), build("Bad", bad), build("Next", good, runOrder=2)),
    )
    failed = pipelines.ended(name)
    execution = failed["pipelineExecutionId"]
    assert (failed["status"], pipelines.state(name, "Both")["latestExecution"]["status"]) == ("Failed", "Failed")
    gate.touch()
    pipelines.client.retry_stage_execution(
        pipelineName=name, stageName="Both", pipelineExecutionId=execution, retryMode="FAILED_ACTIONS"
    )
    until(lambda: pipelines.executions(name)[0]["status"], lambda each: each == "Succeeded")
    assert runs.read_text().split() == ["run", "run"]
    assert pipelines.state(name, "Both")["retryStageMetadata"]["manualStageRetryAttempt"] == 1


@pytest.mark.timing("a limit of minutes passes in a second, beside what other tests left on a fast clock")
def test_a_rejected_approval_and_one_that_nobody_gives_fail(cloud: Any, pipelines: CodePipelines, code: Any) -> None:
    pipelines.connect()
    pipelines.repository.push("first", {"a": "a"})
    both = {**approval("Late"), "timeoutInMinutes": 5}
    name = pipelines.make(pipelines.source(), stage("Approve", approval(), both))
    waiting = until(
        lambda: {
            each["actionName"]: each.get("latestExecution", {})
            for each in pipelines.state(name, "Approve")["actionStates"]
        },
        lambda each: all("token" in latest for latest in each.values()),
    )
    given = {"pipelineName": name, "stageName": "Approve", "actionName": "Approve"}
    assert (
        code(pipelines.client.put_approval_result, **given, result=APPROVED, token=str(uuid4()))
        == "InvalidApprovalTokenException"
    )
    rejected = {"summary": "not today", "status": "Rejected"}
    pipelines.client.put_approval_result(**given, result=rejected, token=waiting["Approve"]["token"])
    assert (
        code(pipelines.client.put_approval_result, **given, result=APPROVED, token=waiting["Approve"]["token"])
        == "ApprovalAlreadyCompletedException"
    )
    cloud.speed(300)
    try:
        ended = pipelines.ended(name)
    finally:
        cloud.speed(1)
    assert ended["status"] == "Failed"
    assert [each["trigger"]["triggerType"] for each in pipelines.executions(name)] == ["CreatePipeline"]
    assert pipelines.error(name, ended["pipelineExecutionId"], "Approve")["message"] == "not today"
    assert pipelines.error(name, ended["pipelineExecutionId"], "Late")["code"] == "ActionTimedOut"


BUCKETS = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*"}


@pytest.mark.parametrize(
    ("allowed", "failed", "message"),
    [
        ([BUCKETS], "Source", "Unable to use Connection"),
        (["UseConnection"], "Source", "s3:PutObject"),
        (["UseConnection", BUCKETS], "Build", "codebuild:StartBuild"),
        (["UseConnection", BUCKETS, "StartBuild"], "Build", "codebuild:BatchGetBuilds"),
        (["UseConnection", BUCKETS, "StartBuild", "BatchGetBuilds"], "Promote", "states:DescribeStateMachine"),
    ],
    ids=["no connection", "no bucket", "no build", "no news of the build", "no state machine"],
)
def test_an_action_needs_what_the_pipelines_role_may(
    cloud: Any, pipelines: CodePipelines, allowed: list[Any], failed: str, message: str
) -> None:
    pipelines.connect()
    pipelines.repository.push("first", {"a": "a"})
    names = {"UseConnection": "codeconnections:UseConnection"}
    statements = [
        each
        if isinstance(each, dict)
        else {"Effect": "Allow", "Action": names.get(each, f"codebuild:{each}"), "Resource": "*"}
        for each in allowed
    ]
    role = roles.make(
        cloud.client("iam"), f"least-{uuid4().hex[:8]}", *statements, services=["codepipeline.amazonaws.com"]
    )
    name = pipelines.make(
        pipelines.source(),
        stage("Build", build("Build", pipelines.project())),
        stage(
            "Promote",
            action("Promote", ("Invoke", "StepFunctions"), {"StateMachineArn": machine(cloud, pipelines.role)}),
        ),
        roleArn=role,
    )
    ended = pipelines.ended(name)
    assert message in pipelines.error(name, ended["pipelineExecutionId"], failed)["message"]


def test_who_makes_a_pipeline_must_be_allowed_to_pass_its_role_and_its_connection(
    cloud: Any, pipelines: CodePipelines, iam: Any
) -> None:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    for refused in ("iam:PassRole", "codeconnections:PassConnection"):
        _, key = iam.user(everything, {"Effect": "Deny", "Action": refused, "Resource": "*"})
        pipelines.client = iam.of(key, "codepipeline")
        with pytest.raises(pipelines.client.exceptions.ClientError, match=refused):
            pipelines.make(pipelines.source(), stage("Approve", approval()))
