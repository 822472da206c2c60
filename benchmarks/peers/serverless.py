"""The Serverless Framework: its last free version, and the row of the one that can't run here."""

from __future__ import annotations

from measure import Command

from peers.installing import NotRunnableError, Tool
from peers.osls import OslsFunction
from peers.site import Site

PLUGIN = """\
// Version 3 has AWS's SDK 2 for JavaScript, which reads no AWS_ENDPOINT_URL.
module.exports = class {
  constructor(serverless) {
    const options = { endpoint: process.env.AWS_ENDPOINT_URL, s3ForcePathStyle: true };
    serverless.getProvider("aws").sdk.config.update(options);
  }
};
"""


class ServerlessFunction(OslsFunction):
    """`serverless deploy function` of version 3, which is no longer maintained; osls goes on from it."""

    name = "serverless 3 deploy function"
    tool = Tool("serverless", ("serverless",), "npm", "3")

    def write(self) -> None:
        """Write the app, with a plugin that names the endpoint."""
        super().write()
        (self.folder / "endpoint.js").write_text(PLUGIN)
        with (self.folder / "serverless.yml").open("a") as file:
            file.write("plugins:\n  - ./endpoint.js\n")

    def command(self) -> Command:
        """Return the command."""
        return self.command_of(self.program("serverless"), "deploy", "function", "--function", "fn")


class ServerlessFour(ServerlessFunction):
    """Version 4 isn't run: it wants an account with its maker."""

    name = "serverless 4 deploy function"
    tool = Tool("serverless-4", ("serverless",), "npm")

    def install(self, site: Site) -> str:
        """Resolve the version, and say why it isn't run."""
        version = self.tool.newest() if self.tool else ""
        del site
        raise NotRunnableError(f"version {version} needs a login or a licence key of its maker; osls is its free fork")
