"""A person in a project's folder, who types commands at a local cloud."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import schemas

from localcloud import daemon
from stepladder.collections.local import FOLDER

ACCOUNT, REGION = "123456789012", "eu-west-1"
HOST = {
    "python_version": f"{sys.version_info.major}.{sys.version_info.minor}",
    "architecture": "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
}
"""Answers by which a function runs in a process of this machine."""
FOREIGN = ("AWS_", "INVOKE_", "TF_VAR_")


class Shell:
    """`folder` is where the person is, `env` the environment of each command.

    `locations` are the account and the region of each environment that is in others than `ACCOUNT` and `REGION`.
    """

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        self.locations: dict[str, tuple[str, str]] = {}
        self._outputs: dict[str, dict[str, Any]] = {}
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)} | env

    def new(self, answers: dict[str, Any]) -> None:
        """Make a project by `inv new` and go into its folder."""
        (self.folder / "answers.json").write_text(json.dumps(HOST | answers), encoding="utf-8")
        (self.folder / "tasks.py").write_text(
            "from stepladder.collections import namespace\n\nns = namespace()\n", encoding="utf-8"
        )
        self.inv(f"new --no-input --answers answers.json --output {self.folder}")
        self.folder /= answers["project_name"]

    @contextmanager
    def local_cloud(self, speed: int = 100) -> Iterator[None]:
        """Start a local cloud of its own, point the environment at it, and end it afterwards."""
        self.inv(f"local.up --port 0 --speed {speed}")
        try:
            for line in self.inv(f"local.env --account {ACCOUNT} --region {REGION}").stdout.splitlines():
                verb, *words = shlex.split(line)
                if verb == "export":
                    self.env |= dict(word.split("=", 1) for word in words)
            yield
        finally:
            daemon.down(self.folder / FOLDER)

    def inv(self, command: str, code: int = 0, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a task; `given` is its standard input. What it prints as JSON is what its schema says."""
        done = self.run(sys.executable, "-m", "invoke", *shlex.split(command), code=code, given=given)
        schemas.check_output(command, done.stdout)
        return done

    def run(self, *argv: str, code: int = 0, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program."""
        done = subprocess.run(
            argv, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=600, check=False, input=given
        )
        assert done.returncode == code, f"{shlex.join(argv)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def record(self, command: str, code: int = 0) -> Any:
        """Run a task with `--json`; return what it prints."""
        return json.loads(self.inv(f"{command} --json", code).stdout)

    def differs(self, environment: str) -> Any:
        """Return what `inv diff` says of an environment that something would change in; flags may follow its name."""
        return self.record(f"diff --env {environment}", 2)

    def statuses(self) -> dict[str, dict[str, Any]]:
        """Return what each environment serves."""
        return {row["environment"]: row for row in self.record("status")}

    def outputs(self, environment: str) -> dict[str, Any]:
        """Return Terraform's outputs of an environment, read once: no later deploy changes what a caller needs."""
        if environment not in self._outputs:
            self._outputs[environment] = self.record(f"tf.output --env {environment}")
        return self._outputs[environment]

    def edit(self, change: Any) -> None:
        """Change the handler."""
        path = self.folder / "function" / "app" / "handler.py"
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

    def page(self, path: str, method: str = "GET", body: bytes | None = None) -> Any:
        """Ask a page of the local cloud's own."""
        request = urllib.request.Request(f"{self.env['AWS_ENDPOINT_URL']}/_stepladder/{path}", body, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
            return json.loads(answer.read() or b"{}")

    def client(self, service: str, environment: str = "") -> Any:
        """Return a client of the cloud, as the root of an environment's account."""
        import boto3

        account, region = self.locations.get(environment, (ACCOUNT, REGION))
        return boto3.client(
            service,
            endpoint_url=self.env["AWS_ENDPOINT_URL"],
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )
