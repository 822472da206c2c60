"""A small project on a running local cloud, used through whole processes as a user does.

Its AWS resources are made by API instead of Terraform, and recorded as applied, so that a test costs no plan.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import roles
import yaml

from localcloud import daemon
from stepladder.core import resources
from stepladder.core.aws import Aws
from stepladder.core.console import Console
from stepladder.ledger.schema import InfraRecord
from stepladder.releases.adapters import ProjectImages, ProjectInfra
from stepladder.releases.rung import Rung
from stepladder.settings.load import Settings, load

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
DOCKERFILE = """\
ARG BASE_IMAGE=public.ecr.aws/lambda/python:{python}
FROM ${{BASE_IMAGE}}
COPY app/ ${{LAMBDA_TASK_ROOT}}/app/
CMD ["app.handler.handler"]
"""
HANDLER = """\
import json

def handler(event, context):
    return {{"statusCode": 200, "body": json.dumps({{"says": "{says}", "version": context.function_version}})}}
"""
SERVICE = resources.folder("template") / "{{cookiecutter.project_slug}}/terraform/service"
"""The root's code, which takes every setting; nothing runs it."""
TASKS = "from stepladder.collections import namespace\n\nns = namespace()\n"
HELD = 60.0
"""Seconds that a fault holds a call up, unless the test drops it before: no machine is too busy to see the call."""
CASE = {"name": "answers", "payload": {}, "expect": {"status": 200}}


@dataclass
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class LiveProject:
    """A project in `root` on `cloud`; `make()` before use. `seconds` is what a command may take."""

    seconds = 180.0

    def __init__(self, cloud: Any, root: Path, architecture: str = "arm64") -> None:
        self.cloud = cloud
        self.architecture = architecture
        self.root = root
        self.name = f"p{uuid4().hex[:10]}"
        self.function = f"{self.name}-staging"
        self.env = {
            **{k: v for k, v in os.environ.items() if k not in (*daemon.UNSET, "CI")},
            **cloud.env,
            "STEPLADDER_TERRAFORM": "/nonexistent/terraform",  # whoever starts it fails
        }

    # set-up

    def write(self) -> None:
        """Write the project's files."""
        location = {"account": daemon.ACCOUNT, "region": daemon.REGION}
        raw = {
            "project": self.name,
            "python": PYTHON,
            "trigger": "none",
            "rungs": ["staging"],
            "environments": {name: dict(location) for name in ("staging", "lower")},
        }
        files = {
            "invoke.yaml": yaml.safe_dump({"stepladder": raw}),
            "tasks.py": TASKS,
            "function/Dockerfile": DOCKERFILE.format(python=PYTHON),
            "function/app/__init__.py": "",
            "tests/smoke/answers.json": json.dumps(CASE),
            "terraform/foundation/main.tf": "# made by API in this test\n",
            **{f"terraform/service/{name}": (SERVICE / name).read_text() for name in ("main.tf", "variables.tf")},
        }
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.say("one")

    @contextlib.contextmanager
    def promoting(self) -> Iterator[None]:
        """Put `staging` above a rung, `lower`, which was never released; the rest of its settings stay as they are."""
        path = self.root / "invoke.yaml"
        text = path.read_text()
        raw = yaml.safe_load(text)["stepladder"]
        raw |= {"rungs": ["lower", "staging"], "promotion": {"deployment": "AllAtOnce"}}
        path.write_text(yaml.safe_dump({"stepladder": raw}))
        try:
            yield
        finally:
            path.write_text(text)

    @contextlib.contextmanager
    def settings_with(self, **changes: Any) -> Iterator[None]:
        """Change the settings for a while."""
        path = self.root / "invoke.yaml"
        text = path.read_text()
        path.write_text(yaml.safe_dump({"stepladder": yaml.safe_load(text)["stepladder"] | changes}))
        try:
            yield
        finally:
            path.write_text(text)

    def say(self, word: str) -> None:
        """Change what the handler says."""
        (self.root / "function/app/handler.py").write_text(HANDLER.format(says=word))

    def handler(self, source: str) -> None:
        """Replace the handler."""
        (self.root / "function/app/handler.py").write_text(source)

    @property
    def settings(self) -> Settings:
        return load(yaml.safe_load((self.root / "invoke.yaml").read_text())["stepladder"], self.root)

    def make(self) -> None:
        """Make what Terraform would, from the first image on, and release that."""
        self.write()
        client = self.cloud.client
        client("dynamodb").create_table(
            TableName=f"{self.name}-releases",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        client("ecr").create_repository(repositoryName=self.name, imageTagMutability="IMMUTABLE")
        role = roles.make(client("iam"), self.function)
        with self.inside():
            self._first(role)
        done = self.inv("deploy", "--env", "staging")
        assert done.code == 0, done.err

    def _first(self, role: str) -> None:
        rung = self.rung()
        infra = ProjectInfra(rung)
        with rung.console.step("image") as step:
            image = ProjectImages(rung).prepare(step)
        self.lambda_.create_function(
            FunctionName=self.function,
            PackageType="Image",
            Code={"ImageUri": image.reference},
            Role=role,
            Architectures=[self.architecture],
        )
        self.wait(lambda: self.lambda_.get_function(FunctionName=self.function)["Configuration"]["State"] == "Active")
        self.lambda_.create_alias(FunctionName=self.function, Name="live", FunctionVersion="$LATEST")
        for environment, root in (("staging", "service"), (None, "foundation")):
            rung.ledger.record_infra(environment, InfraRecord(infra.inputs_hash(root), "plan", "2026-11-21T00:00:00Z"))

    def rung(self) -> Rung:
        """The rung in this process; use it `inside`."""
        return Rung(self.settings, "staging", Aws(daemon.REGION), Console(live=False), "a test")

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Point this process's environment at the cloud."""
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.env)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    # looking

    @property
    def lambda_(self) -> Any:
        return self.cloud.client("lambda")

    @property
    def alias(self) -> dict[str, Any]:
        alias_answer: dict[str, Any] = self.lambda_.get_alias(FunctionName=self.function, Name="live")
        return alias_answer

    @property
    def version(self) -> str:
        """The version that serves all traffic."""
        alias = self.alias
        assert not (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights")
        return str(alias["FunctionVersion"])

    def answer(self) -> str:
        """What the handler behind the alias says."""
        response = self.lambda_.invoke(FunctionName=self.function, Qualifier="live", Payload=b"{}")
        return str(json.loads(json.loads(response["Payload"].read())["body"])["says"])

    def items(self, prefix: str = "") -> list[dict[str, Any]]:
        """The environment's ledger items whose sort key begins so, oldest first."""
        answer = self.cloud.client("dynamodb").query(
            TableName=f"{self.name}-releases",
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": "env#staging"}},
        )["Items"]
        plain = [{k: next(iter(v.values())) for k, v in item.items()} for item in answer]
        return [item for item in plain if item["sk"].startswith(prefix)]

    @property
    def releases(self) -> list[dict[str, Any]]:
        return self.items("release#")

    def wait(self, holds: Callable[[], bool], seconds: float = 90) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    # doing

    def start(self, *args: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a task as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "invoke", *args],
            cwd=self.root,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def inv(self, *args: str, env: dict[str, str] | None = None) -> Done:
        """Run a task to its end."""
        started = time.monotonic()
        return self.finish(self.start(*args, env=env), started)

    def finish(self, child: subprocess.Popen[str], started: float = 0.0) -> Done:
        try:
            out, err = child.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            raise AssertionError(f"the task did not end:\n{err}") from None
        return Done(child.returncode, out, err, time.monotonic() - started)

    def deploy(self, *args: str, env: dict[str, str] | None = None) -> Done:
        return self.inv("deploy", "--env", "staging", *args, env=env)
