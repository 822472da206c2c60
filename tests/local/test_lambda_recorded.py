"""What AWS was recorded to answer, where an emulator easily differs.

Source: the snapshots of LocalStack's public test suite (localstack/localstack, tests/aws/services/lambda_/
test_lambda_api.snapshot.json, Apache-2.0), recorded on AWS on 2025-11-25 unless a test says otherwise.
"""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.cloud, pytest.mark.contract]

TWO = "def handler(event, context):\n    return 2\n"


def revision(functions: Any, name: str) -> str:
    return str(functions.client.get_function_configuration(FunctionName=name)["RevisionId"])


def test_publishing_a_new_version_gives_latest_a_new_revision_so_the_same_call_again_is_a_412(
    functions: Any, code: Any
) -> None:
    """TestLambdaRevisions::test_function_revisions_version_and_alias."""
    name = functions.create()
    before = revision(functions, name)
    made = functions.client.publish_version(FunctionName=name, RevisionId=before)
    after = revision(functions, name)
    assert len({before, after, made["RevisionId"]}) == 3
    assert code(functions.client.publish_version, FunctionName=name, RevisionId=before) == "PreconditionFailedException"
    again = functions.client.publish_version(FunctionName=name, RevisionId=after)
    assert (again["Version"], again["RevisionId"]) == (made["Version"], made["RevisionId"])


def test_publishing_what_is_published_already_changes_no_revision(functions: Any) -> None:
    """TestLambdaVersions::test_publish_version_on_create."""
    name = functions.create()
    functions.client.publish_version(FunctionName=name)
    before = revision(functions, name)
    functions.client.publish_version(FunctionName=name)
    assert revision(functions, name) == before


def test_a_version_of_a_zip_that_runs_is_active_at_once(functions: Any) -> None:
    """TestLambdaVersions::test_version_lifecycle."""
    name = functions.create()
    made = functions.client.publish_version(FunctionName=name)
    assert (made["State"], made["LastUpdateStatus"]) == ("Active", "Successful")


def test_tagging_and_untagging_give_latest_a_new_revision(functions: Any) -> None:
    """TestLambdaTags::test_tag_lifecycle."""
    name = functions.create()
    client = functions.client
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    seen = [revision(functions, name)]
    client.tag_resource(Resource=arn, Tags={"a": "b"})
    seen.append(revision(functions, name))
    client.list_tags(Resource=arn)
    assert revision(functions, name) == seen[-1]
    client.untag_resource(Resource=arn, TagKeys=["a"])
    seen.append(revision(functions, name))
    assert len(set(seen)) == 3


def test_a_list_of_versions_tells_no_status(functions: Any) -> None:
    """TestLambdaVersions::test_version_lifecycle."""
    name = functions.create()
    functions.client.publish_version(FunctionName=name)
    for version in functions.client.list_versions_by_function(FunctionName=name)["Versions"]:
        assert not {"State", "StateReason", "StateReasonCode", "LastUpdateStatus", "RuntimeVersionConfig"} & set(
            version
        )


def test_an_empty_environment_at_creation_is_kept(functions: Any) -> None:
    """TestLambdaTag::test_create_tag_on_fn_create."""
    name = functions.create(Environment={"Variables": {}})
    assert functions.client.get_function_configuration(FunctionName=name)["Environment"] == {"Variables": {}}


@pytest.mark.parametrize(
    ("weights", "expected", "words"),
    [
        ({"2": 2.0}, "ValidationException", "Value '{2=2.0}' at 'routingConfig.additionalVersionWeights' failed"),
        ({"2": -1.0}, "ValidationException", "Member must have value greater than or equal to 0.0"),
        ({"$LATEST": 0.5}, "ValidationException", "Map keys must satisfy constraint"),
        ({"1": 0.5}, "InvalidParameterValueException", "Function version 1 is already included"),
        ({"10": 0.5}, "ResourceNotFoundException", "Function not found: "),
    ],
    ids=["too high", "below zero", "latest", "the same version", "a version that is not there"],
)
@pytest.mark.parametrize("call", ["create_alias", "update_alias"])
def test_weights_are_refused_in_aws_s_words(
    functions: Any, call: str, weights: dict[str, float], expected: str, words: str
) -> None:
    """TestLambdaAlias::test_notfound_and_invalid_routingconfigs."""
    name = functions.create()
    functions.publish(name)
    functions.update(name, TWO)
    functions.publish(name)
    if call == "update_alias":
        functions.client.create_alias(FunctionName=name, Name="custom", FunctionVersion="1")
    client = functions.cloud.client("lambda", parameter_validation=False)  # botocore's own would refuse some
    with pytest.raises(client.exceptions.ClientError) as refused:
        getattr(client, call)(
            FunctionName=name, Name="custom", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": weights}
        )
    assert refused.value.response["Error"]["Code"] == expected
    assert words in refused.value.response["Error"]["Message"]


@pytest.mark.parametrize("call", ["put_function_event_invoke_config", "update_function_event_invoke_config"])
@pytest.mark.parametrize("qualifier", [None, "unknown"], ids=["no function", "no such alias"])
def test_asynchronous_settings_of_what_is_not_there(functions: Any, call: str, qualifier: str | None) -> None:
    """TestLambdaEventInvokeConfig::test_lambda_eventinvokeconfig_exceptions."""
    given = {"FunctionName": functions.create(), "Qualifier": qualifier} if qualifier else {"FunctionName": "unknown"}
    with pytest.raises(functions.client.exceptions.ResourceNotFoundException) as refused:
        getattr(functions.client, call)(**given, MaximumRetryAttempts=1)
    message = refused.value.response["Error"]["Message"]
    if qualifier and call.startswith("update"):
        assert message.endswith(":unknown doesn't have an EventInvokeConfig")
    else:
        assert message == "The function doesn't exist."
