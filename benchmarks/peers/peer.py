"""What a peer is: a tool, one way of deploying with it, and how to see that the deployment is real."""

from __future__ import annotations

import abc
import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from measure import Command

from peers.installing import Installed, NotRunnableError, Tool
from peers.site import Site

HANDLER = """\
ROUND = 0


def handler(event, context):
    return {"statusCode": 200, "body": f"round {ROUND}"}
"""
_ROUND = re.compile(r"^ROUND = (\d+)$", re.MULTILINE)


class Peer(abc.ABC):
    """One way of deploying by one tool. In their order: `install`, `prepare`, then `change` and `command().run()`.

    `install` and `prepare` raise `NotRunnableError` with the reason when it can't run here.
    """

    name: ClassVar[str]
    """As the table has it; also what a folder, a repository and a function of its own are named by."""
    tool: ClassVar[Tool | None] = None
    zip: ClassVar[bool] = False
    """It deploys a zip: the tool has no container functions."""
    floor: ClassVar[bool] = False
    """A script that does no more than it must: not a rival."""
    publishes: ClassVar[bool] = False
    """It publishes a version and moves an alias; the others change $LATEST alone."""
    proxied: ClassVar[bool] = False
    """It speaks to the cloud through the proxy."""
    first_from_nothing: ClassVar[bool] = True
    """`first` is this tool's own way from nothing; otherwise it borrows another's, and the time isn't its own."""
    notes: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self.installed: Installed | None = None
        self._site: Site | None = None

    @property
    def slug(self) -> str:
        """Return the name as AWS takes it for a function, a stack, a repository."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @property
    def version(self) -> str:
        """Return the tool's version, empty for a script."""
        return self.installed.version if self.installed else ""

    @property
    def site(self) -> Site:
        """Return where it runs. Raises `RuntimeError` before `prepare`."""
        if self._site is None:
            raise RuntimeError(f"{self.name} isn't prepared")
        return self._site

    @property
    def folder(self) -> Path:
        """Return the folder of its app."""
        return self.site.work / self.slug

    @property
    def source(self) -> Path:
        """Return the file of the handler."""
        return self.image / "app.py"

    @property
    def image(self) -> Path:
        """Return the folder that the image, or the zip, is made of."""
        return self.folder

    @property
    def function(self) -> str:
        """Return the name of its function."""
        return self.slug

    def install(self, site: Site) -> str:
        """Install the newest version of its tool; return the version. Raises `NotRunnableError`."""
        if self.tool is not None:
            self.installed = self.tool.install(site.cache)
        return self.version

    def settle_in(self, site: Site) -> None:
        """Write its app into a folder of its own. Nothing is deployed."""
        self._site = site
        if not self.zip:
            site.need_engine()
        self.image.mkdir(parents=True)
        self.source.write_text(HANDLER)
        if not self.zip:
            self._write_dockerfile()
        self.write()

    def prepare(self, site: Site) -> None:
        """Write its app and deploy it the first time. Raises `NotRunnableError` with the end of what the tool said."""
        self.settle_in(site)
        try:
            for command in self.first():
                command.run()
            self.live()
        except Exception as error:
            raise NotRunnableError(f"its first deployment failed: {str(error)[-600:]}") from error

    @abc.abstractmethod
    def write(self) -> None:
        """Write what the app has beside the handler, and make what the tool expects to be there (a bucket, say)."""

    def first(self) -> Sequence[Command]:
        """Return the commands from nothing to a live function, in their order."""
        return [self.command()]

    @abc.abstractmethod
    def command(self) -> Command:
        """Return the command that makes a change live, and that runs when nothing changed."""

    def change(self) -> None:
        """Edit one line of the handler."""
        text = self.source.read_text()
        self.source.write_text(_ROUND.sub(lambda match: f"ROUND = {int(match[1]) + 1}", text))

    def live(self) -> str:
        """Return the SHA-256 of the code that the function has: of the image's digest, or of the zip."""
        return str(self.site.client("lambda").get_function_configuration(FunctionName=self.function)["CodeSha256"])

    def program(self, name: str) -> str:
        """Return the path of one of the tool's programs."""
        if self.installed is None:
            raise RuntimeError(f"{self.name} isn't installed")
        return self.installed.program(name)

    def command_of(self, *argv: str, **env: str) -> Command:
        """Return a command in its folder, with AWS and the engine where the site has them."""
        return Command(argv, self.folder, self.site.env(proxied=self.proxied) | env)

    def script(self, text: str, **env: str) -> Command:
        """Return a command of several programs, as a person types them; the first that fails ends it."""
        return self.command_of("sh", "-euc", text, **env)

    def repository(self, name: str = "") -> str:
        """Make a repository, its own by default, unless it is there; return its address in the cloud's registry."""
        ecr = self.site.client("ecr")
        with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
            ecr.create_repository(repositoryName=name or self.slug)
        return f"{self.site.registry}/{name or self.slug}"

    def bucket(self, name: str) -> str:
        """Make a bucket unless it is there; return its name."""
        self.site.client("s3").create_bucket(Bucket=name)
        return name

    def _write_dockerfile(self) -> None:
        """Write what an image is made of: the base, the handler, nothing to install."""
        text = f'FROM {self.site.engine.base}\nCOPY app.py ${{LAMBDA_TASK_ROOT}}/\nCMD ["app.handler"]\n'
        (self.image / "Dockerfile").write_text(text)
        (self.image / ".dockerignore").write_text("*\n!app.py\n")

    def create_function(self, name: str, image: str, **settings: Any) -> None:
        """Make a function by API, for what a tool changes but can't make here."""
        client = self.site.client("lambda")
        given = {"FunctionName": name, "Role": self.site.role, "Architectures": [self.site.machine], **settings}
        client.create_function(PackageType="Image", Code={"ImageUri": image}, **given)
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
