import json
import re
import threading

import pytest
from botocore.exceptions import ReadTimeoutError
from fakes.pipeline import ALIAS, EXECUTION, FUNCTION, NEW, OLD, RELEASE, Context, refusal, release, target

from stepladder.promotion.requests.check import CheckAnswerRequest


def call(pipeline, action, **more):
    event = {
        "action": action,
        "release": release(),
        "target": target(),
        "version": "8",
        "previous_version": "7",
        "baked": 0,
    }
    return pipeline.verify.handler(event | more, Context())


def served(pipeline):
    pipeline.aws.lambda_.aliases[FUNCTION]["FunctionVersion"] = "8"


def broken(pipeline, *versions):
    def answers(version, _payload):
        return (None, "ValueError") if version in versions else ({"statusCode": 200}, None)

    pipeline.aws.lambda_.answers = answers


def test_a_version_is_tested_by_its_own_number(pipeline):
    assert call(pipeline, "version") == {"cases": 1}
    assert pipeline.aws.lambda_.invoked == ["8"]


def test_a_version_that_fails_its_cases_says_which_and_how(pipeline):
    broken(pipeline, "8")
    with pytest.raises(pipeline.errors.SmokeFailedError, match="says hello: error: expected none, got ValueError"):
        call(pipeline, "version")


def test_a_version_with_another_image_is_not_tested_at_all(pipeline):
    pipeline.aws.lambda_.digests[FUNCTION, "8"] = OLD
    with pytest.raises(pipeline.errors.NotServedError, match="has sha256:aaa"):
        call(pipeline, "version")
    assert pipeline.aws.lambda_.invoked == []


def test_the_alias_is_verified_through_the_alias_and_its_revision_told(pipeline):
    served(pipeline)
    assert call(pipeline, "alias") == {"cases": 1, "alias_revision": "r1"}
    assert pipeline.aws.lambda_.invoked == [ALIAS]


@pytest.mark.parametrize("weight", ["7", "9"])
def test_an_alias_that_serves_anything_else_is_not_verified(pipeline, weight):
    served(pipeline)
    pipeline.aws.lambda_.route(weight, 0.5)
    with pytest.raises(pipeline.errors.NotServedError, match="not all of it version 8"):
        call(pipeline, "alias")


def test_an_alias_that_another_version_answers_is_not_verified(pipeline):
    served(pipeline)
    invoke = pipeline.aws.lambda_.invoke
    pipeline.aws.lambda_.invoke = lambda **request: invoke(**request) | {"ExecutedVersion": "7"}
    with pytest.raises(pipeline.errors.NotServedError, match="answered by version 7"):
        call(pipeline, "alias")


def test_a_smoke_key_outside_its_folder_is_refused(pipeline):
    with pytest.raises(pipeline.errors.RefusedError, match="no bundle"):
        call(pipeline, "version", release=release(smoke_key="pipeline/verify.zip"))


def test_a_case_that_expects_an_error_goes_to_the_version_and_never_through_the_alias(pipeline):
    """It would raise the alias's error alarm, and a good release would be rolled back."""
    pipeline.aws.s3.cases["bad.json"] = '{"name": "refuses", "payload": {"bad": 1}, "expect": {"error": "ValueError"}}'

    def answers(_version, payload):
        return (None, "ValueError") if "bad" in payload else ({"statusCode": 200}, None)

    pipeline.aws.lambda_.answers = answers
    assert call(pipeline, "version") == {"cases": 2}
    served(pipeline)
    assert call(pipeline, "alias")["cases"] == 1
    assert call(pipeline, "probe") == {"samples": 10, "bad": 0}
    pipeline.aws.codedeploy.add("d-1")
    event = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e"}
    assert pipeline.verify.handler(event, Context())["why"] == "1 smoke cases passed"


STEPS = """{"name": "orders", "steps": [
    {"payload": {"item": "tea"}, "expect": {"status": 200}, "capture": {"id": "$.id"}},
    {"name": "reads", "payload": {"read": "${captured.id}"}, "expect": {"status": 200}}
]}"""


def test_a_case_with_steps_runs_as_a_whole_where_one_version_answers_and_by_its_first_step_while_traffic_shifts(
    pipeline,
):
    sent = []

    def answers(_version, payload):
        sent.append(payload)
        return {"statusCode": 404 if payload.get("read") == 9 else 200, "id": 9}, None

    pipeline.aws.s3.cases = {"steps.json": STEPS}
    pipeline.aws.lambda_.answers = answers
    with pytest.raises(
        pipeline.errors.SmokeFailedError, match=r"orders: step 2 \(reads\): status: expected 200, got 404"
    ):
        call(pipeline, "version")
    assert sent == [{"item": "tea"}, {"read": 9}]
    served(pipeline)
    assert call(pipeline, "probe") == {"samples": 10, "bad": 0}
    assert sent[2:] == [{"item": "tea"}] * 10


class TestChecks:
    """A project's own check runs in a function that may do nothing, and not in this one."""

    @pytest.fixture(autouse=True)
    def named(self, pipeline):
        pipeline.aws.s3.cases = {
            "a.json": '{"name": "orders", "payload": 1, "check": "checks.py:total"}',
            "checks.py": "def total(answer): assert False, 'this runs nowhere here'",
        }
        pipeline.aws.lambda_.answers = lambda _version, _payload: ({"statusCode": 200, "body": '{"n": 1}'}, None)

    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            ({"problems": ["check checks.py:total: too much"]}, "orders: check checks.py:total: too much"),
            ({"errorType": "Sandbox.Timedout", "errorMessage": "x"}, "the function that runs it failed"),
        ],
    )
    def test_a_problem_fails_the_version(self, pipeline, monkeypatch, answer, why):
        monkeypatch.setenv("CHECK", "the-check")
        pipeline.aws.lambda_.pipeline["the-check"] = lambda _event: answer
        with pytest.raises(pipeline.errors.SmokeFailedError, match=re.escape(why)):
            call(pipeline, "version")

    def test_the_check_gets_the_answer_with_its_body_read(self, pipeline, monkeypatch):
        monkeypatch.setenv("CHECK", "the-check")
        pipeline.aws.lambda_.pipeline["the-check"] = lambda _event: {"problems": []}
        assert call(pipeline, "version") == {"cases": 1}
        ((_, event),) = pipeline.aws.lambda_.calls
        assert (event["function"], event["answer"]["body"], event["captured"]) == ("total", {"n": 1}, {})
        assert set(event) == CheckAnswerRequest.__required_keys__

    def test_without_that_function_the_version_is_refused(self, pipeline):
        with pytest.raises(pipeline.errors.RefusedError, match=r"nothing runs check checks.py:total there"):
            call(pipeline, "version")


class TestCommand:
    """The release command: once, recorded before it is sent; a repetition of the call sends nothing."""

    at = target(command={"name": "migrate", "event": {"to": 7}, "wait_seconds": 90})

    def call(self, pipeline, **more):
        return call(pipeline, "command", target=self.at, same_image=False, execution_arn=EXECUTION, **more)

    def handles(self, pipeline, answer):
        """The version answers so; return what it is sent, and the outcome in the ledger at that moment."""
        sent = []

        def answers(version, payload):
            sent.append((version, payload, [item["outcome"]["S"] for item in pipeline.aws.dynamodb.items.values()]))
            if isinstance(answer, Exception):
                raise answer
            return answer

        pipeline.aws.lambda_.answers = answers
        return sent

    def item(self, pipeline):
        (((pk, sk), item),) = pipeline.aws.dynamodb.items.items()
        assert (pk, sk.partition("#")[0]) == ("command#production", NEW)
        return {name: value["S"] for name, value in item.items()}

    def test_is_sent_to_the_version_and_recorded_before_and_with_its_answer(self, pipeline):
        sent = self.handles(pipeline, ({"ok": True}, None))
        assert self.call(pipeline) == {"outcome": "succeeded", "ran": True}
        marker = {"command": "migrate", "release": RELEASE, "environment": "production"}
        assert sent == [("8", {"to": 7, "stepladder": marker}, ["begun"])]
        item = self.item(pipeline)
        assert (item["outcome"], item["version"], item["execution_arn"]) == ("succeeded", "8", EXECUTION)
        assert self.call(pipeline) == {"outcome": "succeeded", "ran": False}
        assert len(sent) == 1

    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            ((None, "OperationalError"), "failed on version 8: OperationalError: no"),
            (({"ok": False}, None), 'it answered {"ok": false}'),
            ((None, None), "it answered nothing"),
            (({"statusCode": 200}, None), "does the handler know the command?"),
            (refusal("AccessDeniedException", 403), "it was not sent: AccessDeniedException"),
        ],
    )
    def test_that_fails_is_not_sent_again_for_the_same_release(self, pipeline, answer, why):
        sent = self.handles(pipeline, answer)
        for _ in range(2):
            with pytest.raises(pipeline.send_command.command_run.CommandFailedError, match=re.escape(why)):
                self.call(pipeline)
        assert len(sent) == 1
        assert self.item(pipeline)["outcome"] == "failed"
        pipeline.aws.lambda_.answers = lambda _version, _payload: ({"ok": True}, None)
        assert self.call(pipeline, release=release(id="20261122T000000Z-ffffff"))["ran"]

    @pytest.mark.parametrize(
        "lost",
        [
            refusal("ServiceException", 500),
            refusal("TooManyRequestsException", 429),
            ReadTimeoutError(endpoint_url="https://lambda"),
        ],
        ids=["5xx", "throttled", "timeout"],
    )
    def test_whose_answer_is_lost_is_never_sent_again_in_silence(self, pipeline, lost):
        sent = self.handles(pipeline, lost)
        error = pipeline.send_command.command_run.CommandUnknownError
        for number in range(3):
            with pytest.raises(error, match=r"whether it was done is unknown.*ledger.command --env production --mark"):
                self.call(pipeline, release=release(id=f"20261122T00000{number}Z-ffffff"))
        assert len(sent) == 1
        assert self.item(pipeline)["outcome"] == "begun"

    def test_of_a_function_that_was_killed_is_unknown_to_the_next_call(self, pipeline):
        sent = self.handles(pipeline, ({"ok": True}, None))
        put = pipeline.aws.dynamodb.put_item

        def dies_at_the_answer(**request):
            if request["Item"]["outcome"]["S"] == "succeeded":
                raise KeyboardInterrupt
            return put(**request)

        pipeline.aws.dynamodb.put_item = dies_at_the_answer
        with pytest.raises(KeyboardInterrupt):
            self.call(pipeline)
        with pytest.raises(pipeline.send_command.command_run.CommandUnknownError):
            self.call(pipeline)
        assert len(sent) == 1

    def test_is_not_sent_where_the_image_serves_already(self, pipeline):
        sent = self.handles(pipeline, ({"ok": True}, None))
        event = {"action": "command", "release": release(), "target": self.at, "version": "8"}
        event |= {"same_image": True, "execution_arn": EXECUTION}
        assert pipeline.verify.handler(event, Context()) == {"outcome": "", "ran": False}
        assert sent == []
        assert pipeline.aws.dynamodb.items == {}

    def test_is_not_sent_to_a_version_with_another_image(self, pipeline):
        sent = self.handles(pipeline, ({"ok": True}, None))
        pipeline.aws.lambda_.digests[FUNCTION, "8"] = OLD
        with pytest.raises(pipeline.errors.NotServedError):
            self.call(pipeline)
        assert sent == []


class TestProbe:
    def test_sends_as_many_requests_as_asked_through_the_alias(self, pipeline):
        served(pipeline)
        assert call(pipeline, "probe") == {"samples": 10, "bad": 0}
        assert pipeline.aws.lambda_.invoked == [ALIAS] * 10

    def test_judges_only_what_the_new_version_answered(self, pipeline):
        broken(pipeline, "7")
        assert call(pipeline, "probe") == {"samples": 0, "bad": 0}

    def test_a_choice_that_somebody_made_by_hand_is_no_pass(self, pipeline):
        pipeline.aws.lambda_.aliases[FUNCTION]["FunctionVersion"] = "3"
        with pytest.raises(pipeline.errors.NotServedError, match="somebody else moved alias live"):
            call(pipeline, "probe")

    def test_a_version_that_has_traffic_and_answers_nothing_is_asked_again_and_never_passed(self, pipeline):
        pipeline.aws.lambda_.route("8", 0.1)  # the fake's alias goes on answering by its first version
        with pytest.raises(pipeline.errors.TransientError, match="answered none of 80 requests"):
            call(pipeline, "probe")

    def test_stops_at_once_when_a_tenth_of_the_new_version_s_answers_are_bad(self, pipeline):
        served(pipeline)
        broken(pipeline, "8")
        with pytest.raises(pipeline.errors.ProbeFailedError, match="failed 10 of 10 requests"):
            call(pipeline, "probe")

    def test_asks_the_version_again_before_one_bad_answer_counts(self, pipeline):
        served(pipeline)
        turns = iter([(None, "Timeout")])
        pipeline.aws.lambda_.answers = lambda _version, _payload: next(turns, ({"statusCode": 200}, None))
        assert call(pipeline, "probe") == {"samples": 10, "bad": 1}
        assert pipeline.aws.lambda_.invoked[-1] == "8"

    def test_one_bad_answer_that_is_bad_again_is_enough(self, pipeline):
        at = target(probe_requests=1)
        served(pipeline)
        broken(pipeline, "8")
        with pytest.raises(pipeline.errors.ProbeFailedError, match="twice"):
            call(pipeline, "probe", target=at)

    def test_reads_the_alarms_while_the_version_bakes(self, pipeline):
        served(pipeline)
        pipeline.aws.cloudwatch.firing = [f"{FUNCTION}-latency"]
        assert call(pipeline, "probe")["bad"] == 0
        with pytest.raises(pipeline.errors.AlarmFiredError, match="latency fired: too many"):
            call(pipeline, "probe", baked=1)
        assert call(pipeline, "probe", baked=1, release=release(hotfix=True))["bad"] == 0


class TestRestored:
    def test_is_content_with_the_old_version_alone(self, pipeline):
        assert call(pipeline, "restored") == {"serves": "version 7"}

    def test_is_not_content_with_a_weight_left(self, pipeline):
        pipeline.aws.lambda_.route("8", 0.1)
        with pytest.raises(pipeline.errors.NotServedError, match="serves version 7 and 10% version 8"):
            call(pipeline, "restored")

    def test_is_not_content_while_our_deployment_runs(self, pipeline):
        pipeline.aws.codedeploy.add("d-1")
        with pytest.raises(pipeline.errors.NotServedError, match="still InProgress"):
            call(pipeline, "restored")

    def test_leaves_somebody_else_s_deployment_alone(self, pipeline):
        pipeline.aws.codedeploy.add("d-2", description="by hand")
        pipeline.aws.lambda_.route("9", 0.1)
        assert "version 9" in call(pipeline, "restored")["serves"]


class TestHook:
    def answer(self, pipeline, seconds=300.0):
        event = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e"}
        return pipeline.verify.handler(event, Context(seconds))

    def test_tests_the_version_that_the_deployment_names(self, pipeline):
        pipeline.aws.codedeploy.add("d-1")
        assert self.answer(pipeline)["status"] == "Succeeded"
        assert pipeline.aws.lambda_.invoked == ["8"]
        assert pipeline.aws.codedeploy.reported == ["Succeeded"]

    def test_tests_through_the_alias_once_all_traffic_is_there(self, pipeline):
        pipeline.aws.codedeploy.add("d-1")
        served(pipeline)
        self.answer(pipeline)
        assert pipeline.aws.lambda_.invoked == [ALIAS]

    def test_says_failed_and_why(self, pipeline):
        pipeline.aws.codedeploy.add("d-1")
        broken(pipeline, "8")
        assert self.answer(pipeline)["status"] == "Failed"
        assert pipeline.aws.codedeploy.reported == ["Failed"]
        noted = pipeline.aws.dynamodb.read("deployment#d-1", "hook")
        assert noted["error"] == "SmokeFailedError"
        assert "says hello" in noted["why"]

    def test_says_failed_when_the_deployment_can_not_be_read(self, pipeline):
        assert self.answer(pipeline)["status"] == "Failed"
        assert pipeline.aws.codedeploy.reported == ["Failed"]

    def test_says_failed_before_its_own_time_is_up(self, pipeline):
        pipeline.aws.codedeploy.add("d-1")
        over = threading.Event()
        pipeline.aws.lambda_.answers = lambda *_: over.wait(60) and ({"statusCode": 200}, None)
        assert "did not end" in self.answer(pipeline, seconds=20.5)["why"]
        assert pipeline.aws.codedeploy.reported == ["Failed"]
        over.set()

    @pytest.mark.parametrize("target", ["production", "production-mailer"])
    def test_fills_the_cases_with_the_outputs_of_the_target_whose_deployment_it_is(self, pipeline, target):
        function = f"orders-{target}"
        pipeline.aws.lambda_.aliases[function] = {"FunctionVersion": "7", "RevisionId": "r1"}
        properties = {"Name": function, "Alias": ALIAS, "CurrentVersion": "7", "TargetVersion": "8"}
        spec = json.dumps({"Resources": [{"f": {"Properties": properties}}]})
        pipeline.aws.codedeploy.add("d-1", revision={"appSpecContent": {"content": spec}})
        pipeline.aws.s3.cases = {
            "hello.json": '{"name": "says hello", "payload": {"url": "${output.url}"}, "expect": {"status": 200}}',
            "outputs": json.dumps({target.replace("production", "staging"): {"url": "s"}, target: {"url": "p"}}),
        }
        sent = []
        pipeline.aws.lambda_.answers = lambda _version, payload: (sent.append(payload), ({"statusCode": 200}, None))[1]
        assert self.answer(pipeline)["why"] == "1 smoke cases passed"
        assert sent == [{"url": "p"}]

    def test_never_holds_up_a_rollback(self, pipeline):
        pipeline.aws.codedeploy.add("d-1", creator="codeDeployRollback", description="rollback of d-0")
        broken(pipeline, "7", "8")
        assert self.answer(pipeline)["status"] == "Succeeded"

    def test_reports_again_when_codedeploy_throttles(self, pipeline, monkeypatch):
        pipeline.aws.codedeploy.add("d-1")
        monkeypatch.setattr(pipeline.hook.time, "sleep", lambda _seconds: None)
        pipeline.aws.codedeploy.failures = [refusal("ThrottlingException")] * 2
        self.answer(pipeline)
        assert pipeline.aws.codedeploy.reported == ["Succeeded"]


def test_the_deployment_s_description_names_release_and_cases(pipeline):
    pipeline.aws.codedeploy.add("d-1")
    deployment = pipeline.hook.deployments.get("d-1")
    assert deployment.belongs_to(RELEASE)
    assert not deployment.belongs_to(RELEASE[:-1])
    assert deployment.smoke_key == "smoke/cases.json"


def test_the_digest_under_test_is_the_release_s(pipeline):
    assert pipeline.aws.lambda_.digests[FUNCTION, "8"] == NEW


def test_a_case_is_sent_with_the_outputs_of_the_environment_under_test(pipeline):
    pipeline.aws.s3.cases = {
        "hello.json": '{"name": "says hello", "payload": {"url": "${output.url}"}, "expect": {"status": 200}}',
        "outputs": '{"staging": {"url": "s"}, "production": {"url": "p"}}',
    }
    sent = []

    def answers(_version, payload):
        sent.append(payload)
        return {"statusCode": 200}, None

    pipeline.aws.lambda_.answers = answers
    assert call(pipeline, "version", release=release(smoke_key="smoke/cases-1.json")) == {"cases": 1}
    served(pipeline)
    call(pipeline, "alias", release=release(smoke_key="smoke/cases-1.json"))
    assert sent == [{"url": "p"}, {"url": "p"}]
