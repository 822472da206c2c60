"""Where peers run: a local cloud, a proxy before it, a container engine, and nothing of the user's own settings."""

from __future__ import annotations

import base64
import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from measure import Command, environment

from localcloud import daemon
from peers.engine import Engine
from peers.installing import CACHE, NotRunnableError
from stepladder.core.process import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
ROLE, BASES = "peer", "bases"
QUIET = {  # no telemetry, no look for a newer version: neither is a deployment's time
    "AWS_SAM_CLI_TELEMETRY": "0",
    "CDK_DISABLE_CLI_TELEMETRY": "true",
    "CHECKPOINT_DISABLE": "1",
    "CI": "1",
    "DO_NOT_TRACK": "1",
    "NO_COLOR": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "SAM_CLI_TELEMETRY": "0",
    "SLS_NOTIFICATIONS_MODE": "off",
    "SLS_TELEMETRY_DISABLED": "1",
}


@dataclass(frozen=True)
class Site:
    """A running cloud, and what peers need beside it.

    `proxy` is the proxy's address, `role` the ARN that functions run under. `work` is a folder for the apps.
    """

    cloud: daemon.CloudInfo
    proxy: str
    work: Path
    role: str
    engine: Engine
    cache: Path = CACHE

    @property
    def registry(self) -> str:
        """Return the address of the cloud's registry, as an image's name begins with it."""
        return urlsplit(self.cloud.url).netloc

    @property
    def base(self) -> str:
        """Return the address of the base image in the cloud's registry."""
        return f"{self.registry}/{BASES}:base"

    @property
    def machine(self) -> str:
        """Return this machine's architecture, as Lambda names it."""
        return "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"

    @property
    def runtime(self) -> str:
        """Return Lambda's name of the Python that runs here, for zip functions."""
        return f"python3.{sys.version_info.minor}"

    def env(self, *, proxied: bool) -> dict[str, str]:
        """Return the variables for a tool: AWS at the cloud, or at the proxy, a home and Docker settings of its own."""
        home = self.work / "home"
        home.mkdir(exist_ok=True)
        aws = self.cloud.env() | ({"AWS_ENDPOINT_URL": self.proxy} if proxied else {})
        own = {"HOME": str(home), "DOCKER_CONFIG": str(home / ".docker"), "STEPLADDER_LAUNCHER": ""}
        return environment(**aws, **own, **self.engine.variables, **QUIET)

    def client(self, service: str) -> Any:
        """Return a client of the cloud itself."""
        import boto3

        keys = {"aws_access_key_id": daemon.ACCOUNT, "aws_secret_access_key": "local"}
        return boto3.client(service, region_name=daemon.REGION, endpoint_url=self.cloud.url, **keys)

    def login(self) -> str:
        """Return the shell command that logs Docker's client in to the cloud's registry."""
        token = self.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
        password = base64.b64decode(token).decode().partition(":")[2]
        return f"echo {password} | docker login --username AWS --password-stdin {self.registry}"

    def need_engine(self) -> None:
        """Raise `NotRunnableError` when there is no container engine."""
        if not self.engine.host:
            raise NotRunnableError(f"there is no container engine: {self.engine.reason}")


@contextlib.contextmanager
def running(work: Path, engine: Engine, *, launcher: str = "process") -> Iterator[Site]:
    """Run a cloud, and a proxy before it, while the block runs."""
    environ = {"STEPLADDER_LAUNCHER": launcher, **engine.address}
    with daemon.running(environ=environ) as cloud, proxied(cloud.url) as proxy:
        site = Site(cloud, proxy, work, _role(cloud), engine)
        if engine.host:
            _push_base(site)
        yield site


@contextlib.contextmanager
def proxied(url: str) -> Iterator[str]:
    """Run a proxy before `url` as a process of its own, so that it takes no time of a measuring one; yield its URL."""
    folders = os.pathsep.join([str(ROOT / "benchmarks"), str(ROOT)])
    with subprocess.Popen(
        [sys.executable, "-m", "peers.proxy", url],
        env={**os.environ, "PYTHONPATH": folders},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 - one libc call
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - PIPE above
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _push_base(site: Site) -> None:
    """Push the base image once, so that each first push to another repository mounts its layers."""
    ecr = site.client("ecr")
    ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    ecr.create_repository(repositoryName=BASES)
    text = f"{site.login()}; docker tag {site.engine.base} {site.base}; docker push --quiet {site.base}"
    Command(["sh", "-euc", text], site.work, site.env(proxied=False)).run()


def _role(cloud: daemon.CloudInfo) -> str:
    """Make the role that peers' functions run under; return its ARN."""
    import json

    import boto3

    keys = {"aws_access_key_id": daemon.ACCOUNT, "aws_secret_access_key": "local"}
    iam = boto3.client("iam", region_name=daemon.REGION, endpoint_url=cloud.url, **keys)
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    return str(iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=document)["Role"]["Arn"])
