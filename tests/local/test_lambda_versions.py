"""Functions, versions, aliases: what AWS does, and an emulator easily gets wrong."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

pytestmark = [pytest.mark.cloud, pytest.mark.contract]

ONE = "def handler(event, context):\n    return 1\n"
TWO = "def handler(event, context):\n    return 2\n"


@pytest.mark.usefixtures("slow_updates")
def test_a_new_function_is_pending_and_then_active(functions: Any) -> None:
    name = functions.create(wait=False)
    first = functions.client.get_function_configuration(FunctionName=name)
    assert (first["State"], first["StateReasonCode"]) == ("Pending", "Creating")
    assert functions.wait(name)["State"] == "Active"


@pytest.mark.usefixtures("slow_updates")
def test_an_update_is_in_progress_for_a_moment_and_meanwhile_changes_are_refused(functions: Any, code: Any) -> None:
    name = functions.create()
    client = functions.client
    made = client.update_function_code(FunctionName=name, ZipFile=functions.zip(TWO))
    assert made["LastUpdateStatus"] == "InProgress"
    assert code(client.publish_version, FunctionName=name) == "ResourceConflictException"
    assert code(client.update_function_configuration, FunctionName=name, Timeout=9) == "ResourceConflictException"
    assert (
        code(client.update_function_code, FunctionName=name, ZipFile=functions.zip(ONE)) == "ResourceConflictException"
    )
    assert functions.wait(name)["LastUpdateStatus"] == "Successful"


def test_the_revision_id_changes_when_an_update_settles(functions: Any) -> None:
    name = functions.create()
    during = functions.client.update_function_configuration(FunctionName=name, Timeout=7)["RevisionId"]
    assert functions.wait(name)["RevisionId"] != during


def test_a_stale_revision_id_is_refused_with_412(functions: Any, code: Any) -> None:
    name = functions.create()
    stale = functions.client.get_function_configuration(FunctionName=name)["RevisionId"]
    functions.update(name, TWO)
    for call, params in (
        (functions.client.update_function_code, {"ZipFile": functions.zip(ONE)}),
        (functions.client.update_function_configuration, {"Timeout": 5}),
        (functions.client.publish_version, {}),
    ):
        assert code(call, FunctionName=name, RevisionId=stale, **params) == "PreconditionFailedException"


def test_publishing_is_guarded_by_the_code_hash(functions: Any, code: Any) -> None:
    name = functions.create()
    assert (
        code(functions.client.publish_version, FunctionName=name, CodeSha256="other")
        == "InvalidParameterValueException"
    )
    right = functions.client.get_function_configuration(FunctionName=name)["CodeSha256"]
    assert functions.client.publish_version(FunctionName=name, CodeSha256=right)["Version"] == "1"


def test_publishing_with_nothing_changed_makes_no_version(functions: Any) -> None:
    name = functions.create()
    assert functions.publish(name, Description="first") == "1"
    again = functions.client.publish_version(FunctionName=name, Description="second")
    assert (again["Version"], again["Description"]) == ("1", "first")
    functions.client.update_function_code(FunctionName=name, ZipFile=functions.zip())
    functions.wait(name)
    assert functions.publish(name) == "1"
    made = functions.client.update_function_code(FunctionName=name, ZipFile=functions.zip(), Publish=True)
    assert made["Version"] == "1"


def test_a_changed_configuration_makes_a_version(functions: Any) -> None:
    name = functions.create()
    assert functions.publish(name) == "1"
    functions.client.update_function_configuration(FunctionName=name, Environment={"Variables": {"COLOUR": "blue"}})
    functions.wait(name)
    assert functions.publish(name) == "2"


def test_a_published_version_freezes_code_and_configuration(functions: Any) -> None:
    name = functions.create(ONE, Timeout=4)
    version = functions.publish(name)
    before = functions.client.get_function(FunctionName=name, Qualifier=version)["Configuration"]
    functions.update(name, TWO)
    functions.client.update_function_configuration(FunctionName=name, Timeout=30)
    functions.wait(name)
    after = functions.client.get_function(FunctionName=name, Qualifier=version)["Configuration"]
    assert after == before
    assert functions.invoke(name, Qualifier=version)[0] == 1
    assert functions.invoke(name)[0] == 2


def test_a_dry_run_tells_the_hash_and_changes_nothing(functions: Any) -> None:
    name = functions.create(ONE)
    before = functions.client.get_function_configuration(FunctionName=name)
    tried = functions.client.update_function_code(FunctionName=name, ZipFile=functions.zip(TWO), DryRun=True)
    after = functions.client.get_function_configuration(FunctionName=name)
    assert tried["CodeSha256"] != before["CodeSha256"]
    assert (after["CodeSha256"], after["RevisionId"]) == (before["CodeSha256"], before["RevisionId"])


def test_an_alias_to_a_missing_version_is_refused(functions: Any, code: Any) -> None:
    name = functions.create()
    call = functions.client.create_alias
    assert code(call, FunctionName=name, Name="live", FunctionVersion="7") == "ResourceNotFoundException"


def test_a_version_that_an_alias_uses_cannot_be_deleted(functions: Any, code: Any) -> None:
    name = functions.create(ONE)
    first = functions.publish(name)
    functions.update(name, TWO)
    second = functions.publish(name)
    client = functions.client
    client.create_alias(FunctionName=name, Name="live", FunctionVersion=first)
    client.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {second: 0.5}})
    for version in (first, second):
        assert code(client.delete_function, FunctionName=name, Qualifier=version) == "ResourceConflictException"
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=second, RoutingConfig={})
    client.update_alias(
        FunctionName=name, Name="live", FunctionVersion=second, RoutingConfig={"AdditionalVersionWeights": {}}
    )
    client.delete_function(FunctionName=name, Qualifier=first)
    assert [v["Version"] for v in client.list_versions_by_function(FunctionName=name)["Versions"]] == [
        "$LATEST",
        second,
    ]


def test_an_alias_is_moved_under_an_optimistic_lock(functions: Any, code: Any) -> None:
    name = functions.create()
    version = functions.publish(name)
    client = functions.client
    made = client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    moved = client.update_alias(FunctionName=name, Name="live", Description="x", RevisionId=made["RevisionId"])
    assert moved["RevisionId"] != made["RevisionId"]
    refused = code(client.update_alias, FunctionName=name, Name="live", Description="y", RevisionId=made["RevisionId"])
    assert refused == "PreconditionFailedException"
    assert client.get_alias(FunctionName=name, Name="live")["Description"] == "x"


@pytest.mark.parametrize(
    ("version", "weights", "why"),
    [
        pytest.param("1", {"1": 0.1}, "the same version", id="the same version twice"),
        pytest.param("$LATEST", {"1": 0.1}, "$LATEST first", id="$LATEST as the first"),
        pytest.param("1", {"2": 0.1, "3": 0.1}, "three", id="three versions"),
        pytest.param("1", {"4": 0.1}, "other role", id="versions of different roles"),
    ],
)
def test_a_broken_rule_of_weights_is_refused(
    functions: Any, weighted: str, code: Any, version: str, weights: dict[str, float], why: str
) -> None:
    refused = code(
        functions.client.update_alias,
        FunctionName=weighted,
        Name="live",
        FunctionVersion=version,
        RoutingConfig={"AdditionalVersionWeights": weights},
    )
    assert refused == "InvalidParameterValueException", why
    alias = functions.client.get_alias(FunctionName=weighted, Name="live")
    assert (alias["FunctionVersion"], alias.get("RoutingConfig")) == ("1", None)


@pytest.fixture(scope="module")
def weighted(functions: Any) -> str:
    """A function with three versions of one role and a fourth of another; alias live at the first."""
    name = functions.create(ONE)
    functions.publish(name)
    for number in (2, 3):
        functions.update(name, f"def handler(event, context):\n    return {number}\n")
        functions.publish(name)
    functions.client.update_function_configuration(FunctionName=name, Role=functions.make_role())
    functions.wait(name)
    assert functions.publish(name) == "4"
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return name


@pytest.mark.usefixtures("slow_updates")
def test_of_two_updates_at_once_one_wins(functions: Any) -> None:
    from botocore.exceptions import ClientError

    name = functions.create()
    outcomes: list[str] = []

    def update(source: str) -> None:
        try:
            functions.cloud.client("lambda").update_function_code(FunctionName=name, ZipFile=functions.zip(source))
            outcomes.append("updated")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=update, args=(source,)) for source in (ONE, TWO)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["ResourceConflictException", "updated"]


def test_latest_cannot_be_deleted_and_a_whole_function_can(functions: Any, code: Any) -> None:
    name = functions.create()
    client = functions.client
    assert code(client.delete_function, FunctionName=name, Qualifier="$LATEST") == "InvalidParameterValueException"
    client.delete_function(FunctionName=name)
    assert code(client.get_function, FunctionName=name) == "ResourceNotFoundException"
    assert code(client.invoke, FunctionName=name) == "ResourceNotFoundException"


def test_get_function_takes_an_alias_and_says_which_version_it_is(functions: Any) -> None:
    name = functions.create()
    version = functions.publish(name)
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    config = functions.client.get_function(FunctionName=name, Qualifier="live")["Configuration"]
    assert (config["Version"], config["FunctionArn"].rsplit(":", 1)[1]) == (version, "live")
    arn = f"arn:aws:lambda:{functions.cloud.region}:{functions.cloud.account}:function:{name}:live"
    assert functions.client.get_function(FunctionName=arn)["Configuration"]["Version"] == version


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({"MemorySize": 10241}, "ValidationException", id="too much memory"),
        pytest.param({"Timeout": 901}, "ValidationException", id="too long a timeout"),
        pytest.param(
            {"Environment": {"Variables": {"AWS_REGION": "x"}}},
            "InvalidParameterValueException",
            id="reserved variable",
        ),
        pytest.param(
            {"Environment": {"Variables": {"BIG": "x" * 4097}}},
            "InvalidParameterValueException",
            id="variables over 4 KB",
        ),
        pytest.param({"Code": {"ZipFile": b"no zip"}}, "InvalidParameterValueException", id="broken zip"),
        pytest.param(
            {"Code": {"S3Bucket": "nowhere", "S3Key": "x.zip"}},
            "InvalidParameterValueException",
            id="package not in S3",
        ),
        pytest.param(
            {"Role": "arn:aws:iam::ACCOUNT:role/missing"}, "InvalidParameterValueException", id="missing role"
        ),
    ],
)
def test_bad_settings_are_refused_as_aws_refuses_them(
    functions: Any, code: Any, settings: dict[str, Any], expected: str
) -> None:
    if "Role" in settings:
        settings = {"Role": settings["Role"].replace("ACCOUNT", functions.cloud.account)}
    assert code(functions.create, **settings) == expected


def test_a_role_that_does_not_trust_lambda_is_refused(functions: Any, code: Any) -> None:
    trust = {
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}]
    }
    assert code(functions.create, Role=functions.make_role(json.dumps(trust))) == "InvalidParameterValueException"


def test_a_function_exists_once(functions: Any, code: Any) -> None:
    name = functions.create()
    assert code(functions.create, FunctionName=name) == "ResourceConflictException"


def test_a_package_from_s3_runs(functions: Any) -> None:
    s3 = functions.cloud.client("s3")
    bucket = functions.name()
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": functions.cloud.region}}
    s3.create_bucket(Bucket=bucket, **({} if functions.cloud.region == "us-east-1" else elsewhere))
    s3.put_object(Bucket=bucket, Key="f.zip", Body=functions.zip(TWO))
    name = functions.create(Code={"S3Bucket": bucket, "S3Key": "f.zip"})
    assert functions.invoke(name)[0] == 2
