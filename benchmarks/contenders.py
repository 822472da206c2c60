"""What is measured side by side in `change.py`: one interface for stepladder's ways of deploying and for the peers'."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from measure import Command, environment, smoke_seconds
from peers import Peer, Site
from peers.engine import python
from peers.installing import reason
from projects import new, tool

WAYS = (("layers", "process"), ("layers", "container"), ("docker", "container"))
"""Builder, and what runs functions. A process runs only what the layers builder makes for this machine's Python."""
REST = 1.0
"""Seconds before each run, in which what came before it ends: at the cloud, the engine and the disk."""


class UnverifiedError(Exception):
    """A command ended well, and the function has not what it should have."""


@dataclass(frozen=True)
class Sample:
    """One run. `smoke` are the seconds that its smoke cases took, `processor` those of the processor."""

    seconds: float
    smoke: float
    processor: float
    calls: int

    @property
    def own(self) -> float:
        """Return the seconds without those of the smoke cases."""
        return self.seconds - self.smoke


@dataclass
class Contender:
    """One way of deploying, ready to run. `live` returns the SHA-256 of the code that the function has."""

    name: str
    version: str
    site: Site
    command: Command
    change: Callable[[], None]
    live: Callable[[], str]
    ours: bool = False
    floor: bool = False
    zip: bool = False
    publishes: bool = False
    notes: tuple[str, ...] = ()
    reason: str = ""
    """Why it isn't measured any more; empty while it is."""
    changed: list[Sample] = field(default_factory=list)
    unchanged: list[Sample] = field(default_factory=list)

    def run(self, *, change: bool) -> Sample:
        """Run the command after a change of the handler, or with nothing changed. Raises `UnverifiedError`."""
        if change:
            self.change()
        before = self.live()
        time.sleep(REST)
        self.site.cloud.request("calls", "DELETE")
        run = self.command.run()
        calls = len(self.site.cloud.request("calls")["calls"])
        if (self.live() != before) != change:
            raise UnverifiedError("the function's code has not changed" if change else "the function's code changed")
        return Sample(run.seconds, smoke_seconds(run.said), run.processor, calls)


def of_peer(peer: Peer, site: Site) -> Contender:
    """Return a peer that is installed and prepared."""
    return Contender(
        peer.name,
        f"{peer.tool.name} {peer.version}" if peer.tool else peer.version,
        site,
        peer.command(),
        peer.change,
        peer.live,
        floor=peer.floor,
        zip=peer.zip,
        publishes=peer.publishes,
        notes=peer.notes,
    )


@dataclass(frozen=True)
class Project:
    """A project of stepladder in an environment of its own, whose functions the cloud of `site` runs."""

    folder: Path
    site: Site
    builder: str
    launcher: str

    @property
    def deploy(self) -> Command:
        """Return `inv deploy`."""
        engine = {} if self.launcher == "process" else self.site.engine.variables
        env = environment(**self.site.cloud.env(), **engine)
        return Command([tool(self.folder, "inv"), "deploy", "--env", "staging"], self.folder, env)

    def contender(self) -> Contender:
        """Return it as what is measured, once it is deployed."""
        handler = self.folder / "function" / "app" / "handler.py"
        source, rounds = handler.read_text(), iter(range(1_000_000))
        client = self.site.client("lambda")
        function = f"{self.folder.name}-staging"

        def change() -> None:
            handler.write_text(f"{source}\nROUND = {next(rounds)}\n")

        def live() -> str:
            return str(client.get_function_configuration(FunctionName=function, Qualifier="live")["CodeSha256"])

        return Contender(
            ours_name(self.builder, self.launcher), "", self.site, self.deploy, change, live, ours=True, publishes=True
        )


def project(site: Site, folder: Path, builder: str, launcher: str) -> Project:
    """Make a project. In containers, its image stands on the base that the cloud's registry has."""
    answers = {"project_name": f"ours-{builder}", "python_version": python(), "architecture": site.machine}
    made = new(folder, compiled=True, **answers, aws_region="us-east-1")
    path = made / "invoke.yaml"
    settings = yaml.safe_load(path.read_text())
    image = {"builder": builder}
    if launcher == "container":
        site.need_engine()
        image["base"] = site.base
    settings["stepladder"]["image"] = image
    path.write_text(yaml.safe_dump(settings))
    return Project(made, site, builder, launcher)


def ours_name(builder: str, launcher: str) -> str:
    """Return the name of one of stepladder's ways."""
    return f"stepladder, {builder} builder, {'functions in containers' if launcher == 'container' else 'processes'}"


def absent(name: str, site: Site, error: Exception, *, version: str = "", ours: bool = False) -> Contender:
    """Return what can't run, with the reason."""
    nothing = Command((), site.work, {})
    return Contender(name, version, site, nothing, lambda: None, str, ours=ours, reason=reason(error))
