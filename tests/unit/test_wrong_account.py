"""Credentials of another account, where nothing of ours is: no command takes that for a project without anything."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness
from fakes.errors import DENIED, error

from stepladder.commands import history, ledger, release_check, status, unlock
from stepladder.commands.history import HistoryOptions
from stepladder.core.errors import ExitCode, RefusedError
from stepladder.images.prune import Prune, PruneOptions
from stepladder.promotion.executions import StateMachine
from stepladder.releases import retention

OTHER = "999999999999"


def dry_run(harness: DeployHarness) -> Any:
    return harness.deploy(dry_run=True)


def prune(harness: DeployHarness) -> Any:
    rung = harness.rung()
    return Prune(rung.aws, rung.names, rung.console, lambda: retention.images(rung, 2), PruneOptions()).run()


def watch(harness: DeployHarness) -> Any:
    def no_machine(**_: Any) -> Any:
        raise error("StateMachineDoesNotExist")

    harness.aws.clients["stepfunctions"] = SimpleNamespace(list_executions=no_machine)
    return StateMachine(harness.rung()).pick()


COMMANDS: dict[str, Callable[[DeployHarness], Any]] = {
    "deploy": lambda harness: harness.deploy(),
    "deploy --dry-run": dry_run,
    "image.prune": prune,
    "ledger": lambda harness: history.show([harness.rung()], HistoryOptions()),
    "ledger.rebuild": lambda harness: ledger.rebuild(harness.rung()),
    "promote.watch": watch,
    "status": lambda harness: status.show([harness.rung()], clock=time.time),
    "status --check": lambda harness: release_check.check([harness.rung()]),
    "unlock": lambda harness: unlock.show(harness.rung()),
}


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(unlock, "_state_locks", lambda _rung, _root: [])
    harness = DeployHarness(tmp_path)
    harness.sts.account = OTHER
    harness.ecr.fail("DescribeImages", DENIED)
    return harness


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_whose_the_credentials_are(harness: DeployHarness, command: str) -> None:
    with pytest.raises(
        RefusedError, match=f"these credentials reach account {OTHER}, but staging is account"
    ) as caught:
        COMMANDS[command](harness)
    assert (caught.value.exit_code, caught.value.kind) == (ExitCode.REFUSED, "wrong-account")
    assert "use credentials of" in caught.value.hint
