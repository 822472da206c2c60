"""Every AWS call that the pipeline's functions make, broken for good: the promotion still ends as it should.

The table is checked against the source of the functions: a new call is missed here before it is missed on AWS.
"""

from __future__ import annotations

import re
from collections import Counter

import budgets
import pytest
from budgets import Cost

from stepladder.core import resources

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
BROKEN = """
def handler(event, context):
    if context.invoked_function_arn.endswith('-production:live'):
        raise ValueError('broken behind the alias')
    return {'statusCode': 200}
"""
KINDS = ("throttle", "access_denied")
IN_ITS_PLACE = pytest.mark.long("the same call is denied, and states are throttled in test_promotion_states")
CALLS: dict[str, tuple[str, str, set[int]]] = {  # service:Action: which version is promoted, why so, exit codes
    "ecr:BatchGetImage": (GOOD, "validate can't see the image", {4}),
    "ecr:GetDownloadUrlForLayer": (GOOD, "validate can't see the machine", {4}),
    "ecr:ListImageReferrers": (GOOD, "asked with promotion.require only; see tests/unit/test_pipeline_attached", set()),
    "ecr:DescribeImageScanFindings": (GOOD, "validate can't see the findings", {4}),
    "s3:GetObject": (GOOD, "verify has no cases", {4}),
    "codedeploy:PutLifecycleEventHookExecutionStatus": (GOOD, "see test_promotion_versions", set()),
    "codedeploy:GetDeployment": (GOOD, "hook and rollback are blind: a person must look", {3, 4, 5}),
    "codedeploy:ListDeployments": (GOOD, "validate can't see whether one is active", {4}),
    "codedeploy:BatchGetDeployments": (BROKEN, "rollback can't find the deployment", {5}),
    "codedeploy:ListDeploymentTargets": (BROKEN, "rollback can't tell how far it came", {5}),
    "codedeploy:GetDeploymentTarget": (BROKEN, "rollback can't tell how far it came", {5}),
    "codedeploy:StopDeployment": (BROKEN, "CodeDeploy ends it by its own alarms and hooks", {3, 4, 5}),
    "cloudwatch:DescribeAlarms": (GOOD, "read by CodeDeploy, and while a version bakes", {0, 3, 4}),
    "cloudwatch:GetMetricData": (GOOD, "no judgement; see tests/unit/test_pipeline_canary.py", set()),
    "lambda:GetFunction": (GOOD, "read by `inv promote` itself; see tests/unit", set()),
    "lambda:GetAlias": (GOOD, "read by `inv promote` itself; see tests/unit", set()),
    "lambda:GetFunctionConfiguration": (GOOD, "validate can't see the function", {4}),
    "lambda:GetProvisionedConcurrencyConfig": (GOOD, "asked before gradual shifts only; see tests/unit", set()),
    "lambda:Invoke": (GOOD, "every task; see test_promotion_states", set()),
    "lambda:GetAccountSettings": (
        GOOD,
        "how much may be called at once: without an answer, little; see tests/unit",
        set(),
    ),
    "lambda:UpdateFunctionCode": (GOOD, "after an update that failed; see test_updates", set()),
    "lambda:UpdateAlias": (BROKEN, "CodeDeploy's rollback has done it, or nobody can", {3, 4, 5}),
    "dynamodb:GetItem": (GOOD, "read by `inv promote` itself; see tests/unit", set()),
    "dynamodb:PutItem": (GOOD, "no lock, no promotion", {4}),
    "dynamodb:DeleteItem": (GOOD, "the lease runs out", {0}),
    "stepfunctions:DescribeExecution": (GOOD, "read by `inv promote` itself", set()),
    "stepfunctions:DescribeMapRun": (GOOD, "of many functions that were cut off; see tests/unit", set()),
    "stepfunctions:ListMapRuns": (GOOD, "of many functions that were cut off; see tests/unit", set()),
    "stepfunctions:SendTaskFailure": (GOOD, "the relay's; see test_promotion_locations", set()),
    "stepfunctions:SendTaskHeartbeat": (GOOD, "the relay's; see test_promotion_locations", set()),
    "stepfunctions:SendTaskSuccess": (GOOD, "the relay's; see test_promotion_locations", set()),
    "stepfunctions:StartExecution": (GOOD, "the relay's; see test_promotion_locations", set()),
    "stepfunctions:StopExecution": (GOOD, "the relay's; see test_promotion_locations", set()),
    **{
        call: (GOOD, "the relay's, about an action of CodePipeline; see tests/unit/test_pipeline_notice.py", set())
        for call in (
            "codebuild:BatchGetBuilds",
            "codepipeline:GetPipelineExecution",
            "events:PutEvents",
            "logs:GetLogEvents",
            "sns:Publish",
            "ssm:GetParameter",
        )
    },
}


def made() -> set[str]:
    """Return the calls in the functions' source: `client("lambda").get_alias(` and the like."""
    found = set()
    for path in resources.folder("function").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        names = dict(re.findall(r'(\w+) = aws\.client\("(\w+)"[^)]*\)$', text, re.MULTILINE))
        direct = re.findall(r'aws\.client\("(\w+)"[^)]*\)\.(\w+)\(', text)
        through = [(names[name], call) for name, call in re.findall(r"(\w+)\.(\w+)\(", text) if name in names]
        found |= {f"{service}:{''.join(p.title() for p in call.split('_'))}" for service, call in direct + through}
    return found


def test_the_table_has_every_call_that_the_functions_make():
    assert made() == set(CALLS)


@pytest.mark.parametrize("kind", [pytest.param(KINDS[0], marks=IN_ITS_PLACE), KINDS[1]])
@pytest.mark.parametrize("call", sorted(call for call, (_, _, codes) in CALLS.items() if codes))
def test_broken(call, kind, make_project, before, unique, cloud):
    source, why, codes = CALLS[call]
    project = make_project("calls")
    project.case(name=f"answers while {call} is broken by {kind}")  # another bundle: verify keeps those it knows
    project.ship(unique(source))
    was = before(project)
    service, _, action = call.partition(":")
    cloud.faults({"service": service, "action": action, "kind": kind, "count": 0})
    ended = project.promote()
    cloud.faults()
    assert ended.code in codes, f"{why}: {ended.code} {ended.message}"
    if ended.code == 5:
        project.client("lambda").update_alias(
            FunctionName=project.function("production"),
            Name="live",
            FunctionVersion=was.alias[0],
            RoutingConfig={"AdditionalVersionWeights": {}},
        )
    elif ended.code:
        assert project.alias() == was.alias
    for (
        environment
    ) in project.settings.ladder_environments:  # a lock that couldn't be given back is a lease that runs out
        project.client("dynamodb").delete_item(
            TableName=f"{project.name}-releases", Key={"pk": {"S": f"env#{environment}"}, "sk": {"S": "lock"}}
        )
    was.check_quiet()


def test_a_promotion_costs_what_the_table_says(make_project, unique, cloud):
    """The calls of the command, of the state machine and of the pipeline's functions."""
    project = make_project("calls")
    project.ship(unique(GOOD))
    first = project.promote()  # which stores the smoke cases, and starts the functions
    assert first.code == 0, first.message
    project.ship(unique(GOOD))
    cloud.reset_calls()
    ended = project.promote()
    calls = Counter(cloud.calls())
    assert ended.code == 0, ended.message
    entered = project.entered(ended.record["execution_arn"])
    budgets.check("promote", Cost(calls, figures={"states": len(entered)}))
