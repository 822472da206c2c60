from types import SimpleNamespace

import pytest
from fakes.pipeline import FUNCTION, OLD, refusal, target

CONFIGURED = {"MemorySize": 256, "Environment": {"Variables": {"STAGE": "production"}}}


@pytest.fixture(autouse=True)
def quick(pipeline, monkeypatch):
    monkeypatch.setattr(pipeline.waiters, "_SECONDS", 0.1)
    monkeypatch.setattr(pipeline.waiters, "_FIRST_PAUSE", 0.001)


def call(pipeline, action, **more):
    if action == "updated":
        more["configuration"] = pipeline.serving.configuration(CONFIGURED)
    return pipeline.validate.handler({"action": action, "target": target(), **more}, None)


def update(status, **more):
    return {"LastUpdateStatus": status, "CodeSha256": "s", "RevisionId": "r9", **CONFIGURED, **more}


def test_an_update_is_waited_for_and_its_last_revision_told(pipeline):
    pipeline.aws.lambda_.states = [update("InProgress", RevisionId="r8"), update("Successful")]
    assert call(pipeline, "updated", sha256="s") == {"revision": "r9"}


@pytest.fixture
def given(pipeline):
    """What the function is given after an update that failed; `refuse` is how Lambda refuses that."""
    pipeline.aws.lambda_.states = [update("Failed", LastUpdateStatusReason="The image manifest is not supported")]
    made = []
    made_refuse = {}

    def update_function_code(**request):
        if made_refuse:
            raise made_refuse["error"]
        made.append(request)
        return {}

    pipeline.aws.lambda_.update_function_code = update_function_code
    return SimpleNamespace(made=made, refuse=lambda error: made_refuse.update(error=error))


FAILED = "could not take the image: The image manifest is not supported; "


def test_a_failed_update_is_refused_with_lambda_s_reason_and_latest_gets_the_image_that_serves(pipeline, given):
    with pytest.raises(pipeline.errors.RefusedError, match=f"{FAILED}.LATEST has the image of version 7 again"):
        call(pipeline, "updated", sha256="s")
    image = {"ImageUri": f"r/o@{OLD}", "RevisionId": "r9", "Publish": False}
    assert given.made == [{"FunctionName": FUNCTION, **image}]


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceConflictException", "PreconditionFailedException"])
def test_a_latest_that_can_t_be_restored_hides_no_reason(pipeline, given, code):
    given.refuse(refusal(code))
    with pytest.raises(pipeline.errors.RefusedError, match=rf"{FAILED}.LATEST could not be restored \({code}\)"):
        call(pipeline, "updated", sha256="s")


def test_before_the_first_release_there_is_no_image_to_give_back(pipeline, given):
    pipeline.aws.lambda_.aliases[FUNCTION]["FunctionVersion"] = "$LATEST"
    with pytest.raises(pipeline.errors.RefusedError, match=f"{FAILED}no version was released before"):
        call(pipeline, "updated", sha256="s")
    assert given.made == []


def test_other_code_than_ours_is_refused(pipeline):
    pipeline.aws.lambda_.states = [update("Successful", CodeSha256="other")]
    with pytest.raises(pipeline.errors.RefusedError, match="somebody else gave"):
        call(pipeline, "updated", sha256="s")


@pytest.mark.parametrize("edit", [{"MemorySize": 10240}, {"Environment": {"Variables": {}}}, {"Timeout": 9}], ids=str)
def test_a_configuration_edited_since_validate_looked_is_refused(pipeline, edit):
    pipeline.aws.lambda_.states = [update("Successful", **edit)]
    with pytest.raises(pipeline.errors.RefusedError, match="somebody changed the configuration"):
        call(pipeline, "updated", sha256="s")


def test_what_lambda_adds_to_an_answer_is_no_edit(pipeline):
    pipeline.aws.lambda_.states = [update("Successful", LastModified="now", VpcConfig={}, KMSKeyArn="")]
    assert call(pipeline, "updated", sha256="s") == {"revision": "r9"}


def test_an_update_that_takes_long_is_asked_for_again(pipeline):
    pipeline.aws.lambda_.latest = update("InProgress")
    with pytest.raises(pipeline.errors.StillWaitingError):
        call(pipeline, "updated", sha256="s")


def test_a_version_is_waited_for(pipeline):
    pipeline.aws.lambda_.states = [{"State": "Pending"}, {"State": "Active"}]
    assert call(pipeline, "active", version="8") == {"state": "Active"}


def test_a_version_that_fails_is_refused_with_lambda_s_reason(pipeline):
    pipeline.aws.lambda_.states = [{"State": "Failed", "StateReason": "ImageDeleted"}]
    with pytest.raises(pipeline.errors.RefusedError, match="ImageDeleted"):
        call(pipeline, "active", version="8")


def test_a_version_that_takes_long_is_asked_for_again(pipeline):
    pipeline.aws.lambda_.latest = {"State": "Pending"}
    with pytest.raises(pipeline.errors.StillWaitingError):
        call(pipeline, "active", version="8")


def test_a_deployment_is_stayed_with_and_then_left(pipeline):
    pipeline.aws.codedeploy.add("d-1")
    assert call(pipeline, "deployed", deployment_id="d-1", version="8", previous_version="7") == {
        "status": "InProgress"
    }
    pipeline.aws.codedeploy.deployments["d-1"]["status"] = "Succeeded"
    assert call(pipeline, "deployed", deployment_id="d-1", version="8", previous_version="7") == {"status": "Succeeded"}


def test_a_deployment_that_weighs_the_alias_is_probed_from_then_on(pipeline, monkeypatch):
    monkeypatch.setattr(pipeline.waiters, "_SECONDS", 60)
    pipeline.aws.codedeploy.add("d-1")
    pipeline.aws.lambda_.route("8", 0.1)
    assert call(pipeline, "deployed", deployment_id="d-1", version="8", previous_version="7") == {
        "status": "InProgress"
    }
