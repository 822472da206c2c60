"""The function's environment variables, asked of the function that is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stepladder.releases import variables
from stepladder.settings import load

pytestmark = pytest.mark.cloud

SERVICE = """module "service" {
  environment_variables = merge(var.environment_variables, { QUEUE = aws_sqs_queue.orders.url })
}
"""


def test_the_deployed_function_says_what_terraform_made(
    functions: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = functions.name().replace("_", "-")[:20]
    (tmp_path / "terraform/service").mkdir(parents=True)
    (tmp_path / "terraform/service/main.tf").write_text(SERVICE)
    place = {"account": "123456789012", "region": functions.cloud.region}
    raw = {"project": project, "rungs": ["staging"], "environments": {"staging": place}}
    read = load.load({**raw, "function": {"environment": {"LOG_LEVEL": "INFO"}}}, tmp_path)
    for name, value in functions.cloud.env.items():
        monkeypatch.setenv(name, value)

    assert "staging is not deployed" in variables.of(read).hint("staging")
    functions.create(FunctionName=f"{project}-staging", Environment={"Variables": {"QUEUE": "q", "LOG_LEVEL": "OLD"}})
    assert variables.of(read) == variables.FunctionVariables(
        {"LOG_LEVEL": "INFO", "QUEUE": "q"}, (), variables.of(read).why
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert variables.of(read).missing == ("QUEUE",)


def test_a_function_of_another_account_is_not_asked(
    functions: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = functions.name()[:20]
    functions.create(FunctionName=f"{project}-staging", Environment={"Variables": {"QUEUE": "q"}})
    (tmp_path / "terraform/service").mkdir(parents=True)
    (tmp_path / "terraform/service/main.tf").write_text(SERVICE)
    place = {"account": "222222222222", "region": functions.cloud.region}
    read = load.load({"project": project, "rungs": ["staging"], "environments": {"staging": place}}, tmp_path)
    for name, value in functions.cloud.env.items():
        monkeypatch.setenv(name, value)
    assert variables.of(read).values == {}
    assert "another account" in variables.of(read).why
