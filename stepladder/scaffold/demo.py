"""The whole story on this machine: the commands that a person would type, typed one after another.

Nothing here is special: every act is an `inv` command in a project that `inv new` made, against a local cloud that
`inv local.up` started. What the demo adds is the order, the pauses for reading, and the cleaning up.
"""

from __future__ import annotations

import contextlib
import json
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from stepladder import process
from stepladder.console import Console
from stepladder.errors import StepladderError
from stepladder.images import engine

PROJECT = "hello"
ACCOUNT = "123456789012"
REGION = "eu-west-1"
_DEADLINE = 900.0
_GREETING = ('f"hello, {name}"', 'f"good day, {name}"')


@dataclass
class Stage:
    """Where the commands are typed: a folder and an environment."""

    console: Console
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def type(self, command: str, *, quiet: bool = False) -> str:
        """Type an `inv` command and return what it printed as data; `quiet` keeps that from the screen."""
        self.console.line()
        self.console.line(self.console.paint(f"$ inv {command}", "cyan"))
        argv = [sys.executable, "-m", "invoke", *shlex.split(command)]
        done = process.run(argv, cwd=self.folder, env=self.env, timeout=_DEADLINE, attached=not quiet)
        if done.code:
            raise StepladderError(
                f"the demo stopped: `inv {command}` ended with exit code {done.code}",
                hint=(done.err.strip() or f"go on by hand in {self.folder}"),
            )
        return done.out


def tell(console: Console, root: Path) -> None:
    """Play the story below `root/.stepladder/demo`, and end every process that it started, whatever happens."""
    started = time.monotonic()
    stage = Stage(console, root)
    project = _scaffold(stage, root / ".stepladder" / "demo")
    with _cloud(Stage(console, project)) as stage:
        _release(stage)
        _change(stage)
    _farewell(console, project, time.monotonic() - started)


def _scaffold(stage: Stage, folder: Path) -> Path:
    stage.console.heading("1. A project of your own")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    answers = {
        "project_name": PROJECT,
        "aws_account": ACCOUNT,
        "aws_region": REGION,
        # With no engine the function runs on this machine's Python
        "python_version": "3.13" if engine.answers() else f"{sys.version_info.major}.{sys.version_info.minor}",
        "architecture": "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
        "trigger": "url",
        "ci": "both",
    }
    (folder / "answers.json").write_text(json.dumps(answers, indent=2))
    stage.type(f"new --no-input --answers {folder / 'answers.json'} --output {folder}")
    stage.folder = folder / PROJECT
    stage.type("test")
    return stage.folder


@contextlib.contextmanager
def _cloud(stage: Stage) -> Iterator[Stage]:
    stage.console.heading("2. A cloud of your own, on this machine")
    stage.type("local.up")
    try:
        exports = stage.type(f"local.env --account {ACCOUNT} --region {REGION}", quiet=True)
        stage.console.line("AWS_ENDPOINT_URL and dummy credentials now point at it; nothing else changes")
        stage.env = dict(
            shlex.split(line.removeprefix("export "))[0].split("=", 1)
            for line in exports.splitlines()
            if line.startswith("export ")
        )
        yield stage
    finally:
        stage.console.heading("Cleaning up")
        stage.type("local.down")


def _release(stage: Stage) -> None:
    stage.console.heading("3. From nothing to a live function on staging")
    stage.type("deploy --env staging")
    _call(stage)
    stage.type("status")


def _change(stage: Stage) -> None:
    stage.console.heading("4. A change in the handler")
    handler = stage.folder / "function" / "app" / "handler.py"
    handler.write_text(handler.read_text().replace(*_GREETING))
    stage.console.line(f"function/app/handler.py: {_GREETING[0]} is now {_GREETING[1]}")
    stage.type("deploy --env staging")
    _call(stage)
    stage.console.heading("5. Nothing has changed, so nothing is done")
    stage.type("deploy --env staging")


def _call(stage: Stage) -> None:
    event = json.loads((stage.folder / "tests/events/event.json").read_text()) | {"rawPath": "/hello/Ada"}
    path = stage.folder / ".stepladder" / "ada.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(event))
    stage.type(f"function.invoke --env staging --event {path.relative_to(stage.folder)}")


def _farewell(console: Console, project: Path, seconds: float) -> None:
    console.heading(f"Done in {seconds:.0f} s")
    console.line(f"The project is in {project}. Try it yourself:")
    for command in (
        f"cd {project}",
        "inv local.up",
        'eval "$(inv local.env)"',
        "inv deploy --env staging",
        "inv --list",
    ):
        console.line(f"  {command}")
