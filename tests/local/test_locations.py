"""Accounts and regions of the local cloud: apart, and reached as on AWS."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import botocore.session
import pytest
import roles
from botocore.exceptions import ClientError
from functions import TRUST, Functions

from stepladder import images
from stepladder.core.aws import Aws
from stepladder.core.console import Console
from stepladder.core.errors import NotReadyError, RefusedError
from stepladder.core.names import Names
from stepladder.images.registry import ecr, referrers
from stepladder.ledger.schema import Bad
from stepladder.releases import marks
from stepladder.releases.rung import Rung, clients
from stepladder.settings.load import load

pytestmark = [pytest.mark.cloud, pytest.mark.usefixtures("cloud_env")]

HOME = ("123456789012", "us-east-1")
OTHER = "222222222222"
PLACES = [HOME, ("123456789012", "eu-central-1"), (OTHER, "us-east-1"), (OTHER, "eu-central-1")]
ROLE = f"arn:aws:iam::{OTHER}:role/deployer"
OK_MACHINE = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})


@pytest.fixture(autouse=True)
def deployer(cloud: Any) -> None:
    roles.make_deployer(cloud.client("iam", OTHER), HOME[0])


def code(caught: Any) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_an_assumed_role_acts_in_its_own_account() -> None:
    home, away = Aws("us-east-1"), Aws("eu-central-1", ROLE)
    assert (home.account(), away.account()) == ("123456789012", OTHER)
    assert away.client("ecr").meta.region_name == "eu-central-1"


def test_another_program_can_be_given_an_assumed_role() -> None:
    assert Aws("us-east-1").variables() == {}
    given = Aws("us-east-1", ROLE).variables()
    assert given.pop("AWS_PROFILE", "") is None
    assert set(given) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    sts = botocore.session.Session().create_client(
        "sts", region_name="us-east-1", **{name.lower(): value for name, value in given.items()}
    )
    assert sts.get_caller_identity()["Account"] == OTHER


def test_the_same_name_is_another_thing_in_each_place(cloud: Any) -> None:
    name = f"same-{uuid4().hex[:8]}"
    for number, place in enumerate(PLACES):
        table = {
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        }
        cloud.client("dynamodb", *place).create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **table)
        item = {"pk": {"S": str(number)}}
        cloud.client("dynamodb", *place).put_item(TableName=name, Item=item)
        cloud.client("codedeploy", *place).create_application(applicationName=name, computePlatform="Lambda")
        cloud.client("ecr", *place).create_repository(repositoryName=name)
        states = cloud.client("stepfunctions", *place)
        machine = states.create_state_machine(
            name=name, definition=OK_MACHINE, roleArn=f"arn:aws:iam::{place[0]}:role/r"
        )["stateMachineArn"]
        started = states.start_execution(stateMachineArn=machine, name="one")["executionArn"]
        assert started.split(":")[3:5] == [place[1], place[0]]
        assert cloud.client("dynamodb", *place).scan(TableName=name)["Items"] == [item]


@pytest.fixture
def abroad(functions: Functions, cloud: Any) -> Iterator[tuple[Any, str]]:
    """A function in another account and region, and its ARN."""
    client, name = cloud.client("lambda", OTHER, "eu-central-1"), f"fn-{uuid4().hex[:10]}"
    role = cloud.client("iam", OTHER).create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    made = client.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role=role["Role"]["Arn"],
        Code={"ZipFile": functions.zip()},
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    yield client, made["FunctionArn"]
    client.delete_function(FunctionName=name)


def test_a_function_of_another_account_lets_in_whom_its_policy_names(cloud: Any, abroad: tuple[Any, str]) -> None:
    client, arn = abroad
    name = f"relay-{uuid4().hex[:8]}"
    roles.make_deployer(cloud.client("iam"), HOME[0], name)
    relay = f"arn:aws:iam::{HOME[0]}:role/{name}"
    here = Aws("eu-central-1", relay).client("lambda")
    with pytest.raises(ClientError) as caught:
        here.invoke(FunctionName=arn, Payload=b"{}")
    assert code(caught) == "AccessDeniedException"
    client.add_permission(
        FunctionName=arn,
        StatementId="home",
        Action="lambda:InvokeFunction",
        Principal=relay,
    )
    answer = here.invoke(FunctionName=arn, Payload=b"{}")
    assert json.loads(answer["Payload"].read())["hello"] == {}
    with pytest.raises(ClientError) as caught:
        cloud.client("lambda", "333333333333", "eu-central-1").invoke(FunctionName=arn, Payload=b"{}")
    assert code(caught) == "AccessDeniedException"


def test_a_function_of_another_region_is_not_reached_from_here(cloud: Any, abroad: tuple[Any, str]) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.client("lambda", OTHER, "us-east-1").invoke(FunctionName=abroad[1], Payload=b"{}")
    assert code(caught) == "ResourceNotFoundException"
    assert "not reachable in this region" in str(caught.value)


class TestCopy:
    """An image from one place's repository to another's."""

    @pytest.fixture
    def source(self, functions: Functions) -> tuple[Aws, Names]:
        return Aws("us-east-1"), Names(functions.repository(), "staging", *HOME)

    @pytest.fixture
    def target(self, source: tuple[Aws, Names]) -> tuple[Aws, Names]:
        aws = Aws("eu-central-1", ROLE)
        return aws, Names(source[1].repository, "production", OTHER, "eu-central-1")

    def test_has_the_same_digest_and_sends_only_what_is_missing(
        self, functions: Functions, cloud: Any, source: Any, target: Any, tmp_path: Path
    ) -> None:
        target[0].client("ecr").create_repository(repositoryName=target[1].repository)
        digests = [
            functions.image(source[1].repository, {"var/task/app.py": text}).rpartition("@")[2] for text in ("a", "b")
        ]
        assert images.copy(source, target, digests[0], tmp_path) is True
        assert images.copy(source, target, digests[0], tmp_path) is False
        cloud.reset_calls()
        assert images.copy(source, target, digests[1], tmp_path) is True
        found = (
            target[0]
            .client("ecr")
            .batch_get_image(
                repositoryName=target[1].repository, imageIds=[{"imageDigest": digest} for digest in digests]
            )
        )
        assert {image["imageId"]["imageDigest"] for image in found["images"]} == set(digests)
        assert not list(tmp_path.iterdir()), "nothing is left on this machine"

    def test_takes_what_refers_to_the_image_along_and_what_came_later_when_asked_to(
        self, functions: Functions, source: Any, target: Any, tmp_path: Path
    ) -> None:
        target[0].client("ecr").create_repository(repositoryName=target[1].repository)
        digest = functions.image(source[1].repository, {"var/task/app.py": "c"}).rpartition("@")[2]
        here, there = ecr.connect(*source), ecr.connect(*target)
        subject = referrers.ReferrerSubject.of(*(here.registry.manifest(here.name, digest) or ("", b"")))
        referrers.attach(here.registry, here.name, subject, referrers.Artifact("application/x-first", b"1"))
        assert images.copy(source, target, digest, tmp_path) is True
        referrers.attach(here.registry, here.name, subject, referrers.Artifact("application/x-second", b"2"))

        def types() -> list[str]:
            return sorted(each.artifact_type for each in referrers.listed(there.registry, there.name, digest))

        assert images.copy(source, target, digest, tmp_path) is False
        assert types() == ["application/x-first"]
        assert images.copy(source, target, digest, tmp_path, referrers_too=True) is True
        assert types() == ["application/x-first", "application/x-second"]

    def test_refuses_what_the_source_has_not_got(self, source: Any, target: Any, tmp_path: Path) -> None:
        target[0].client("ecr").create_repository(repositoryName=target[1].repository)
        with pytest.raises(RefusedError, match="is not in the repository"):
            images.copy(source, target, "sha256:" + "0" * 64, tmp_path)

    def test_says_where_a_repository_is_missing(self, source: Any, target: Any, tmp_path: Path) -> None:
        with pytest.raises(NotReadyError, match=r"no ECR repository .* in 222222222222, eu-central-1"):
            images.copy(source, target, "sha256:" + "0" * 64, tmp_path)


def test_a_bad_mark_is_taken_away_in_the_ledger_of_every_account(tmp_path: Path) -> None:
    at = {"account": OTHER, "region": "eu-central-1", "role_arn": ROLE}
    environments = {"staging": dict(zip(("account", "region"), HOME, strict=True)), "production": at}
    settings = load({"project": f"p{uuid4().hex[:8]}", "environments": environments}, tmp_path)
    err = io.StringIO()
    rungs = [
        Rung(settings, name, clients(settings, name), Console(err=err, live=False), "inv ledger.unmark")
        for name in settings.ladder_environments
    ]
    digest = "sha256:" + "ab" * 32
    for rung in rungs:
        rung.ledger.client.create_table(
            TableName=rung.names.ledger_table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        rung.ledger.mark_bad(digest, Bad("2026-11-25T00:00:00Z", "climb", "it broke"))
    told = marks.unmark(rungs[0], marks.ImageQuery("abababababab"), "it was the database")
    assert [place["account"] for place in told["unmarked"]] == [HOME[0], OTHER]
    assert [rung.ledger.is_bad(digest) for rung in rungs] == [None, None]
    kept = [rung.ledger.client.scan(TableName=rung.names.ledger_table)["Items"] for rung in rungs]
    assert [(len(items), items[0]["why"]["S"]) for items in kept] == [(1, "it was the database")] * 2
    assert marks.unmark(rungs[1], marks.ImageQuery(digest))["unmarked"] == []
