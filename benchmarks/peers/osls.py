"""osls, the maintained fork of the Serverless Framework's version 3."""

from __future__ import annotations

from collections.abc import Sequence

from measure import Command

from peers.installing import Tool
from peers.peer import Peer

OSLS = Tool("osls", ("osls",), "npm")
STAGE = "dev"


class _Osls(Peer):
    tool = OSLS
    proxied = True

    @property
    def function(self) -> str:
        return f"{self.slug}-{STAGE}-fn"

    def write(self) -> None:
        """Write the app."""
        (self.folder / "serverless.yml").write_text(f"""\
service: {self.slug}
frameworkVersion: "*"
provider:
  name: aws
  region: us-east-1
  stage: {STAGE}
  architecture: {self.site.machine}
  deploymentBucket: {self.bucket(f"{self.slug}-artifacts")}
  iam:
    role: {self.site.role}
  ecr:
    images:
      app:
        path: ./
functions:
  fn:
    image:
      name: app
""")


class OslsFunction(_Osls):
    """`osls deploy function`: past CloudFormation, straight to Lambda."""

    name = "osls deploy function"
    first_from_nothing = False

    def first(self) -> Sequence[Command]:
        """Make the function by API, where the whole deployment would."""
        address = self.repository(f"serverless-{self.slug}-{STAGE}")
        self.script(f"{self.site.login()}; docker build --tag {address}:app .; docker push --quiet {address}:app").run()
        self.create_function(self.function, f"{address}:app")
        return [self.command()]

    def command(self) -> Command:
        """Return the command."""
        return self.command_of(self.program("osls"), "deploy", "function", "--function", "fn")


class OslsDeploy(_Osls):
    """`osls deploy`: the whole stack by CloudFormation."""

    name = "osls deploy"

    def command(self) -> Command:
        """Return the command."""
        return self.command_of(self.program("osls"), "deploy")
