"""The floors: what the work costs when nothing else is done. Not rivals: no settings, checks, tests or record."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from measure import Command

from peers.peer import Peer

SCRIPTS = Path(__file__).resolve().parent / "scripts"


class _Floor(Peer):
    floor = True
    publishes = True
    first_from_nothing = False

    def write(self) -> None:
        """Write the app."""
        self.address = self.repository()

    def first(self) -> Sequence[Command]:
        """Push the base, and the first image by docker; make function and alias by API."""
        base, image = f"{self.address}:base", f"{self.address}:first"
        push = f"docker tag {self.site.engine.base} {base}; docker push --quiet {base}"
        self.script(f"{self.site.login()}; {push}; docker build --tag {image} .; docker push --quiet {image}").run()
        client = self.site.client("lambda")
        self.create_function(self.function, image)
        version = client.publish_version(FunctionName=self.function)["Version"]
        client.get_waiter("published_version_active").wait(
            FunctionName=self.function, Qualifier=version, WaiterConfig={"Delay": 1}
        )
        client.create_alias(FunctionName=self.function, Name="live", FunctionVersion=version)
        return [self.command()]


class AppendedLayer(_Floor):
    """One layer appended straight in the registry, without an engine, and four calls by boto3."""

    name = "floor: layer append + boto3"

    def command(self) -> Command:
        """Return the command."""
        script = str(SCRIPTS / "append_layer.py")
        return self.command_of(sys.executable, script, self.function, self.address, str(self.source))


class DockerBuild(_Floor):
    """`docker build`, `docker push`, and four calls by boto3."""

    name = "floor: docker build + boto3"

    def command(self) -> Command:
        """Return the command."""
        return self.command_of(sys.executable, str(SCRIPTS / "docker_build.py"), self.function, self.address)
