"""Who stopped a promotion, and why, is noted where its end is told from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from fakes.dynamodb import FakeDynamoDB
from fakes.errors import DENIED, error

from stepladder.ledger.table import Ledger
from stepladder.promotion import stop as control

HOOK = ("deployment#d-1", "hook")
TARGET = {"environment": "production", "application": "orders-production", "deployment_group": "live"}


class CodeDeploy:
    failure: Exception | None = None
    before: Any = None

    def list_deployments(self, **_: Any) -> dict[str, Any]:
        return {"deployments": ["d-1"]}

    def get_deployment(self, **_: Any) -> dict[str, Any]:
        return {"deploymentInfo": {"description": "rel=r1 smoke=x"}}

    def stop_deployment(self, **_: Any) -> None:
        if self.before:
            self.before()
        if self.failure:
            raise self.failure


@pytest.fixture
def table() -> FakeDynamoDB:
    return FakeDynamoDB("t")


def stop(table: FakeDynamoDB, codedeploy: CodeDeploy) -> bool:
    aws = SimpleNamespace(client=lambda _service: codedeploy)
    machine: Any = SimpleNamespace(at=lambda _environment: SimpleNamespace(aws=aws, ledger=Ledger(table, "t")))
    execution: Any = SimpleNamespace(input={"release_id": "r1"}, targets=[TARGET])
    return control._stop_deployments(machine, execution, "stopped by jo@laptop: lunch")


def noted(table: FakeDynamoDB) -> str:
    return str(table.tables["t"].get(HOOK, {}).get("why", {}).get("S", ""))


def test_it_is_noted_before_the_deployment_is_stopped(table: FakeDynamoDB) -> None:
    codedeploy, seen = CodeDeploy(), []
    codedeploy.before = lambda: seen.append(noted(table))
    assert stop(table, codedeploy)
    assert seen == [noted(table)] == ["stopped by jo@laptop: lunch"]


def test_a_deployment_that_had_ended_keeps_its_own_reason(table: FakeDynamoDB) -> None:
    codedeploy = CodeDeploy()
    codedeploy.failure = error("DeploymentAlreadyCompletedException")
    assert not stop(table, codedeploy)
    assert noted(table) == ""


@pytest.mark.parametrize("failure", [None, error("DeploymentAlreadyCompletedException")])
def test_what_a_check_said_before_stays(table: FakeDynamoDB, failure: Exception | None) -> None:
    keys = {"pk": {"S": HOOK[0]}, "sk": {"S": HOOK[1]}}
    table.tables["t"][HOOK] = {**keys, "why": {"S": "says hello: status 500"}, "error": {"S": "SmokeFailedError"}}
    codedeploy = CodeDeploy()
    codedeploy.failure = failure
    assert stop(table, codedeploy) is (failure is None)
    assert noted(table) == "says hello: status 500"


def test_who_may_not_write_it_down_may_stop_it_all_the_same(table: FakeDynamoDB) -> None:
    table.fail("PutItem", DENIED)
    assert stop(table, CodeDeploy())
