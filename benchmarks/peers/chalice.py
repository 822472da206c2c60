"""Chalice, which deploys zips: it has no container functions."""

from __future__ import annotations

import json

from measure import Command

from peers.installing import Tool
from peers.peer import Peer

APP = """\
from chalice import Chalice

ROUND = 0
app = Chalice(app_name="{name}")


@app.lambda_function(name="fn")
def handler(event, context):
    return {{"statusCode": 200, "body": f"round {{ROUND}}"}}
"""


class Chalice(Peer):
    """`chalice deploy`."""

    name = "chalice deploy (zip)"
    tool = Tool("chalice", ("chalice", "setuptools"), "pip")
    zip = True

    @property
    def function(self) -> str:
        """Return the name that Chalice makes."""
        return f"{self.slug}-dev-fn"

    def write(self) -> None:
        """Write the app, which runs under the role that is there."""
        self.source.write_text(APP.format(name=self.slug))
        (self.folder / "requirements.txt").write_text("")
        settings = {
            "version": "2.0",
            "app_name": self.slug,
            "manage_iam_role": False,
            "iam_role_arn": self.site.role,
            "stages": {"dev": {}},
        }
        (self.folder / ".chalice").mkdir()
        (self.folder / ".chalice" / "config.json").write_text(json.dumps(settings))

    def command(self) -> Command:
        """Return the deployment."""
        return self.command_of(self.program("chalice"), "deploy", "--stage", "dev")
