"""AWS CDK with an app in JavaScript, which starts faster than one in Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from measure import Command

from localcloud import daemon
from peers.installing import Tool
from peers.peer import Peer

CDK = Tool("aws-cdk", ("aws-cdk", "aws-cdk-lib", "constructs"), "npm")
APP = """\
const cdk = require("aws-cdk-lib");
const iam = require("aws-cdk-lib/aws-iam");
const lambda = require("aws-cdk-lib/aws-lambda");

const stack = new cdk.Stack(new cdk.App(), "{name}", {{
  env: {{ account: "{account}", region: "{region}" }},
  synthesizer: new cdk.CliCredentialsStackSynthesizer(),
}});
new lambda.DockerImageFunction(stack, "Function", {{
  functionName: "{name}",
  architecture: lambda.Architecture.{architecture},
  role: iam.Role.fromRoleArn(stack, "Role", "{role}", {{ mutable: false }}),
  code: lambda.DockerImageCode.fromImageAsset(`${{__dirname}}/image`),
}});
"""


class _Cdk(Peer):
    tool = CDK
    proxied = True
    options: ClassVar[tuple[str, ...]] = ()

    @property
    def image(self) -> Path:
        """Return a folder of the image's own: what else the app has is no part of the image."""
        return self.folder / "image"

    def write(self) -> None:
        """Write the app."""
        architecture = {"arm64": "ARM_64", "x86_64": "X86_64"}[self.site.machine]
        facts = {"account": daemon.ACCOUNT, "region": daemon.REGION, "role": self.site.role}
        (self.folder / "app.js").write_text(APP.format(name=self.slug, architecture=architecture, **facts))
        (self.folder / "cdk.json").write_text('{"app": "node app.js"}')

    def first(self) -> Sequence[Command]:
        """Bootstrap the account, which `cdk deploy` needs once; deploy."""
        return [self._cdk("bootstrap", f"aws://{daemon.ACCOUNT}/{daemon.REGION}"), self._deploy("--method=direct")]

    def command(self) -> Command:
        """Return the deployment."""
        return self._deploy(*self.options)

    def _deploy(self, *options: str) -> Command:
        return self._cdk("deploy", "--require-approval", "never", *options)

    def _cdk(self, *arguments: str) -> Command:
        if self.installed is None:
            raise RuntimeError("the CDK isn't installed")
        argv = (self.program("cdk"), *arguments, "--no-notices", "--no-version-reporting")
        return self.command_of(*argv, NODE_PATH=str(self.installed.packages))


class CdkHotswap(_Cdk):
    """`cdk deploy --hotswap`: past CloudFormation where only the code changed."""

    name = "cdk deploy --hotswap"
    options = ("--hotswap",)
    first_from_nothing = False


class CdkDeploy(_Cdk):
    """`cdk deploy --method=direct`: through CloudFormation, without a change set."""

    name = "cdk deploy --method=direct"
    options = ("--method=direct",)


class CdkExpress(_Cdk):
    """The same in CloudFormation's Express mode."""

    name = "cdk deploy --express"
    options = ("--method=direct", "--express")
