"""The whole story on this machine: the commands that a person would type, typed one after another.

Nothing here is special: every act (`stepladder.demo.acts`) is `inv` commands in a project that `inv new` made,
against a local cloud that `inv local.up` started. What the demo adds is the order, the pauses for reading, and the
cleaning up.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localcloud import daemon
from stepladder.collections.local import FOLDER
from stepladder.core import process
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, ExitCode, InterruptedRunError, LockedError, StepladderError

MARK = ".made-by-the-demo"

_DEADLINE = 900.0
_PAUSE = 1.0  # seconds to read a heading; a terminal's reader, not a log's


class UnexpectedEndError(StepladderError):
    """A command of the story ended otherwise than the story has it."""

    kind = "demo-stopped"

    def __init__(self, message: str, *, code: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


@dataclass
class Stage:
    """Where the commands are typed: a folder and an environment. `work` is the demo's own folder."""

    console: Console
    work: Path
    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def type(self, command: str, *, hidden: bool = False, expect: ExitCode = ExitCode.OK) -> str:
        """Type an `inv` command and return what it printed as data; `hidden` keeps its output from the screen.

        Another exit code than the one that the story expects ends the demo.
        """
        self.echo(f"inv {command}")
        done = self.run(command, attached=not hidden)
        if done.code == ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        if done.code != expect:
            did = (
                "succeeded, which it should not have"
                if done.code == ExitCode.OK
                else f"ended with exit code {done.code}"
            )
            raise UnexpectedEndError(
                f"the demo stopped: `inv {command}` {did}",
                code=done.code,
                hint=done.err.strip() or f"what it made is in `{self.folder}`",
            )
        return done.out

    def run(self, command: str, *, attached: bool = False) -> process.Completed:
        """Run an `inv` command to its end; only what is `attached` prints."""
        argv = [sys.executable, "-m", "invoke", *shlex.split(command)]
        return process.run(argv, cwd=self.folder, env=self.env, timeout=_DEADLINE, attached=attached)

    def echo(self, command: str) -> None:
        """Show a command as a shell would."""
        self.console.line()
        self.console.line(self.console.paint(f"$ {command}", "cyan"))

    def say(self, text: str) -> None:
        """Print a line of the story."""
        self.console.line(text)


@dataclass(frozen=True)
class Act:
    """One part of the story."""

    title: str
    play: Callable[[Stage], None]


def play_story(console: Console, root: Path, work: Path, acts: Sequence[Act] = ()) -> None:
    """Play the story from `root` in the folder `work`, which is emptied, and end all that it started, whatever happens.

    Raises `StepladderError` when a command fails, `InterruptedRunError` on Ctrl-C and SIGTERM, `LockedError` when
    another demo is at work in the same folder.
    """
    if not acts:
        from stepladder.demo.acts import ACTS as acts  # noqa: N811 - acts import this module
    started = time.monotonic()
    stage = Stage(console, work, root)
    with _locked(work), _cleaned_up(stage):
        _clear(work)
        for number, act in enumerate(acts, 1):
            console.heading(f"{number}. {act.title}")
            time.sleep(_PAUSE if console.live else 0)
            act.play(stage)
    _farewell(stage, time.monotonic() - started)


@contextlib.contextmanager
def _locked(work: Path) -> Iterator[None]:
    """Hold a lock beside the folder; the system drops it when this process ends, however it does."""
    work.parent.mkdir(parents=True, exist_ok=True)
    with (work.parent / f"{work.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LockedError(
                f"another demo is at work in {work}", hint="wait for it, or name another folder with `--output`"
            ) from None
        yield


def _clear(work: Path) -> None:
    """Empty the folder; first end the clouds of demos that were killed outright."""
    if work.exists() and any(work.iterdir()) and not (work / MARK).exists():
        raise BadInputError(
            f"{work} isn't empty and wasn't made by a demo",
            kind="bad-arguments",
            hint="name another folder with `--output`",
        )
    for project in work.glob("*/invoke.yaml"):
        daemon.down(project.parent / FOLDER)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    (work / MARK).touch()


@contextlib.contextmanager
def _cleaned_up(stage: Stage) -> Iterator[None]:
    """End the local cloud when the block ends, in whatever way; nothing else of the demo outlives its command."""
    try:
        yield
    except (KeyboardInterrupt, InterruptedRunError):
        raise InterruptedRunError(
            "the demo was interrupted", hint="what it started has ended; run the same command again"
        ) from None
    finally:
        with _undisturbed():
            stage.console.heading("Cleaning up")
            _end_cloud(stage)


def _end_cloud(stage: Stage) -> None:
    """End it by the library, not by `inv`: a project that was made by half has no `tasks.py` to run."""
    with stage.console.step("local cloud") as step:
        info = daemon.down(stage.folder / FOLDER)
        step.done(f"ended, process {info.pid}") if info else step.skip("none is running")


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no second Ctrl-C stop the cleaning up, which takes a second."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _farewell(stage: Stage, seconds: float) -> None:
    region, account = (stage.env.get(name, "") for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID"))
    tools = Path(sys.executable).parent
    stage.console.heading(f"Done in {seconds:.0f} s")
    stage.say(f"The project is in {stage.folder}, its tasks in {tools}. Try it yourself:")
    stage.say("")
    for command in (
        f"cd {shlex.quote(str(stage.folder))}",
        f'export PATH={shlex.quote(str(tools))}{os.pathsep}"$PATH"',
        "inv local.up --port 0",
        f'eval "$(inv local.env --account {account} --region {region})"',
        "inv deploy --env staging",
        "inv --list",
    ):
        stage.say(f"  {command}")
