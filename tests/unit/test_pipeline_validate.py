import json
import traceback
from pathlib import Path

import pytest
from fakes.pipeline import EXECUTION, FUNCTION, NEW, OLD, refusal, release, target
from fakes.pipeline_calls import configure_validate, lock, validate

from stepladder.aws_lambda.lambda_function import _state as function_state


@pytest.fixture(autouse=True)
def environment(pipeline, monkeypatch, tmp_path):
    configure_validate(pipeline, monkeypatch, tmp_path)


@pytest.fixture
def qa_elsewhere(pipeline, monkeypatch):
    """The rung below is in another place, and so is another target."""
    ladder = {
        "qa": {"function": "orders-qa", "alias": "live", "below": [], "elsewhere": True},
        "production": {"function": FUNCTION, "alias": "live", "below": ["qa"]},
    }
    monkeypatch.setenv("LADDER", json.dumps(ladder))
    monkeypatch.setenv("RELAY", "relay")
    answers = {"runs": {"digest": NEW, "whole": True}, "check": {"unchanged": True}}
    pipeline.aws.lambda_.pipeline["relay"] = lambda event: answers[event["action"]]
    return answers


def test_a_rung_below_in_another_place_is_asked_for_by_the_relay(pipeline, qa_elsewhere):
    assert validate(pipeline)["previous_version"] == "7"
    ((_, asked),) = pipeline.aws.lambda_.calls
    assert asked == {"action": "runs", "target": {"environment": "qa"}}


@pytest.mark.parametrize(
    ("answer", "match"),
    [({"digest": OLD, "whole": True}, "qa, the rung below, runs"), ({"digest": NEW, "whole": False}, "being shifted")],
)
def test_a_rung_below_in_another_place_must_run_the_digest_too(pipeline, qa_elsewhere, answer, match):
    qa_elsewhere["runs"] = answer
    with pytest.raises(pipeline.errors.RefusedError, match=match):
        validate(pipeline)
    assert not lock(pipeline)


def test_a_target_in_another_place_is_checked_there(pipeline, qa_elsewhere):
    there = target(environment="qa", function="orders-qa")
    event = {"action": "check", "release": release(), "targets": [there], "execution_arn": EXECUTION}
    assert pipeline.validate.handler(event, None) == {"unchanged": True}
    assert pipeline.aws.lambda_.calls[0][1]["target"] == there


def test_a_good_target_is_locked_with_the_version_that_a_rollback_returns_to(pipeline):
    facts = validate(pipeline)
    assert facts == {
        "configuration": pipeline.serving.configuration(pipeline.aws.lambda_.latest),
        "previous_version": "7",
        "replaces": "7",
        "unchanged": False,
        "same_image": False,
        "description": "rel=20261121T230501Z-a1b2c3 git=c0ffee img=bbbbbbbbbbbb",
    }
    assert lock(pipeline)["previous_version"] == "7"
    assert lock(pipeline)["run_id"] == EXECUTION


def test_the_lock_tells_the_version_that_the_alias_served_once_it_was_held(pipeline):
    dynamodb, lambda_ = pipeline.aws.dynamodb, pipeline.aws.lambda_
    put = dynamodb.put_item

    def somebody_is_quicker(**request):
        lambda_.aliases[FUNCTION]["FunctionVersion"] = "6"
        lambda_.digests[FUNCTION, "6"] = OLD
        put(**request)

    dynamodb.put_item = somebody_is_quicker
    assert validate(pipeline)["previous_version"] == "6"
    assert lock(pipeline)["previous_version"] == "6"


def test_asking_twice_keeps_the_lock(pipeline):
    validate(pipeline)
    validate(pipeline)
    assert lock(pipeline)["run_id"] == EXECUTION


def test_a_target_that_runs_the_digest_already_is_unchanged(pipeline):
    pipeline.aws.lambda_.digests[FUNCTION, "7"] = NEW
    assert validate(pipeline)["unchanged"] is True


def test_the_same_image_with_another_configuration_is_a_change(pipeline):
    aws = pipeline.aws.lambda_
    aws.digests[FUNCTION, "7"] = NEW
    aws.configurations[FUNCTION, "7"] = aws.latest | {"MemorySize": 128}
    aws.latest = aws.latest | {"MemorySize": 256}
    facts = validate(pipeline)
    assert (facts["unchanged"], facts["same_image"]) == (False, True)


def other_lock(aws):
    aws.dynamodb.put("env#production", "lock", run_id="other", owner="ann", since="now", command="inv deploy")
    aws.dynamodb.items["env#production", "lock"]["expires"] = {"N": str(10**10)}


def bad(aws):
    aws.dynamodb.put(f"digest#{NEW}", "bad", by="ann", why="leaks", marked_at="today")


def gone(aws):
    aws.ecr.manifests.clear()


def index(aws):
    aws.ecr.manifests[NEW] = {"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}


def odd(aws):
    aws.ecr.manifests[NEW]["mediaType"] = "application/vnd.example+json"


def findings(aws):
    aws.ecr.scan["imageScanFindings"] = {"findingSeverityCounts": {"CRITICAL": 2, "HIGH": 1, "LOW": 9}}


def scan_failed(aws):
    aws.ecr.scan = {"imageScanStatus": {"status": "FAILED", "description": "no package manager"}}


def below(aws):
    aws.lambda_.digests["orders-staging", "3"] = OLD


def below_shifting(aws):
    aws.lambda_.aliases["orders-staging"]["RoutingConfig"] = {"AdditionalVersionWeights": {"4": 0.1}}


def weighted(aws):
    aws.lambda_.route("8", 0.1)


def latest(aws):
    """Put the alias where Terraform makes it; the function is made of the image that is promoted."""
    aws.lambda_.aliases[FUNCTION]["FunctionVersion"] = "$LATEST"
    aws.lambda_.digests[FUNCTION, "$LATEST"] = NEW


def latest_by_hand(aws):
    latest(aws)
    aws.dynamodb.put("env#production", "current", version="7", digest=OLD, release_id="r-7")


def no_service(aws):
    def missing(**_):
        raise refusal("ResourceNotFoundException", 404)

    aws.lambda_.get_alias = missing


def below_never_released(aws):
    aws.lambda_.aliases["orders-staging"]["FunctionVersion"] = "$LATEST"
    aws.lambda_.digests["orders-staging", "$LATEST"] = NEW


def below_no_service(aws):
    served = aws.lambda_.get_alias

    def get_alias(FunctionName, Name):  # noqa: N803
        if FunctionName == "orders-staging":
            raise refusal("ResourceNotFoundException", 404)
        return served(FunctionName, Name)

    aws.lambda_.get_alias = get_alias


def deploying(aws):
    aws.codedeploy.add("d-1", description="by hand")


def role(aws):
    aws.lambda_.configurations[FUNCTION, "7"] = aws.lambda_.latest | {"Role": "another"}


def zipped(aws):
    aws.lambda_.latest["PackageType"] = "Zip"


def provisioned(aws):
    aws.lambda_.provisioned = 5


REFUSALS = {
    "the environment is locked": (other_lock, "locked by ann"),
    "the digest was marked bad": (bad, "marked bad by ann at today: leaks"),
    "the image is gone": (gone, "is not in orders"),
    "the digest is an index": (index, "index of several images"),
    "the manifest is no image's": (odd, "which Lambda does not run"),
    "the scan found too much": (findings, "found 2 CRITICAL, 1 HIGH; the threshold is HIGH"),
    "the scan failed": (scan_failed, "ended FAILED (no package manager)"),
    "the rung below runs something else": (below, "staging, the rung below, runs sha256:aaaa"),
    "the rung below is being shifted": (below_shifting, "is being shifted"),
    "the alias is weighted": (weighted, "is weighted, with no deployment under way"),
    "the rung below was never released": (below_never_released, "staging, the rung below, runs no release"),
    "the rung below has no service": (below_no_service, "staging, the rung below, runs no release"),
    "the rung has no service": (no_service, "production has no service yet: there is no alias live of orders-prod"),
    "the alias was put on $LATEST": (latest_by_hand, "inv rollback --env production --to r-7"),
    "a deployment is under way": (deploying, "deployment d-1 is under way"),
    "the role has changed": (role, "execution role"),
    "the function is no image function": (zipped, "is no image function"),
    "the alias has provisioned concurrency": (provisioned, "from shifting its traffic gradually: set promotion.rungs."),
}


@pytest.mark.parametrize(("arrange", "why"), REFUSALS.values(), ids=REFUSALS)
def test_it_refuses_and_gives_the_lock_back_when(pipeline, arrange, why):
    arrange(pipeline.aws)
    with pytest.raises(pipeline.errors.RefusedError) as refused:
        validate(pipeline)
    assert why in str(refused.value)
    assert lock(pipeline).get("run_id") != EXECUTION


@pytest.mark.parametrize(
    ("config", "hotfix"),
    [("CodeDeployDefault.LambdaAllAtOnce", False), ("CodeDeployDefault.LambdaCanary10Percent5Minutes", True)],
    ids=["by its settings", "as a hotfix"],
)
def test_an_alias_with_provisioned_concurrency_is_shifted_all_at_once(pipeline, config, hotfix):
    provisioned(pipeline.aws)
    told = validate(pipeline, release(hotfix=hotfix), target(deployment_config=config))
    assert told["unchanged"] is False


def test_an_alias_with_provisioned_concurrency_is_given_no_width_by_the_state_machine_either(pipeline):
    provisioned(pipeline.aws)
    config = {"deployment_config": "CodeDeployDefault.LambdaAllAtOnce"}  # of a hotfix
    with pytest.raises(pipeline.errors.RefusedError, match="has provisioned concurrency"):
        validate(pipeline, release(), target(**config, shift={"widths": [1, 100]}))
    assert validate(pipeline, release(), target(**config, shift={"widths": [100]}))["unchanged"] is False


@pytest.mark.parametrize("hotfix", [False, True])
def test_a_rung_that_was_never_released_gets_its_first_release(pipeline, hotfix):
    latest(pipeline.aws)
    facts = validate(pipeline, release(hotfix=hotfix))
    assert (facts["previous_version"], facts["replaces"]) == ("$LATEST", "")
    assert (facts["unchanged"], facts["same_image"]) == (False, False), "no release serves that image yet"
    assert lock(pipeline)["previous_version"] == "$LATEST"


@pytest.mark.parametrize("version", ["7", "99"], ids=["another image", "not there"])
def test_a_function_that_was_made_anew_gets_its_first_release_again(pipeline, version):
    latest(pipeline.aws)
    pipeline.aws.dynamodb.put("env#production", "current", version=version, digest="sha256:c", release_id="r-7")
    assert validate(pipeline)["previous_version"] == "$LATEST"


def test_an_image_for_the_other_machine_is_refused(pipeline, tmp_path):
    (tmp_path / "config.json").write_text('{"architecture": "amd64"}')
    with pytest.raises(pipeline.errors.RefusedError, match="built for amd64, the function runs arm64"):
        validate(pipeline)


def on_host_python(tmp_path):
    labels = {"dev.stepladder.base": "host-python:3.13"}
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "amd64", "config": {"Labels": labels}}))


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:4566"])
def test_an_image_on_the_machines_own_python_is_promoted_in_a_local_cloud(pipeline, tmp_path, monkeypatch, endpoint):
    on_host_python(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert validate(pipeline)["unchanged"] is False


@pytest.mark.parametrize("endpoint", ["", "https://lambda.eu-west-1.amazonaws.com", "http://127.0.0.1.example.org"])
def test_an_image_on_a_machines_own_python_is_refused_on_aws(pipeline, tmp_path, monkeypatch, endpoint):
    on_host_python(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(pipeline.errors.RefusedError, match="it can't run on AWS"):
        validate(pipeline)


@pytest.mark.parametrize("config", [{"Labels": None}, {"Labels": {"dev.stepladder.base": "python:3.13"}}, None])
def test_another_base_needs_the_functions_machine_in_a_local_cloud_too(pipeline, tmp_path, monkeypatch, config):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "amd64", "config": config}))
    with pytest.raises(pipeline.errors.RefusedError, match="built for amd64, the function runs arm64"):
        validate(pipeline)


@pytest.mark.parametrize(
    "at", [target(environment="moon"), target(function="payments-production")], ids=["environment", "function"]
)
def test_a_target_that_is_no_rung_is_refused_whatever_the_input_says(pipeline, at):
    with pytest.raises(pipeline.errors.RefusedError, match="no rung of this ladder"):
        validate(pipeline, at=at)


def test_force_lets_a_bad_digest_be_promoted(pipeline):
    bad(pipeline.aws)
    assert validate(pipeline, release(force=True))["unchanged"] is False


def record_apply(pipeline, config_hash):
    item = {"pk": {"S": "env#production"}, "sk": {"S": "infra"}, "config_hash": {"S": config_hash}}
    pipeline.aws.dynamodb.put_item(item)


def test_a_configuration_that_was_changed_by_hand_is_not_published(pipeline):
    record_apply(pipeline, pipeline.serving.configuration(pipeline.aws.lambda_.latest))
    validate(pipeline)
    pipeline.aws.lambda_.latest["MemorySize"] = 3008
    with pytest.raises(pipeline.errors.RefusedError, match=r"changed by hand.*`inv tf.apply --env production`"):
        validate(pipeline)
    assert not lock(pipeline)


def test_the_configuration_is_hashed_as_the_ledger_has_it(pipeline):
    raw = {"FunctionArn": "arn", "MemorySize": 512, "Environment": {"Variables": {"B": "é", "A": "1"}}, "Timeout": 3}
    assert pipeline.serving.configuration(raw) == function_state(raw).config_hash


def test_a_check_takes_no_lock(pipeline):
    event = {"action": "check", "release": release(), "targets": [target()], "execution_arn": EXECUTION}
    assert pipeline.validate.handler(event, None) == {"unchanged": False}
    assert lock(pipeline) == {}


def test_an_expired_lock_is_taken_over(pipeline):
    other_lock(pipeline.aws)
    pipeline.aws.dynamodb.items["env#production", "lock"]["expires"] = {"N": "1"}
    validate(pipeline)
    assert lock(pipeline)["run_id"] == EXECUTION


@pytest.mark.parametrize("failure", [refusal("TooManyRequestsException", 429), refusal("InternalFailure", 500)])
def test_throttling_and_server_errors_are_worth_another_try(pipeline, failure):
    def fail(**_):
        raise failure

    pipeline.aws.lambda_.get_alias = fail
    with pytest.raises(pipeline.errors.TransientError):
        validate(pipeline)


def test_a_refusal_says_all_in_its_message_and_carries_no_stack_into_the_executions_data(pipeline):
    other_lock(pipeline.aws)
    with pytest.raises(pipeline.errors.LockedError) as refused:
        validate(pipeline)
    frames = [Path(frame.filename).name for frame in traceback.extract_tb(refused.value.__traceback__)]
    assert frames[frames.index("pipeline_calls.py") + 1 :] == ["aws.py"]
