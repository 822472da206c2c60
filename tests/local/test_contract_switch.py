"""The contract tests can be pointed elsewhere; a second local cloud, with another account and region, is elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract_cloud import ContractCloud

from localcloud import daemon

pytestmark = pytest.mark.cloud

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT, REGION = "210987654321", "eu-west-1"
FILES = ("test_ecr_actions", "test_ecr_registry", "test_lambda_settings", "test_stepfunctions_executions")


@pytest.fixture(scope="module")
def second(cloud_of: Any) -> Iterator[Any]:
    with daemon.running(environ={"STEPLADDER_LAUNCHER": "process"}) as info:
        yield cloud_of(info)


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env={**plain, **env},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_they_pass_in_another_account_of_another_endpoint_and_leave_nothing_there(second: Any) -> None:
    second.reset_calls()
    files = [f"tests/local/{name}.py" for name in FILES]
    done = run(*files, f"--endpoint={second.url}", f"--account={ACCOUNT}", f"--region={REGION}")
    assert done.returncode == 0, done.stdout
    passed, deselected = (int(re.findall(rf"(\d+) {word}", done.stdout)[-1]) for word in ("passed", "deselected"))
    assert passed >= 6, done.stdout
    assert deselected >= 20, done.stdout
    assert {"lambda:CreateFunction", "ecr:PutImage", "stepfunctions:StartExecution"} <= set(second.calls())

    def there(service: str) -> Any:
        return second.client(service, account=ACCOUNT, region=REGION)

    assert there("lambda").list_functions()["Functions"] == []
    assert there("ecr").describe_repositories()["repositories"] == []
    assert there("stepfunctions").list_state_machines()["stateMachines"] == []
    assert there("iam").list_roles()["Roles"] == []


def test_credentials_of_another_account_end_the_run_before_anything_is_made(second: Any) -> None:
    second.reset_calls()
    switch = {"STEPLADDER_CONTRACT_ENDPOINT": second.url, "STEPLADDER_CONTRACT_ACCOUNT": ACCOUNT}
    given = {"AWS_ACCESS_KEY_ID": "111111111111", "AWS_SECRET_ACCESS_KEY": "x"}
    done = run("tests/local/test_lambda_settings.py", **switch, **given)
    assert done.returncode == 4
    assert f"reach account 111111111111, and --account names {ACCOUNT}" in done.stdout + done.stderr
    assert second.calls() == ["sts:GetCallerIdentity"]


def test_an_endpoint_without_an_account_is_refused() -> None:
    done = run("--endpoint=aws", "--collect-only", "tests/local/test_contract_switch.py")
    assert done.returncode == 4
    assert "--endpoint needs --account" in done.stderr


def test_a_test_that_uses_the_local_clouds_own_pages_is_told_by_name() -> None:
    with pytest.raises(pytest.fail.Exception, match="own `faults`"):
        ContractCloud("http://127.0.0.1:9", ACCOUNT, REGION).faults({"kind": "throttle"})
