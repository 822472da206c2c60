"""The first deployment by real Terraform: killed at every turn, continued, then changed in its settings."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from live_project import HELD, LiveProject

from localcloud import daemon

pytestmark = [pytest.mark.cloud, pytest.mark.faults, pytest.mark.terraform]

MEMORY = {"INVOKE_STEPLADDER_FUNCTION_MEMORY_MB": "512"}


@pytest.fixture
def project(cloud: Any, tmp_path: Path) -> LiveProject:
    """A scaffolded project that nothing was made of yet."""
    name = f"p{uuid4().hex[:8]}"
    made = LiveProject(cloud, tmp_path / name)
    made.name, made.function = name, f"{name}-staging"
    del made.env["STEPLADDER_TERRAFORM"]
    argv = [sys.executable, "-m", "invoke", "new", "--no-input", f"--project-name={name}", f"--project-slug={name}"]
    argv += [f"--aws-account={daemon.ACCOUNT}", f"--aws-region={daemon.REGION}", "--trigger=url"]
    root = Path(__file__).resolve().parents[2]
    subprocess.run([*argv, f"--output={tmp_path}"], cwd=root, check=True, timeout=120, capture_output=True)
    return made


def kill_at(project: LiveProject, service: str, action: str, body: str = "") -> None:
    """Start a deploy and kill it, not its Terraform, while a call of either is under way, which has `body` in it."""
    call = {"service": service, "action": action, "body": body}
    project.cloud.faults({"kind": "delay_before", "seconds": HELD, **call})
    child = project.start("deploy", "--env", "staging")
    project.wait(lambda: project.cloud.hits() == 1 or child.poll() is not None, seconds=180)
    assert child.poll() is None, child.communicate()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    project.cloud.faults()


def finish(project: LiveProject, *args: str, env: dict[str, str] | None = None) -> str:
    """Deploy to its end; return what it said."""
    child = project.start("deploy", "--env", "staging", *args, env=env)
    try:
        _, err = child.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise
    assert child.returncode == 0, err
    return err


TURNS = (
    "dynamodb:CreateTable",
    "s3:HeadObject:service.tfstate",  # the service is planned while the foundation is applied
    "ecr:GetAuthorizationToken",
    "lambda:CreateFunction",
    "dynamodb:TransactWriteItems",  # the service is applied, but not recorded
    "lambda:PublishVersion",
    "lambda:UpdateAlias",
)
LEFT = ("lambda:CreateFunction", "lambda:UpdateAlias")
"""What takes effect nevertheless: Terraform still has it under way, or the call was sent."""


@pytest.mark.parametrize(
    "turns",
    [
        pytest.param((TURNS[1], TURNS[3], TURNS[-1]), id="two Terraforms, the function's creation, its release"),
        pytest.param(TURNS, id="every turn", marks=pytest.mark.long("three turns of the seven")),
    ],
)
def test_a_first_deployment_killed_at_turns_converges_and_configuration_is_released(
    project: LiveProject, turns: tuple[str, ...]
) -> None:
    for turn in turns:
        kill_at(project, *turn.split(":"))
        time.sleep(2 if turn in LEFT else 0)
    said = finish(project)
    assert "staging: version 1 is live" in said
    assert project.version == "1"
    assert [r["result"] for r in project.releases] == ["succeeded"]
    assert not project.items("lock")

    project.cloud.reset_calls()
    said = finish(project)
    assert "nothing to do, version 1 is live" in said
    assert sorted(project.cloud.calls()) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]

    digest = project.releases[-1]["digest"]
    said = finish(project, env=MEMORY)
    assert "staging: version 1 -> 2 (same image)" in said
    assert project.releases[-1]["digest"] == digest
    version = project.lambda_.get_function_configuration(FunctionName=project.function, Qualifier="2")
    assert version["MemorySize"] == 512
    assert "nothing to do" in finish(project, env=MEMORY)

    back = project.inv("rollback", "--env", "staging", "--json", env=MEMORY)
    assert back.code == 0, back.err
    assert json.loads(back.out)["differences"] == ["MemorySize: 512 -> 256"]
    assert project.version == "1"


@pytest.mark.long("the same by a Terraform that plays a script")
def test_a_foundation_that_fails_ends_the_terraform_beside_it_and_the_next_run_converges(project: LiveProject) -> None:
    denied = {"kind": "access_denied", "service": "dynamodb", "action": "CreateTable", "count": 0}
    slow = {"kind": "delay_before", "service": "s3", "action": "HeadObject", "body": "service.tfstate", "seconds": 20}
    project.cloud.faults(denied, slow)
    child = project.start("deploy", "--env", "staging")
    _, err = child.communicate(timeout=180)
    assert child.returncode == 1, err
    assert "AccessDenied" in err
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(project.root) not in running
    project.cloud.faults()
    assert "staging: version 1 is live" in finish(project)
