"""`inv tf.plan` as the task prints it: also before anything was deployed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness
from fakes.terraform import project

from stepladder import terraform
from stepladder.commands import infra
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, LockedError
from stepladder.releases.adapters import ProjectInfra
from stepladder.releases.rung import Rung
from stepladder.terraform.actions import ApplyOutcome
from stepladder.terraform.allowed import REVIEWED
from stepladder.terraform.events import Counts
from stepladder.terraform.planning import NoStateError
from stepladder.terraform.reviewing import Review

EARLY = NoStateError("staging/service has no state yet", hint="begin with inv deploy --env staging")


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    def plan(*_: Any, **__: Any) -> Any:
        raise EARLY

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(terraform, "plan", plan)
    return DeployHarness(tmp_path)


def plan(harness: DeployHarness, *, as_json: bool = False) -> None:
    console = Console(err=harness.err, out=harness.out, live=False, as_json=as_json)
    infra.plan(Rung(harness.settings, "staging", harness.aws, console, "inv tf.plan"), "service")  # type: ignore[arg-type]


def test_a_plan_before_the_first_deployment_says_so_and_is_no_failure(harness: DeployHarness) -> None:
    plan(harness)
    assert "nothing is deployed yet" in harness.printed
    assert f"warning: {EARLY.message}" in harness.printed
    assert EARLY.hint in harness.printed


def test_json_says_that_nothing_is_deployed_yet(harness: DeployHarness) -> None:
    plan(harness, as_json=True)
    assert json.loads(harness.out.getvalue()) == {"deployed": False, "why": EARLY.message}


def test_a_ledger_whose_states_bucket_is_gone_is_refused(harness: DeployHarness) -> None:
    harness.deploy()
    with pytest.raises(NoStateError):
        plan(harness)


def test_outputs_are_whole_on_a_narrow_terminal(harness: DeployHarness) -> None:
    arn = f"arn:aws:lambda:eu-west-1:123456789012:function:{'orders-' * 12}staging"
    infra.outputs(Console(err=harness.err, out=harness.out, width=40), {"arn": arn, "names": ["a", "b"], "count": 2})
    assert harness.out.getvalue().splitlines()[1:] == [f"arn     {arn}", "count   2", 'names   ["a", "b"]']


class Terraform:
    """What `inv tf.apply` has Terraform do: the call, its options, and the names that are checked before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.checked: list[tuple[str, ...]] = []
        outcome = ApplyOutcome("service", True, Counts(add=1), (), {}, "plan1", "hash", 1.0)

        def called(name: str) -> Any:
            def call(*_: Any, **options: Any) -> ApplyOutcome:
                self.calls.append((name, options))
                return outcome

            return call

        for name in ("apply", "ensure"):
            monkeypatch.setattr(terraform, name, called(name))
        monkeypatch.setattr(
            ProjectInfra, "check_allowed", lambda own, _roots, _step: self.checked.append(own.allow_destroy)
        )


def apply(harness: DeployHarness, plan: str = "", **options: Any) -> None:
    infra.apply(harness.rung(), "service", plan, **options)


def test_reviewed_plans_anew_and_a_plan_file_or_nothing_applies_what_was_saved(
    harness: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.deploy()
    done = Terraform(monkeypatch)
    apply(harness)
    apply(harness, "reviewed", allow_destroy=("aws_x.y",))
    (_, plain), (name, reviewed) = done.calls
    assert (name, reviewed["review"], reviewed["allow_destroy"]) == ("ensure", Review(REVIEWED), ("aws_x.y",))
    assert "review" not in plain
    assert done.checked == [("aws_x.y",)]
    assert harness.items("lock") == []


def test_a_plan_file_that_is_missing_applies_nothing(harness: DeployHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.deploy()
    project(harness.root)
    done = Terraform(monkeypatch)
    with pytest.raises(BadInputError, match="there is no plan file new"):
        apply(harness, "new")
    assert done.calls == []
    assert harness.items("lock") == [], "the lock is given back"


def test_an_apply_waits_for_nobody_s_lock_and_says_who_holds_it(
    harness: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.deploy()
    done = Terraform(monkeypatch)
    with harness.rung().locked(None), pytest.raises(LockedError, match=r"is held by .* for: inv deploy --env staging"):
        apply(harness, "reviewed")
    assert done.calls == []
