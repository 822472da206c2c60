"""AWS SAM CLI: `sam sync --code` past CloudFormation, and `sam build && sam deploy` through it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from measure import Command

from peers.installing import Tool
from peers.peer import Peer

SAM = Tool("aws-sam-cli", ("aws-sam-cli",), "pip")
POLL = "0.5"
"""Seconds between two polls of a stack; 5 by default (`SAM_CLI_POLL_DELAY`)."""


class _Sam(Peer):
    tool = SAM
    proxied = True
    options: ClassVar[str] = ""
    variables: ClassVar[dict[str, str]] = {}

    def write(self) -> None:
        """Write a template of the one function; make the bucket and the repository that `--resolve-s3` would."""
        self.address = self.repository()
        self.artifacts = self.bucket(f"{self.slug}-artifacts")
        properties = {
            "FunctionName": self.function,
            "PackageType": "Image",
            "Role": self.site.role,
            "Architectures": [self.site.machine],
            "Code": {"ImageUri": f"{self.slug}:latest"},
        }
        build = {"Dockerfile": "Dockerfile", "DockerContext": ".", "DockerTag": "latest"}
        function = {"Type": "AWS::Lambda::Function", "Properties": properties, "Metadata": build}
        template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Function": function}}
        (self.folder / "template.json").write_text(json.dumps(template))

    def deployment(self) -> Command:
        """Return the whole deployment."""
        sam = self.program("sam")
        return self.script(
            f"{sam} build --template-file template.json\n"
            f"{sam} deploy --stack-name {self.slug} --s3-bucket {self.artifacts} --image-repository {self.address} "
            f"--no-confirm-changeset --no-fail-on-empty-changeset --no-progressbar {self.options}",
            **self.variables,
        )


class SamSync(_Sam):
    """`sam sync --code`: builds, pushes, changes the function's code."""

    name = "sam sync --code"
    first_from_nothing = False

    def first(self) -> Sequence[Command]:
        """Deploy the stack whose function is synchronised."""
        return [self.deployment()]

    def command(self) -> Command:
        """Return the command; it warns that it is for development, and waits for a yes."""
        return self.script(
            f"echo y | {self.program('sam')} sync --code --template-file template.json --stack-name {self.slug} "
            f"--image-repository {self.address} --no-dependency-layer"
        )


class SamDeploy(_Sam):
    """`sam build && sam deploy`, as it comes."""

    name = "sam build && sam deploy"

    def command(self) -> Command:
        """Return the whole deployment."""
        return self.deployment()


class SamDeployPolling(SamDeploy):
    """The same, polling the stack ten times as often."""

    name = f"sam build && sam deploy, poll {POLL} s"
    variables: ClassVar[dict[str, str]] = {"SAM_CLI_POLL_DELAY": POLL}


class SamDeployExpress(SamDeployPolling):
    """The same in CloudFormation's Express mode."""

    name = f"sam build && sam deploy --express, poll {POLL} s"
    options = "--express"
