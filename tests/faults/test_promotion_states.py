"""Every state of the promotion, broken in every way: where the alias is afterwards, and what the ledger says.

The table is made from the definition: a new Task is tested by itself, and must be reached. `SCENES` says how to get to
the states that a good release doesn't pass.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
import rows

from stepladder.promotion import definition

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

STATES = {s.name: s for s in definition.states(definition.load())}
TASKS = {name: s for name, s in STATES.items() if s.kind == "Task"}
TARGET = {name: s for name, s in STATES.items() if s.scope == ("PromoteRungs", "ReleaseTargets")}
BEFORE = definition.reachable(
    TARGET,
    "Validate",
    without=frozenset({"CreateDeployment", "CreateHotfixDeployment", "MoveTraffic", "ReleaseFirstVersion"}),
)
KINDS = {
    "throttled": {"kind": "throttle"},
    "a server error": {"kind": "error"},
    "timing out": {"kind": "timeout", "seconds": 0.05},
    "denied": {"kind": "access_denied"},
    "malformed": {"kind": "malformed"},
}
GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
BROKEN = """
def handler(event, context):
    if context.function_name.endswith('-production'):
        raise ValueError('broken in production')
    return {'statusCode': 200}
"""
BROKEN_BEHIND_THE_ALIAS = BROKEN.replace(
    "function_name.endswith('-production')", "invoked_function_arn.endswith('-production:live')"
)
MIGRATES = """
def handler(event, context):
    return {'ok': True} if 'stepladder' in event else {'statusCode': 200}
"""
PROJECTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "canary": {"deployment": "Canary10Percent5Minutes"},
    "widths": {"deployment": {"widths": [50, 100], "minutes": 1}},
    "migrating": {"release_command": {"command": "migrate"}},
}
UNREACHED = {
    **{n: "see test_promotion_locations" for n, s in TASKS.items() if "relay_arn" in str(s.body["Parameters"])},
    "AwaitDecision": "see test_promotion_locations",
    "AskAboutCanary": "see test_promotion_canary",
    "NotifyCanary": "see test_promotion_canary",
    "AwaitApproval": "see test_promotion_approval",
    "RequestApproval": "see test_promotion_approval",
    "ValidateBeforeApproval": "see test_promotion_approval",
    "RecoverRung": "only a Map that itself breaks leads there; tests/unit walks it",
    "RollBackReleasedTarget": "see test_promotion_rungs: a rung of two targets",
}


@dataclass(frozen=True)
class Scene:
    """How a promotion comes to a state, and how it must end when that state is broken: exit code, ledger, alias moved.

    `or_code` is another good end where it depends on how far CodeDeploy had come; the ledger must agree with it.
    `first` takes production to where Terraform makes it, before its first release. `skip` lets so many calls pass that
    other states make; `count` ends the fault after this state has given up.
    """

    project: str = "plain"
    source: str = GOOD
    request: tuple[str, ...] = ()
    also: tuple[tuple[str, str], ...] = ()
    code: int = 0
    result: str | None = ""
    or_code: int = 0
    moved: bool = False
    first: bool = False
    skip: int = 0
    count: dict[str, int] = field(default_factory=dict)


RESULTS = {3: "rolled_back", 4: "failed"}
RETRIES = 6  # calls that a task makes by Step Functions' own retries
THROUGH_BOTO = dict.fromkeys(("throttle", "error", "timeout"), 4 * 6) | {"access_denied": 1, "malformed": 6}
"""Calls that a function makes before it gives up: four of boto3's own for each of six invocations, where they retry."""
REFUSED = Scene(code=4, result="failed")
SCENES = {
    # what a refused promotion records is lost when recording is what is broken
    "RecordFailure": Scene(source=BROKEN, code=4, result=None),
    "RecordRefusal": Scene(also=(("UpdateCode", "access_denied"),), code=4, result=None),
    # the end of a promotion that is rolled back
    "RollBackTarget": Scene(source=BROKEN_BEHIND_THE_ALIAS, code=5, result="rollback_failed"),
    "VerifyRestored": Scene(source=BROKEN_BEHIND_THE_ALIAS, code=5, result="rollback_failed"),
    "MarkDigestBad": Scene(source=BROKEN_BEHIND_THE_ALIAS, code=3, result="rolled_back"),
    "RecordRolledBack": Scene(source=BROKEN_BEHIND_THE_ALIAS, code=3, result=None),
    "RecordRollbackFailed": Scene(
        source=BROKEN_BEHIND_THE_ALIAS, also=(("RollBackTarget", "access_denied"),), code=5, result=None
    ),
    # a release that can't be recorded is undone
    "RecordSuccess": Scene(code=3, result="rolled_back"),
    # nothing depends on these
    "ReleaseLock": Scene(code=0, result="succeeded", moved=True),
    "NotifyPromoted": Scene(code=0, result="succeeded", moved=True),
    "NotifyFailed": Scene(source=BROKEN, code=4, result="failed"),
    # when only the answers are lost, the deployment is there, and may have shifted
    "CreateHotfixDeployment": Scene(request=("hotfix",), code=4, or_code=3, result="failed"),
    "CreateDeployment": Scene(code=4, or_code=3, result="failed"),
    # validate lists deployments too, once for each rung
    "FindDeployment": Scene(
        also=(("CreateDeployment", "limit"),),
        code=4,
        result="failed",
        skip=2,
        count=dict.fromkeys(THROUGH_BOTO, RETRIES),
    ),
    # AwaitTrafficShift and the hook read it too, and RollBackTarget after
    "PollDeployment": Scene(
        code=3, or_code=4, result="rolled_back", count={kind: calls + RETRIES for kind, calls in THROUGH_BOTO.items()}
    ),
    # when only the answer is lost, the alias has moved, and is put back to $LATEST
    "ReleaseFirstVersion": Scene(first=True, code=4, or_code=3, result="failed"),
    "AwaitTrafficShift": Scene(code=0, result="succeeded", moved=True),
    "ProbeAlias": Scene(project="canary", code=3, result="rolled_back"),
    # when only the answer is lost, the alias has the first width, and is put back
    "MoveTraffic": Scene(project="widths", code=4, or_code=3, result="failed"),
    "JudgeShift": Scene(project="widths", code=3, result="rolled_back"),
    "VerifyUnchanged": Scene(code=4, result=None),
    "RunReleaseCommand": Scene(project="migrating", source=MIGRATES, code=4, result="failed"),
}


def scene(name: str) -> Scene:
    if name in SCENES:
        return SCENES[name]
    if name in BEFORE:
        return REFUSED
    return Scene(code=3, result="rolled_back")


def aim(name: str) -> dict[str, Any]:
    """Return the fault rule's aim: the call that a state makes, and no other state's."""
    body = TASKS[name].body
    resource = body["Resource"].split(":::")[1].removeprefix("aws-sdk:").removesuffix(".waitForTaskToken")
    service, _, action = resource.partition(":")
    rule = {"service": service, "action": action[0].upper() + action[1:], "count": 0}
    if action == "invoke":
        rule["body"] = f'"action": "{body["Parameters"]["Payload"]["action"]}"'
    elif name == "AwaitApproval":
        rule["body"] = "approval#"
    elif name == "MarkDigestBad":
        rule["body"] = "digest#"
    elif "Item" in body["Parameters"]:
        rule["body"] = f'"{body["Parameters"]["Item"]["result"]["S"]}"'
    elif name == "NotifyFailed":
        rule["body"] = "stopped"
    elif name == "RequestApproval":
        rule["body"] = "approval+wanted"
    elif name == "NotifyPromoted":
        rule["body"] = "promoted"
    return rule


ALSO = {"limit": {"kind": "error", "code": "DeploymentLimitExceededException", "status": 400}}


INVOKING = {name for name, state in TASKS.items() if "lambda:invoke" in state.body["Resource"]}
"""States that call a function of the pipeline. They are alike: tests/unit/test_asl_definition.py has their retries, and
that each catches every error; test_promotion_calls denies what the functions call.
"""


@pytest.mark.parametrize(
    ("name", "kind"), rows.of_faults(sorted(set(TASKS) - set(UNREACHED)), tuple(KINDS), alike=INVOKING)
)
def test_a_promotion_ends_well_with(name, kind, cloud, make_project, before, unique):
    how = scene(name)
    project = released(make_project(how.project, **PROJECTS[how.project]), unique)
    digest = project.ship(unique(how.source))
    if how.first:
        project.forget()
    was = before(project)
    fault = KINDS[kind]
    rules = [aim(name) | fault | {"skip": how.skip, "count": how.count.get(fault["kind"], 0)}]
    rules += [aim(other) | ALSO.get(what, {"kind": what}) for other, what in how.also]
    cloud.faults(*rules)
    result = project.promote(**dict.fromkeys(how.request, True))
    hits = cloud.hits()
    cloud.faults()
    entered = project.entered(result.record["execution_arn"])
    assert hits, f"the fault hit nothing: {result.code}, {result.message}, {entered}"
    assert name in entered, f"the promotion never came to {name}, give it a scene: {result.message}"
    assert result.code in (how.code, how.or_code or how.code), result.message
    if how.code == 5:
        mend(project, was)
    elif how.moved:
        assert project.digest() == digest
    else:
        assert project.alias() == was.alias
    if name == "ReleaseLock":
        unlock(project)
    was.check_quiet()
    if how.result:
        stopped_at = result.record["targets"][-1]["environment"] if how.code else "production"
        entry = next(iter(project.ledger().history(stopped_at, limit=1)))
        expected = how.result if result.code == how.code else RESULTS[result.code]
        assert (entry.release_id, entry.result) == (result.record["release_id"], expected)
    if how.code:
        assert cause_of(name, kind, result.message)


def released(project: Any, unique: Any) -> Any:
    """Return the project with production released; the row before may have left it as Terraform makes it."""
    if project.alias()[0] == "$LATEST":
        project.ship(unique(GOOD))
        assert project.promote().code == 0
    return project


WITHIN = {
    "MoveTraffic": {"service": "lambda", "action": "UpdateAlias"},
    "UpdateCode": {"service": "lambda", "action": "UpdateFunctionCode"},
    "PublishVersion": {"service": "lambda", "action": "PublishVersion"},
    "RunReleaseCommand": {"service": "dynamodb", "action": "PutItem", "body": "command#"},
}
"""Calls that a function makes for a state."""
CHANGING = sorted(
    name
    for name, state in TASKS.items()
    if name not in UNREACHED
    and (name in WITHIN or re.search("create|delete|publish|put|transact|update", state.body["Resource"]))
)


@pytest.mark.parametrize(
    ("name", "where"),
    [*((name, aim(name)) for name in CHANGING), *WITHIN.items()],
    ids=[*CHANGING, *(f"{name}, in its function" for name in WITHIN)],
)
def test_an_answer_lost_after_the_call_was_done_changes_nothing_of_the_end(
    name, where, cloud, make_project, before, unique
):
    """A repeated call meets what the first one did. Each of these ends as if no answer had been lost."""
    how = scene(name)
    project = released(make_project(how.project, **PROJECTS[how.project]), unique)
    digest = project.ship(unique(how.source))
    was = before(project)
    rules = [where | {"kind": "cut_after", "count": 1}]
    rules += [aim(other) | ALSO.get(what, {"kind": what}) for other, what in how.also]
    cloud.faults(*rules)
    result = project.promote(**dict.fromkeys(how.request, True))
    hits = cloud.hits()
    cloud.faults()
    assert hits, result.message
    assert name in project.entered(result.record["execution_arn"]), result.message
    if name not in LOST:
        assert result.code == 0, result.message
        assert project.digest() == digest
    else:
        assert result.code == LOST[name], result.message
        if result.code == 5:
            mend(project, was)
        assert project.alias() == was.alias
    entry = next(iter(project.ledger().history("production", limit=1)))
    expected = {0: "succeeded", 5: "rollback_failed", **RESULTS}[result.code]
    assert (entry.release_id, entry.result) == (result.record["release_id"], expected)
    was.check_quiet()


LOST = {
    "RecordFailure": 4,
    "RecordRefusal": 4,
    "MarkDigestBad": 3,
    "RecordRolledBack": 3,
    "RecordRollbackFailed": 5,
    "NotifyFailed": 4,
}
"""The ends of scenes in which the release itself fails."""


def cause_of(name: str, kind: str, message: str) -> bool:
    return bool(message) and "no cause was recorded" not in message


def mend(project: Any, was: Any) -> None:
    """Do what the exit code 5 asks a person to do: put the alias back by hand."""
    version, weights = project.alias()
    if (version, weights) != was.alias:
        project.client("lambda").update_alias(
            FunctionName=project.function("production"),
            Name="live",
            FunctionVersion=was.alias[0],
            RoutingConfig={"AdditionalVersionWeights": {}},
        )


def unlock(project: Any) -> None:
    """Let the leases run out that couldn't be given back."""
    for environment in project.settings.ladder_environments:
        project.client("dynamodb").delete_item(
            TableName=f"{project.name}-releases", Key={"pk": {"S": f"env#{environment}"}, "sk": {"S": "lock"}}
        )


def test_every_state_has_a_way_to_it():
    assert set(SCENES) | set(UNREACHED) <= set(TASKS)
    assert json.dumps(sorted(TASKS))
