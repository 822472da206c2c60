"""`inv tf.plan` as the task prints it: also before anything was deployed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness

from stepladder import terraform
from stepladder.commands import infra
from stepladder.core.console import Console
from stepladder.releases.rung import Rung
from stepladder.terraform.planning import NoStateError

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
