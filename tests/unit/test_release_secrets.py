"""A release whose secret has no value is refused by its name, before anything is applied."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness, digest
from fakes.executions import StepFunctions
from fakes.lambda_ import ACCOUNT, REGION
from fakes.secret_stores import Manager, Parameters

from stepladder.commands import release_existing, secrets
from stepladder.commands.promote import promote, promote_dry
from stepladder.core.console import Console
from stepladder.core.errors import RefusedError
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.subject import PromotionOptions
from stepladder.secrets import value as values

SECRETS = {"secrets": {"API_KEY": "ssm", "FILE_KEY": "secretsmanager"}}
LOOKUPS = ["DescribeParameters", "DescribeSecret"]


def with_stores(harness: DeployHarness) -> DeployHarness:
    harness.aws.clients |= {"ssm": Parameters(), "secretsmanager": Manager()}
    return harness


def give(harness: DeployHarness, environment: str) -> None:
    """Give both secrets of an environment a value."""
    harness.aws.clients["ssm"].values[f"/hello/{environment}/API_KEY"] = [{"Type": "SecureString"}]
    version = {"ClientRequestToken": "v1"}
    harness.aws.clients["secretsmanager"].secrets[f"hello/{environment}/FILE_KEY"] = {"versions": [version], "told": {}}


def lookups(harness: DeployHarness) -> list[str]:
    return [*harness.aws.clients["ssm"].calls, *harness.aws.clients["secretsmanager"].calls]


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    monkeypatch.delenv("CI", raising=False)
    return with_stores(DeployHarness(tmp_path, environment={"function": SECRETS}))


def test_the_first_deploy_is_refused_with_each_name_before_terraform(harness: DeployHarness) -> None:
    with pytest.raises(RefusedError, match=r"staging has no value for API_KEY .*FILE_KEY") as refused:
        harness.deploy()
    assert "`inv secrets.set API_KEY --env staging`" in refused.value.hint
    assert (harness.applied, harness.pushed) == ([], [])


def test_a_secret_without_a_version_has_no_value(harness: DeployHarness) -> None:
    give(harness, "staging")
    harness.aws.clients["secretsmanager"].secrets["hello/staging/FILE_KEY"]["versions"] = []
    with pytest.raises(RefusedError, match=r"no value for FILE_KEY \(secretsmanager:hello/staging/FILE_KEY\)$"):
        harness.deploy()


def test_with_their_values_it_goes_through_and_an_unchanged_one_makes_no_more_calls(harness: DeployHarness) -> None:
    give(harness, "staging")
    harness.deploy()
    assert lookups(harness) == LOOKUPS
    harness.deploy()
    assert lookups(harness) == []
    assert len(harness.aws.calls) == 2, "nothing changed"


def test_a_dry_run_shows_every_step_and_the_refusal(harness: DeployHarness) -> None:
    with pytest.raises(RefusedError, match="would be refused: staging has no value for API_KEY"):
        harness.deploy(dry_run=True)
    assert "would publish" in harness.printed
    assert harness.applied == []


def test_an_image_that_was_pushed_before_is_not_released_without_them_either(harness: DeployHarness) -> None:
    give(harness, "staging")
    harness.deploy()
    harness.aws.clients["ssm"].values.clear()
    with pytest.raises(RefusedError, match="staging has no value for API_KEY"):
        release_existing.release(harness.rung(), digest=digest("one"), force=True, no_smoke=True)


class Promotion:
    """staging serves an image, production an older one; both need two secrets."""

    def __init__(self, root: Path) -> None:
        place = {"account": ACCOUNT, "region": REGION}
        shared: dict[str, Any] = {
            "rungs": ["staging", "production"],
            "environments": {"staging": place, "production": place},
            "function": SECRETS,
        }
        self.staging = with_stores(DeployHarness(root, **shared))
        self.production = with_stores(DeployHarness(root, name="production", below=self.staging, **shared))
        self.production.aws.clients = self.staging.aws.clients
        for name in ("staging", "production"):
            give(self.staging, name)
        self.staging.deploy()
        self.production.deploy()
        self.staging.source = "two"
        self.staging.deploy()
        self.err = io.StringIO()
        console = Console(err=self.err, live=False)
        self.machine = StateMachine(replace(self.staging.rung(), environment="production", console=console))
        for client in self.staging.aws.clients.values():
            client.calls.clear()
        self.states = StepFunctions()
        self.staging.aws.clients = {**self.staging.aws.clients, "stepfunctions": self.states}

    @property
    def writes(self) -> list[str]:
        verbs = ("Put", "Update", "Delete", "Create", "Start", "Publish")
        clients = [client for client in self.staging.aws.clients.values() if client is not self.states]
        return [call for client in clients for call in client.calls if call.startswith(verbs)]


@pytest.fixture
def promotion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Promotion:
    monkeypatch.delenv("CI", raising=False)
    return Promotion(tmp_path)


@pytest.mark.parametrize("command", [promote, promote_dry])
@pytest.mark.parametrize("name", ["staging", "production"])
def test_a_promotion_is_refused_for_any_rung_that_lacks_one_before_it_applies_or_starts(
    promotion: Promotion, name: str, command: Any
) -> None:
    del promotion.staging.aws.clients["ssm"].values[f"/hello/{name}/API_KEY"]
    with pytest.raises(RefusedError, match=f"{name} has no value for API_KEY") as refused:
        command(promotion.machine, PromotionOptions(no_smoke=True))
    assert refused.value.message.startswith("would be refused") == (command is promote_dry)
    assert f"`inv secrets.set API_KEY --env {name}`" in refused.value.hint
    assert promotion.states.started == []
    assert promotion.writes == []


def test_a_rotation_beside_a_release_says_what_that_means_for_it(
    harness: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(harness, "staging")
    harness.deploy()
    other = harness.rung()
    with other.locked(None):
        monkeypatch.setattr(values, "read", lambda *_: values.SecretValue(b"rotated"))
        secrets.set_value(harness.rung(), "API_KEY", rotate=True)
    assert "a release is under way on staging (" in harness.printed
    assert ": inv deploy --env staging)" in harness.printed
    assert "a rollback doesn't bring the old one back" in harness.printed
    harness.err.truncate(0)
    secrets.set_value(harness.rung(), "API_KEY", rotate=True)
    assert "a release is under way" not in harness.printed
