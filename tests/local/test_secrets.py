"""Secrets on the local cloud: the guide's own code and commands, in whole processes, and on a bad day."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import terminals
import yaml
from live_project import Done, LiveProject

from localcloud import daemon
from stepladder.core.console import Console
from stepladder.core.errors import RefusedError
from stepladder.releases import secret_check
from stepladder.releases.rung import Rung, clients
from stepladder.settings import secrets
from stepladder.settings.load import load

pytestmark = pytest.mark.cloud

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/secrets.md"
HANDLER = """
import json

from app.secret import secret

def handler(event, context):
    return {"statusCode": 200, "body": json.dumps({"says": secret("API_KEY")})}
"""
FIRST, SECOND = "first-value-of-it", "second-value-of-it"


def of_guide(language: str, holding: str) -> str:
    """Return the guide's block of a language that holds a text."""
    blocks = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (block,) = {textwrap.dedent(body) for _, body in blocks if holding in body}
    return block


class SecretProject(LiveProject):
    """A project whose function reads a secret as the guide says. Its role may do what the service module grants."""

    def write(self) -> None:
        super().write()
        path = self.root / "invoke.yaml"
        raw = yaml.safe_load(path.read_text())["stepladder"]
        raw |= yaml.safe_load(of_guide("yaml", "API_KEY: ssm"))["stepladder"]
        raw["function"]["secrets"]["FILE_KEY"] = "secretsmanager"
        path.write_text(yaml.safe_dump({"stepladder": raw}))
        (self.root / "function/app/secret.py").write_text(of_guide("python", "def secret("))
        self.handler(HANDLER)

    def _first(self, role: str) -> None:
        super()._first(role)
        arn = f"arn:aws:ssm:{daemon.REGION}:{daemon.ACCOUNT}:parameter/{self.name}/staging/API_KEY"
        statement = {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.cloud.client("iam").put_role_policy(RoleName=self.function, PolicyName="secrets", PolicyDocument=policy)
        variables = {"Variables": secrets.variables(self.settings, "staging")}
        self.lambda_.update_function_configuration(FunctionName=self.function, Environment=variables)
        configuration = self.lambda_.get_function_configuration
        self.wait(lambda: configuration(FunctionName=self.function)["LastUpdateStatus"] == "Successful")

    def secret(self, verb: str, name: str, value: bytes | str, *args: str, **env: str) -> Done:
        """Give a secret its value by standard input, as `inv secrets.<verb> NAME --env staging`."""
        data = value.encode() if isinstance(value, str) else value
        argv = [sys.executable, "-m", "invoke", f"secrets.{verb}", name, "--env", "staging", *args]
        done = subprocess.run(
            argv, cwd=self.root, env={**self.env, **env}, input=data, capture_output=True, timeout=90, check=False
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode(), 0)

    def stored(self, name: str) -> Any:
        """What the store has: text of Parameter Store, text or bytes of Secrets Manager."""
        if name == "API_KEY":
            path = f"/{self.name}/staging/{name}"
            return self.cloud.client("ssm").get_parameter(Name=path, WithDecryption=True)["Parameter"]["Value"]
        answer = self.cloud.client("secretsmanager").get_secret_value(SecretId=f"{self.name}/staging/{name}")
        return answer.get("SecretString") or answer["SecretBinary"]


@pytest.fixture(scope="module")
def shared(cloud: Any, tmp_path_factory: pytest.TempPathFactory) -> SecretProject:
    project = SecretProject(cloud, tmp_path_factory.mktemp("secrets"))
    project.write()
    return project


@pytest.fixture
def project(shared: SecretProject) -> Iterator[SecretProject]:
    shared.cloud.faults()
    yield shared
    shared.cloud.faults()


def test_the_guide_is_gone_through_set_deploy_call_rotate(project: SecretProject) -> None:
    refused = project.inv("deploy", "--env", "staging")
    assert refused.code == 4, refused.err
    assert "staging has no value for API_KEY (ssm:/" in refused.err
    assert "FILE_KEY (secretsmanager:" in refused.err
    assert "`inv secrets.set API_KEY --env staging`" in refused.err

    for name, value in {"API_KEY": f"{FIRST}\n", "FILE_KEY": bytes(range(256))}.items():
        done = project.secret("set", name, value)
        assert done.code == 0, done.err
    assert project.stored("FILE_KEY") == bytes(range(256))
    project.make()  # as Terraform would, then `inv deploy`
    assert project.answer() == FIRST

    done = project.secret("rotate", "API_KEY", f"{SECOND}\n", "--json")
    assert done.code == 0, done.err
    assert (done.json["version"], done.json["previous_version"]) == ("2", "1")
    assert "nothing is released" in done.err
    assert project.version == "1"
    assert project.answer() == FIRST, "cached for five minutes"
    project.lambda_.update_function_configuration(FunctionName=project.function, MemorySize=256)
    project.wait(lambda: _successful(project))
    answer = project.lambda_.invoke(FunctionName=project.function, Payload=b"{}")["Payload"].read()
    assert json.loads(json.loads(answer)["body"])["says"] == SECOND, "a new execution environment reads it"

    listed = project.inv("secrets", "--env", "staging", "--json").json
    assert [(each["state"], each["version"]) for each in listed if each["name"] == "API_KEY"] == [("set", "2")]
    assert FIRST not in json.dumps(listed) + done.out + done.err


def _successful(project: SecretProject) -> bool:
    configuration = project.lambda_.get_function_configuration(FunctionName=project.function)
    return bool(configuration["LastUpdateStatus"] == "Successful")


def test_no_value_is_in_output_debug_logs_or_what_the_cloud_shows(project: SecretProject) -> None:
    value = "value-to-be-hidden\nof-two-lines\n"
    done = project.secret("set", "API_KEY", value, INVOKE_DEBUG="1")
    assert done.code == 0, done.err
    assert project.stored("API_KEY") == value
    printed = done.out + done.err
    calls = json.dumps(project.cloud.info.request("calls"))
    assert "ssm:PutParameter" in calls
    log = Path(project.cloud.info.log).read_text("utf-8")
    assert [line for line in value.split() if line in printed + calls + log] == []


def test_a_terminal_is_asked_and_shows_nothing(project: SecretProject) -> None:
    argv = [sys.executable, "-m", "invoke", "secrets.set", "API_KEY", "--env", "staging"]
    ours = {k: v for k, v in project.env.items() if k not in {"NO_COLOR", "FORCE_COLOR"}}
    shown = terminals.run(
        argv, cwd=project.root, env={**ours, "TERM": "xterm"}, answer=("hidden): ", "typed-at-prompt\n")
    )
    assert shown.code == 0, shown.text
    assert project.stored("API_KEY") == "typed-at-prompt"
    assert "typed-at-prompt" not in shown.text


def test_a_kill_leaves_the_old_value_and_two_at_once_leave_one_of_theirs(project: SecretProject) -> None:
    assert project.secret("set", "API_KEY", "before").code == 0
    project.cloud.faults({"service": "ssm", "action": "PutParameter", "kind": "delay_before", "seconds": 1.5})
    argv = [sys.executable, "-m", "invoke", "secrets.set", "API_KEY", "--env", "staging"]
    killed = subprocess.Popen(argv, cwd=project.root, env=project.env, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert killed.stdin
    killed.stdin.write(b"while-killed")
    killed.stdin.close()
    project.wait(lambda: "ssm:PutParameter" in project.cloud.info.request("calls")["calls"][-3:])
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert project.stored("API_KEY") in {"before", "while-killed"}, "never half"

    both = [subprocess.Popen(argv, cwd=project.root, env=project.env, stdin=subprocess.PIPE) for _ in range(2)]
    for number, child in enumerate(both):
        child.communicate(f"of-{number}".encode(), timeout=90)
    assert [child.returncode for child in both] == [0, 0]
    assert project.stored("API_KEY") in {"of-0", "of-1"}


@pytest.mark.usefixtures("cloud_env")
def test_each_environment_is_checked_in_its_own_account_and_region(cloud: Any, tmp_path: Path) -> None:
    project, other, region = f"p{uuid4().hex[:10]}", "222222222222", "eu-central-1"
    iam = cloud.client("iam", other, region)
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{daemon.ACCOUNT}:root"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName=f"{project}-deploy", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    reads = {"Effect": "Allow", "Action": "ssm:DescribeParameters", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [reads]})
    iam.put_role_policy(RoleName=f"{project}-deploy", PolicyName="reads", PolicyDocument=document)
    environments = {
        "staging": {"account": daemon.ACCOUNT, "region": daemon.REGION},
        "production": {"account": other, "region": region, "role_arn": role},
    }
    raw = {"project": project, "environments": environments, "function": {"secrets": {"API_KEY": "ssm"}}}
    settings = load(raw, tmp_path)
    rungs = [Rung(settings, name, clients(settings, name), Console(live=False), "a test") for name in environments]

    def put(client: Any, environment: str) -> None:
        client.put_parameter(Name=f"/{project}/{environment}/API_KEY", Value="x", Type="SecureString")

    put(cloud.client("ssm"), "staging")
    put(cloud.client("ssm"), "production")  # in the wrong account
    with pytest.raises(RefusedError, match=r"^production has no value for API_KEY") as refused:
        secret_check.check(rungs)
    assert refused.value.hint == "set it: `inv secrets.set API_KEY --env production`"
    put(cloud.client("ssm", other, region), "production")
    secret_check.check(rungs)


def test_a_word_behind_the_name_is_not_repeated_since_it_may_be_the_value(project: SecretProject) -> None:
    for words in (["hunter2-typed"], ["--value=hunter2-typed"], ["--value", "hunter2-typed"]):
        done = project.inv("secrets.set", "API_KEY", *words, "--env", "staging")
        assert done.code == 2
        assert "hunter2-typed" not in done.out + done.err
        assert "standard input" in done.err
