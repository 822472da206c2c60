"""Whole processes, watched from outside: what they print, what they start, what they leave behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import needs
import pytest

ROOT = Path(__file__).resolve().parents[2]
ALIEN = ("AWS_", "INVOKE_", "TF_VAR_", "DOCKER_HOST", "PYTEST_", "FORCE_COLOR", "PYTHONDONTWRITEBYTECODE")

LOOK_EVERY = 0.2  # seconds; what is to be found lives longer, and each look reads all of /proc


def clean_environment(**extra: str) -> dict[str, str]:
    """This environment without what would change what a command does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ALIEN)}
    return {**kept, **extra}


class Command:
    """A command in a session of its own, whose output and descendants are recorded while it runs."""

    def __init__(self, argv: tuple[str, ...], *, cwd: Path, env: Mapping[str, str]) -> None:
        self.started: dict[int, tuple[str, str]] = {}  # pid: (start time, command line)
        self._text: list[str] = []
        self.child = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def said(self) -> str:
        return "".join(self._text)

    def until(self, seen: Callable[[Command], bool], seconds: float = 600) -> None:
        """Wait until `seen` is true; fail when the command ends before."""
        deadline = time.monotonic() + seconds
        while not seen(self):
            assert self.child.poll() is None, f"it ended before the moment came:\n{self.said}"
            assert time.monotonic() < deadline, f"the moment never came:\n{self.said}"
            self.look()
            time.sleep(0.02)

    def interrupt(self, number: signal.Signals) -> float:
        """Send a signal as a terminal does, to the whole foreground group; return the seconds until the end."""
        self.look()
        sent = time.monotonic()
        os.killpg(self.child.pid, number)
        self.wait(60)
        return time.monotonic() - sent

    def wait(self, seconds: float = 600) -> int:
        deadline = time.monotonic() + seconds
        while self.child.poll() is None:
            assert time.monotonic() < deadline, f"it doesn't end:\n{self.said}"
            self.look()
            time.sleep(LOOK_EVERY)
        self._reader.join(60)
        return self.child.returncode

    def look(self) -> None:
        """Note every descendant; children of children that have lost their parent are known from earlier looks."""
        table = _processes()
        known = {self.child.pid, *(pid for pid in self.started if table.get(pid, ("", 0))[0] == self.started[pid][0])}
        grown = True
        while grown:
            new = {pid for pid, (_, parent) in table.items() if parent in known and pid not in known}
            known, grown = known | new, bool(new)
        for pid in known - {self.child.pid} - set(self.started):
            with contextlib.suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
                self.started[pid] = (table[pid][0], line)

    def runs(self, words: str) -> bool:
        """Whether a descendant with these words in its command line has been seen and lives."""
        table = _processes()
        return any(words in line and table.get(pid, ("", 0))[0] == begun for pid, (begun, line) in self.started.items())

    def left_behind(self) -> list[str]:
        """Command lines of descendants that live, and the addresses at which something still listens."""
        for _ in range(600):
            table = _processes()
            alive = [line for pid, (begun, line) in self.started.items() if pid in table and table[pid][0] == begun]
            if not alive:
                break
            time.sleep(0.05)
        ports = {int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)", self.said)}
        return alive + [f"port {port}" for port in ports if _listens(port)]

    def end(self) -> None:
        """Leave nothing, whatever the test found."""
        for pid in [self.child.pid, *self.started]:
            if pid == self.child.pid or _processes().get(pid, ("", 0))[0] == self.started[pid][0]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.child.wait(60)
        self._reader.join(60)
        if self.child.stdout:
            self.child.stdout.close()

    def _read(self) -> None:
        assert self.child.stdout
        for line in self.child.stdout:
            self._text.append(line)


def _processes() -> dict[int, tuple[str, int]]:
    """Every living process: pid, start time, parent (proc(5))."""
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] not in "ZX":
                    table[int(entry.name)] = (fields[19], int(fields[1]))
    return table


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def run() -> Iterator[Callable[..., Command]]:
    """Start a command; every one is ended after the test."""
    if not Path("/proc/self/stat").exists():
        needs.missing("no proc(5), by which to see what a command starts")
    commands: list[Command] = []

    def start(*argv: str, cwd: Path = ROOT, **env: str) -> Command:
        commands.append(Command(argv, cwd=cwd, env=clean_environment(**env)))
        return commands[-1]

    yield start
    for command in commands:
        command.end()
