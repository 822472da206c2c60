"""Walk the state machine's definition: what must hold for every state, today's and tomorrow's."""

import json
import re

import pytest

from stepladder.core import names, resources
from stepladder.promotion import definition as asl

MACHINE = asl.load()
STATES = list(asl.states(MACHINE))
TASKS = [s for s in STATES if s.kind == "Task"]
TARGET = ("PromoteRungs", "ReleaseTargets")
FINISH = ("PromoteRungs", "FinishTargets")
RUNG = ("PromoteRungs",)
TRANSIENT_LAMBDA = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.TooManyRequestsException",
    "TransientError",
}

OUTCOMES = ("Released", "Unchanged", "Refused", "Restored", "RestoreFailed")


def graph(scope):
    return {s.name: s for s in STATES if s.scope == scope}


def ids(states):
    return [s.name for s in states]


@pytest.mark.parametrize("task", TASKS, ids=ids(TASKS))
class TestEveryTask:
    def test_retries_with_full_jitter_and_a_ceiling_on_its_pauses(self, task):
        retriers = [r for r in task.body["Retry"] if r["MaxAttempts"] > 0]
        assert retriers
        for retrier in retriers:
            assert retrier["JitterStrategy"] == "FULL"
            assert 0 < retrier["MaxDelaySeconds"] <= 60
            assert retrier["MaxAttempts"] <= 40

    def test_retries_what_passes_by_itself(self, task):
        named = {e for r in task.body["Retry"] if r["MaxAttempts"] > 0 for e in r["ErrorEquals"]}
        assert "States.ALL" in named or named >= TRANSIENT_LAMBDA

    def test_has_a_timeout(self, task):
        timeout = task.body.get("TimeoutSeconds")
        if timeout is None:
            assert task.body["TimeoutSecondsPath"] in ("$.rung.approval_seconds", "$.rung.verdict_seconds")
        else:
            assert timeout <= (920 if task.name == "RunReleaseCommand" else 320)

    def test_what_moves_an_alias_is_over_before_its_call_is_given_up(self, task):
        """Lambda ends rollback after 300 seconds: a late one would move what was rolled back meanwhile."""
        if "${rollback_arn}" in json.dumps(task.body):
            assert task.body["TimeoutSeconds"] > 300

    def test_catches_every_error_last_and_keeps_its_input(self, task):
        catchers = task.body["Catch"]
        assert catchers[-1]["ErrorEquals"] == ["States.ALL"]
        for catcher in catchers:
            assert catcher["ResultPath"].startswith("$."), "the input would be lost"

    def test_keeps_the_state_small_by_naming_its_result(self, task):
        assert task.body["ResultPath"] is None or task.body["ResultPath"].startswith("$.")


@pytest.mark.parametrize(("scope", "start"), list(asl.scopes(MACHINE)), ids=lambda v: "/".join(v) if v else "machine")
def test_no_state_is_unreachable_and_none_is_missing(scope, start):
    states = graph(scope)
    for state in states.values():
        assert state.nexts <= set(states), f"{state.name} leads out of its scope"
    assert asl.reachable(states, start) == set(states)


@pytest.mark.parametrize(("scope", "start"), list(asl.scopes(MACHINE)), ids=lambda v: "/".join(v) if v else "machine")
def test_every_loop_is_counted(scope, start):
    """A loop that passes no Choice which compares a counter could turn for ever."""
    states = graph(scope)
    counters = frozenset(
        s.name for s in states.values() if s.kind == "Choice" and "NumericGreaterThanEquals" in json.dumps(s.body)
    )
    for name in states:
        ahead = set().union(
            *(asl.reachable(states, n, without=counters) for n in states[name].nexts if n not in counters), set()
        )
        assert name not in ahead or name in counters, f"{name} can come round without a counter"


def ends(states, names):
    """The outcomes of a target among some states: each leads to the state that returns what is known of the target."""
    assert all(states[name].steps == {"TargetReleased"} for name in OUTCOMES)
    return {name for name in names if name in OUTCOMES}


def test_before_the_deployment_every_error_ends_refused():
    states = graph(TARGET)
    moved = {"CreateDeployment", "CreateHotfixDeployment", "MoveTraffic", "ReleaseFirstVersion"}
    before = asl.reachable(states, "Validate", without=frozenset(moved))
    for name in before:
        for caught in states[name].caught - {"IsPublishRetried"}:  # goes on with PublishVersion, or is refused
            assert ends(states, asl.reachable(states, caught)) == {"Refused"}, (
                f"an error of {name} does not end refused"
            )


def test_publishing_is_tried_again_once_after_a_stale_revision_and_only_what_validate_saw():
    states = graph(TARGET)
    assert states["PublishVersion"].body["Catch"][0]["ErrorEquals"] == ["StaleRevisionError"]
    assert states["PublishVersion"].caught == {"IsPublishRetried", "Refused"}
    assert states["IsPublishRetried"].nexts == {"CountPublishRetry", "Refused"}
    assert asl.reachable(states, "CountPublishRetry", without=frozenset({"AwaitUpdate"})) == {"CountPublishRetry"}
    payload = states["AwaitUpdate"].body["Parameters"]["Payload"]
    assert payload["configuration.$"] == "$.facts.configuration"


def test_no_state_calls_lambda_itself_whose_answers_have_the_environment_variables():
    """What a task answers stands in the history, whatever its ResultSelector keeps."""
    assert not [task.name for task in TASKS if ":aws-sdk:lambda:" in task.body["Resource"]]
    payloads = {name: graph(TARGET)[name].body["Parameters"] for name in ("UpdateCode", "PublishVersion")}
    assert {parameters["FunctionName"] for parameters in payloads.values()} == {"${validate_arn}"}
    assert [parameters["Payload"]["action"] for parameters in payloads.values()] == ["update", "publish"]


def test_once_traffic_may_have_moved_every_path_ends_verified_or_rolled_back():
    states = graph(TARGET)
    for start in ("CreateDeployment", "CreateHotfixDeployment", "MoveTraffic", "ReleaseFirstVersion"):
        after = asl.reachable(states, start)
        assert ends(states, after) == {"Released", "Restored", "RestoreFailed"}
        without_verification = asl.reachable(states, start, without=frozenset({"VerifyAlias"}))
        assert "Released" not in without_verification
        without_rollback = asl.reachable(states, start, without=frozenset({"RollBackTarget"}))
        assert ends(states, without_rollback) == {"Released"}


def test_every_error_after_the_deployment_leads_to_the_rollback():
    states = graph(TARGET)
    after = asl.reachable(states, "CreateDeployment") | asl.reachable(states, "ReleaseFirstVersion")
    after |= asl.reachable(states, "MoveTraffic")
    after -= {"RollBackTarget", "Restored", "RestoreFailed", "Released", "TargetReleased"}
    for name in after:
        for caught in states[name].caught - {"FindDeployment", "PollDeployment", "WaitToJudge"}:
            assert caught == "RollBackTarget", f"an error of {name} skips the rollback"


def test_traffic_that_the_state_machine_moves_is_widened_and_verified_only_by_a_judgement():
    states = graph(TARGET)
    assert "VerifyAlias" not in asl.reachable(states, "MoveTraffic", without=frozenset({"WhichMove"}))
    assert states["StartShift"].nexts == {"MoveTraffic"}
    assert [name for name, state in states.items() if "MoveTraffic" in state.nexts] == ["StartShift", "WhichMove"]
    assert states["WhichMove"].body["Default"] == "WaitToJudge", "without a judgement it stays as it is"
    assert states["AskAboutCanary"].caught == {"RollBackTarget"}, "a question that nobody can read is none"
    choices = [choice["Variable"] for choice in states["IsHotfix"].body["Choices"]]
    assert choices == ["$.release.hotfix", "$.target.shift"], "a hotfix is CodeDeploy's, all at once"


def test_a_rolled_back_target_is_recorded_only_after_another_function_has_verified_it():
    states = graph(FINISH)
    start = dict(asl.scopes(MACHINE))[FINISH]
    unverified = asl.reachable(states, start, without=frozenset({"VerifyRestored"}))
    assert "RecordRolledBack" not in unverified
    assert states["VerifyRestored"].body["Parameters"]["FunctionName"] == "${verify_arn}"


def test_a_digest_is_marked_only_once_it_is_rolled_back_and_never_keeps_that_from_the_ledger():
    states = graph(FINISH)
    start = dict(asl.scopes(MACHINE))[FINISH]
    assert "MarkDigestBad" not in asl.reachable(states, start, without=frozenset({"VerifyRestored"}))
    assert "MarkDigestBad" not in asl.reachable(states, start, without=frozenset({"IsVersionToBlame"}))
    assert states["MarkDigestBad"].nexts == {"RecordRolledBack"}


def test_the_version_is_blamed_by_errors_that_the_functions_raise():
    (choice,) = graph(FINISH)["IsVersionToBlame"].body["Choices"]
    (kinds,) = (rule["Or"] for rule in choice["And"] if "Or" in rule)
    named = {rule["StringEquals"] for rule in kinds if "StringEquals" in rule}
    errors = (resources.folder("function") / "shared" / "errors.py").read_text(encoding="utf-8")
    assert named == {"SmokeFailedError", "ProbeFailedError", "AlarmFiredError", "CanaryFailedError"}
    assert all(f"class {name}(" in errors for name in named)


def test_every_target_that_ends_gives_its_lock_back_whatever_became_of_the_record():
    states = graph(FINISH)
    start = dict(asl.scopes(MACHINE))[FINISH]
    assert {n for n in states if states[n].is_end} == {"TargetFinished", "ChildFinished"}
    assert "TargetFinished" not in asl.reachable(states, start, without=frozenset({"ReleaseLock"}))
    assert "ChildFinished" not in asl.reachable(states, "WhichTargetOutcome"), "a local target ends locally"


@pytest.mark.parametrize(
    ("scope", "start", "local_state"),
    [(TARGET, "StartChild", "Validate"), (FINISH, "StartSendCount", "WhichTargetOutcome")],
)
def test_a_remote_target_never_comes_to_a_state_that_acts_on_this_location(scope, start, local_state):
    states = graph(scope)
    assert local_state not in asl.reachable(states, start)
    for name in asl.reachable(states, start):
        if states[name].kind == "Task":
            assert states[name].body["Parameters"]["FunctionName"] == "${relay_arn}"


def test_a_child_that_may_have_begun_is_polled_to_its_end_or_recovered():
    states = graph(TARGET)
    assert states["StartChild"].caught == {"Refused", "RecoverChild"}
    by_error = {c["ErrorEquals"][0]: c["Next"] for c in states["StartChild"].body["Catch"]}
    assert by_error["RefusedError"] == "Refused", "refused before anything was started"
    unpolled = asl.reachable(states, "StartChild", without=frozenset({"PollChild", "RecoverChild"}))
    assert ends(states, unpolled) == {"Refused"}
    finishing = graph(FINISH)
    undecided = asl.reachable(
        finishing, "StartSendCount", without=frozenset({"SendDecision", "RecoverChildAfterDecision"})
    )
    assert not {n for n in undecided if finishing[n].is_end}


@pytest.mark.parametrize("name", ["ValidateBeforeApproval", "Validate"])
def test_an_image_that_came_a_moment_ago_is_waited_for_until_it_is_scanned(name):
    """ECR scans an image of another location when it is copied there, right before the promotion."""
    state = next(s for s in asl.states(MACHINE) if s.name == name)
    assert ["ScanPendingError"] in [retry["ErrorEquals"] for retry in state.body["Retry"]]


def test_a_poll_that_fails_is_counted_and_ends_nothing():
    for scope, poll, count in ((TARGET, "PollChild", "CountChildPoll"), (FINISH, "SendDecision", "CountSend")):
        assert graph(scope)[poll].caught == {count}


def test_a_child_keeps_its_release_only_by_its_parents_decision():
    states = graph(RUNG)
    (choice,) = states["IsChildExecution"].body["Choices"]
    assert (choice["Variable"], choice["Next"]) == ("$.rung.verdict_seconds", "AwaitDecision")
    assert states["AwaitDecision"].body["Next"] == "DecideKeep"
    for caught in states["AwaitDecision"].caught:
        assert states[caught].kind == "Pass"
        decision = states[caught].body.get("Result") or states[caught].body["Parameters"]
        assert decision["word"] == "undo"
        assert "DecideKeep" not in asl.reachable(states, caught, without=frozenset({"FinishTargets"}))


def test_iterations_over_targets_never_fail_so_that_none_cuts_off_its_siblings():
    for scope in (TARGET, FINISH):
        assert not [s.name for s in STATES if s.scope == scope and s.kind == "Fail"]


def test_a_rung_fails_only_under_names_of_our_own():
    fails = {s.name: s.body for s in STATES if s.kind == "Fail"}
    assert {b["Error"] for b in fails.values()} == {"RefusedBeforeTraffic", "RolledBack", "RollbackFailed"}
    for body in fails.values():
        assert body["CausePath"] == "States.JsonToString($.settled)"


def test_a_failed_rollback_wins_over_a_rolled_back_and_that_over_a_refused():
    order = [c["Next"] for c in graph(RUNG)["WhichError"].body["Choices"]] + [graph(RUNG)["WhichError"].body["Default"]]
    assert order == ["RollbackFailed", "RolledBack", "RefusedBeforeTraffic"]


def test_every_task_is_of_the_partition_that_terraform_works_in():
    for task in TASKS:
        assert task.body["Resource"].startswith("arn:${partition}:states:::"), task.name


def test_no_codedeploy_deployment_is_made_for_equal_versions():
    states = graph(TARGET)
    choice = states["IsNewVersion"].body["Choices"][0]
    assert (choice["Variable"], choice["StringEqualsPath"]) == ("$.published.version", "$.facts.previous_version")
    assert choice["Next"] == "VerifyUnchanged"
    assert "CreateDeployment" not in asl.reachable(states, "Validate", without=frozenset({"IsNewVersion"}))


def test_a_first_release_is_moved_by_the_one_function_whose_role_may_and_by_no_deployment():
    states = graph(TARGET)
    (choice,) = states["IsFirstRelease"].body["Choices"]
    assert (choice["Variable"], choice["StringEquals"]) == ("$.facts.previous_version", "$LATEST")
    assert "ReleaseFirstVersion" not in asl.reachable(states, "Validate", without=frozenset({"IsFirstRelease"}))
    assert "ReleaseFirstVersion" not in asl.reachable(states, "Validate", without=frozenset({"TestVersion"}))
    first = asl.reachable(states, choice["Next"])
    assert not first & {"CreateDeployment", "CreateHotfixDeployment"}
    assert states["ReleaseFirstVersion"].body["Parameters"]["FunctionName"] == "${rollback_arn}"


def test_rungs_are_promoted_one_after_the_other_and_targets_at_once():
    by_name = {s.name: s.body for s in STATES if s.kind == "Map"}
    assert by_name["PromoteRungs"]["MaxConcurrency"] == 1
    assert by_name["ReleaseTargets"]["MaxConcurrency"] == by_name["FinishTargets"]["MaxConcurrency"] == 10


def test_the_automatic_rollback_covers_failure_alarm_and_stop_request():
    for name in ("CreateDeployment", "CreateHotfixDeployment"):
        rollback = graph(TARGET)[name].body["Parameters"]["AutoRollbackConfiguration"]
        assert rollback["Enabled"] is True
        assert set(rollback["Events"]) == {
            "DEPLOYMENT_FAILURE",
            "DEPLOYMENT_STOP_ON_ALARM",
            "DEPLOYMENT_STOP_ON_REQUEST",
        }


def test_a_hotfix_overrides_the_alarms_and_keeps_the_hooks():
    parameters = graph(TARGET)["CreateHotfixDeployment"].body["Parameters"]
    assert parameters["OverrideAlarmConfiguration"] == {"Enabled": False, "Alarms": []}
    assert parameters["DeploymentConfigName"] == "CodeDeployDefault.LambdaAllAtOnce"
    assert parameters["Revision"] == graph(TARGET)["CreateDeployment"].body["Parameters"]["Revision"]


def test_aws_sdk_parameters_are_written_as_aws_wants_them():
    """Step Functions takes PascalCase for every service, whatever the service's own API writes."""
    for task in TASKS:
        for key in keys(task.body["Parameters"], inside="aws-sdk" in task.body["Resource"]):
            assert re.fullmatch(r"[A-Z]\w*(\.\$)?", key), f"{task.name}: {key}"


def keys(parameters, *, inside):
    if not inside:
        return
    for key, value in parameters.items():
        yield key
        # keys below are the user's own: DynamoDB attributes and values
        if isinstance(value, dict) and key not in ("Item", "Key", "ExpressionAttributeValues"):
            yield from keys(value, inside=inside)


def test_the_error_names_are_capitalised_as_step_functions_does():
    for task in TASKS:
        for rule in (*task.body["Retry"], *task.body["Catch"]):
            for name in rule["ErrorEquals"]:
                service = name.partition(".")[0]
                assert not service.islower(), name


def test_the_longest_canary_stays_far_under_the_history_limit():
    """25,000 events end an execution. https://docs.aws.amazon.com/step-functions/latest/dg/limits-overview.html."""
    from stepladder.settings.shift import PREDEFINED, Shift

    events = {"Task": 5, "Choice": 2, "Pass": 2, "Wait": 2}
    states = graph(TARGET)
    loop = asl.reachable(
        states, "PollDeployment", without=frozenset({"RollBackTarget", "VerifyAlias", "DeploymentFailed"})
    )
    loop &= {n for n in loop if "PollDeployment" in asl.reachable(states, n)}
    each = sum(events[states[n].kind] for n in loop)
    polls = max(Shift.parse(name).polls()[1] for name in PREDEFINED)
    assert polls * each < 12_000
    longest_bake = 720 * 60
    every, polls = Shift.parse("Linear10PercentEvery10Minutes").polls(longest_bake)
    assert (polls + longest_bake / every) * each < 20_000


FILLED_IN = (
    "hook_name",
    "ledger_table",
    "partition",
    "project",
    "relay_arn",
    "rollback_arn",
    "topic_arn",
    "validate_arn",
    "verify_arn",
)


@pytest.mark.parametrize("variable", FILLED_IN)
def test_terraform_has_each_place_to_fill_in(variable):
    assert f"${{{variable}}}" in json.dumps(MACHINE)


def test_there_is_no_other_place_to_fill_in():
    assert len(set(re.findall(r"\$\{(\w+)\}", json.dumps(MACHINE)))) == len(FILLED_IN)


def test_a_subject_fits_what_sns_takes_however_many_targets_a_rung_has():
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: at most 100 characters."""
    subjects = [t.body["Parameters"].get("Subject") for t in TASKS if t.body["Resource"].endswith("sns:publish")]
    assert len(subjects) == 4
    for subject in subjects:
        assert len(subject.replace("${project}", "x" * names.PROJECT_MAX)) <= 100


def test_what_a_rung_serves_is_recorded_with_the_smoke_cases_that_it_passed():
    (record,) = [state for state in STATES if state.name == "RecordSuccess"]
    (current,) = [item for item in record.body["Parameters"]["TransactItems"] if "current" in json.dumps(item)]
    assert current["Put"]["Item"]["smoke_key"] == {"S.$": "$.release.smoke_key"}
