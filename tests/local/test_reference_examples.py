"""The commands and the code of docs/reference/local-cloud.md, on a local cloud."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.cloud import Cloud
from localcloud.protocol.codec import ServiceError

pytestmark = pytest.mark.cloud

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "local-cloud.md").read_text("utf-8")


def commands(word: str) -> str:
    """The lines that are typed in the block which has a word, without what is printed."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    (block,) = (block for block in blocks if word in block)
    return "\n".join(line.removeprefix("$ ") for line in block.splitlines() if line.startswith(("$ ", "    ")))


def typed(cloud: Any, script: str, **env: str) -> str:
    """Type a script; curl fails on an error of HTTP, and is silent."""
    script = script.replace("curl ", "curl --fail --silent --show-error ")
    done = subprocess.run(
        ["bash", "-ec", script],
        env={**os.environ, **cloud.env, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_three_updates_are_throttled_by_the_line_that_says_so(cloud: Any) -> None:
    try:
        typed(cloud, commands('"count": 3'))
        for _ in range(3):
            with pytest.raises(ClientError) as caught:
                cloud.client("lambda", retries={"total_max_attempts": 1}).update_alias(FunctionName="none", Name="live")
            assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
        with pytest.raises(ClientError) as caught:
            cloud.client("lambda").update_alias(FunctionName="none", Name="live")
        assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
        typed(cloud, commands('"rate": 15'))
    finally:
        cloud.faults()


def test_a_token_of_a_forge_is_made(cloud: Any) -> None:
    answer = json.loads(typed(cloud, commands("oidc/tokens")))
    assert answer["token"].count(".") == 2


def test_a_connection_reaches_a_repository(cloud: Any, tmp_path: Path) -> None:
    connections = cloud.client("codeconnections")
    connections.create_connection(ProviderType="GitHub", ConnectionName="orders")
    script = commands("_stepladder/connections").replace("/home/ann", "$HOME")
    script = re.sub(r"-d '(.*?)'", lambda data: "-d " + json.dumps(data[1]), script)
    work = "cd $HOME\ngit init --quiet --initial-branch main work\ncd work"
    commit = "git -c user.name=a -c user.email=a@b commit --quiet --allow-empty --message One"
    typed(cloud, f"{work}\n{commit}\n{script}", HOME=str(tmp_path))
    known = {each["ConnectionName"]: each for each in connections.list_connections()["Connections"]}
    assert known["orders"]["ConnectionStatus"] == "AVAILABLE"


def test_handlers_are_installed_and_answer() -> None:
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "def install" in block)
    handlers: dict[str, Any] = {}

    class Registering:
        def action(self, _service: str, name: str) -> Any:
            return lambda handler: handlers.setdefault(name, handler)

    class Request:
        def __init__(self, function: str) -> None:
            self.params = {"FunctionName": function}

        def forward(self) -> dict[str, Any]:
            return {"Name": "live"}

    space: dict[str, Any] = {"Cloud": Cloud, "AwsRequest": Request, "Any": Any, "ServiceError": ServiceError}
    exec(code, space)
    space["known"] = {"orders"}
    space["install"](Registering())
    assert handlers["GetFunctionConcurrency"](Request("orders")) == {"ReservedConcurrentExecutions": 7}
    assert handlers["GetAlias"](Request("orders")) == {"Name": "live", "Description": ""}
    with pytest.raises(ServiceError, match="Function not found: other"):
        handlers["GetFunctionConcurrency"](Request("other"))
