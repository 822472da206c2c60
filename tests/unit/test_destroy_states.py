"""Destroying and the states in the bucket: those of others are left alone, and what changed meanwhile is read again."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness
from fakes.errors import Scripted, error
from fakes.lambda_ import ACCOUNT, REGION

from stepladder.commands.destroy import DestroyOptions
from stepladder.commands.destroy_all import DestroyAll
from stepladder.core.errors import RefusedError
from stepladder.destroy.environment import EnvironmentDestroyer
from stepladder.destroy.location import LocationDestroyer
from stepladder.terraform import destroying

BUCKET = f"hello-tfstate-{ACCOUNT}-{REGION}"
FULL = {"resources": [{"mode": "managed", "type": "aws_iam_role", "name": "q", "instances": [{"attributes": {}}]}]}
READ = {"resources": [{"mode": "data", "type": "aws_iam_role", "name": "q", "instances": [{"attributes": {}}]}]}


class FakeS3(Scripted):
    """One bucket of states, two keys a page. `versions` are the prefixes under which versions were listed."""

    def __init__(self, **states: object) -> None:
        super().__init__()
        self.states: dict[str, object] = states
        self.prefixes: list[tuple[str, str]] = []

    def list_objects_v2(self, *, Bucket: str, ExpectedBucketOwner: str, ContinuationToken: str = "") -> dict[str, Any]:  # noqa: N803
        assert (Bucket, ExpectedBucketOwner) == (BUCKET, ACCOUNT)
        keys = sorted(key for key in self.states if key > ContinuationToken)
        more = {"IsTruncated": True, "NextContinuationToken": keys[1]} if len(keys) > 2 else {}
        return {"Contents": [{"Key": key} for key in keys[:2]], **more}

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        if Key not in self.states:
            raise error("NoSuchKey")
        state = self.states[Key]
        return {"Body": io.BytesIO(state if isinstance(state, bytes) else json.dumps(state).encode())}

    def list_object_versions(self, *, Bucket: str, Prefix: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self.prefixes.append((Bucket.split("-")[1], Prefix))
        return {}

    def head_bucket(self, **_: Any) -> dict[str, Any]:
        return {}


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    """An environment that was released once, and the bucket of its states."""
    monkeypatch.delenv("CI", raising=False)
    harness = DeployHarness(tmp_path)
    harness.deploy()
    harness.aws.clients["s3"] = FakeS3()
    return harness


def _no_machine(**_: Any) -> Any:
    raise error("StateMachineDoesNotExist")


def hold(harness: DeployHarness, **states: object) -> None:
    harness.aws.clients["s3"].states = {key.replace("__", "/") + ".tfstate": state for key, state in states.items()}


@pytest.mark.parametrize(
    ("key", "state", "hint"),
    [
        ("qa/service.tfstate", FULL, "name it under `stepladder.environments` with account"),
        ("pr-9/service.tfstate", FULL, "`inv destroy --env pr-9`"),
        ("staging/network.tfstate", FULL, "move that state to another bucket"),
        ("zone/terraform.tfstate", b"sealed", "move that state to another bucket"),
        ("staging2/service.tfstate", FULL, "`inv destroy --env staging2`"),
    ],
)
def test_everything_is_not_destroyed_while_the_bucket_has_a_state_of_others(
    harness: DeployHarness, key: str, state: object, hint: str
) -> None:
    known = {"foundation.tfstate": FULL, "delivery.tfstate": FULL, "staging/service.tfstate": FULL, "a.txt": FULL}
    harness.aws.clients["s3"].states = {**known, "was/service.tfstate": READ, key: state}
    destroyer = LocationDestroyer(harness.rung())
    with pytest.raises(RefusedError, match=re.escape(key)) as caught:
        destroyer.check_state(["staging"])
    assert caught.value.kind == "states-of-others"
    assert hint in caught.value.hint
    del harness.aws.clients["s3"].states[key]
    destroyer.check_state = lambda _names: None  # type: ignore[method-assign, assignment]
    with pytest.raises(RefusedError, match=re.escape("staging/service.tfstate")):  # it came back since it was destroyed
        destroyer.run()


def test_the_bucket_is_compared_with_the_environments_of_its_own_place(harness: DeployHarness) -> None:
    """An environment that the settings have in another account by now is still here, with its state."""
    hold(harness, staging__service=FULL, production__service=FULL)
    whole = harness.settings
    moved = replace(whole.environment("staging"), name="production", account="999999999999")
    settings = replace(whole, environments={**whole.environments, "production": moved})
    no_machine = FakeS3()
    no_machine.list_executions = _no_machine  # type: ignore[attr-defined]
    harness.aws.clients["stepfunctions"] = no_machine
    everything = DestroyAll(settings, harness.rung().console, DestroyOptions())
    rung = replace(harness.rung(), settings=settings)
    shared = LocationDestroyer(rung)
    own = EnvironmentDestroyer(rung)
    own.check_state = own.check_tools = lambda: None  # type: ignore[method-assign]
    work = type("Work", (), {"environments": [own], "shared": shared})()
    with pytest.raises(RefusedError, match=re.escape("production/service.tfstate")):
        everything._check(work)


def test_of_an_environment_only_its_own_state_is_deleted(harness: DeployHarness) -> None:
    """Somebody's own root may have its state beside it: `staging/network.tfstate`."""
    destroying.delete_states(harness.settings, "staging", aws=harness.aws)  # type: ignore[arg-type]
    prefixes = harness.aws.clients["s3"].prefixes
    assert prefixes == [("artifacts", "plans/staging/"), ("tfstate", "staging/service.tfstate")]


def test_what_was_deployed_while_the_name_was_typed_is_destroyed_by_its_state(harness: DeployHarness) -> None:
    class Reached(BaseException):
        pass

    def terraform(*_: Any, **__: Any) -> Any:
        raise Reached

    harness.aws.clients["lambda"].put_function_concurrency = lambda **_: {}
    destroyer = EnvironmentDestroyer(harness.rung(), terraform=terraform)
    assert destroyer.state is None
    hold(harness, staging__service=FULL)
    with pytest.raises(Reached):
        destroyer.run()


@pytest.mark.parametrize("act", ["check_state", "run"])  # `--all` checks all first; each is read again under its lock
def test_a_preview_whose_state_has_what_is_a_rungs_is_destroyed_in_no_way(harness: DeployHarness, act: str) -> None:
    settings = replace(harness.settings, previews=replace(harness.settings.previews, enabled=True))
    destroyer = EnvironmentDestroyer(replace(harness.rung(), settings=settings, environment="pr-7"))
    assert destroyer.state is None
    own = {
        "mode": "managed",
        "type": "aws_sqs_queue",
        "name": "q",
        "instances": [{"attributes": {"name": "hello-staging"}}],
    }
    hold(harness, **{"pr-7__service": {"resources": [own]}})
    if act == "check_state":
        destroyer.__dict__.pop("state")
    with pytest.raises(RefusedError, match="hello-staging") as caught:
        getattr(destroyer, act)()
    assert caught.value.kind == "foreign-state"


def test_what_came_without_a_state_while_the_name_was_typed_is_refused_and_stays(harness: DeployHarness) -> None:
    hold(harness, staging__service=FULL)
    destroyer = EnvironmentDestroyer(harness.rung())
    assert destroyer.state
    hold(harness)
    with pytest.raises(RefusedError, match="Terraform's state of staging is not"):
        destroyer.run()
    assert harness.rung().ledger.snapshot("staging").destroying is None
