"""The interface that the process launcher and the container launcher share.

The Lambda service makes one sandbox per execution environment and talks to it only through the Runtime API
(`localcloud.launchers.runtime_api`), whose address is in the sandbox's environment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class ImageCode:
    """An image by digest. `registry` is the host:port that an engine may pull it from."""

    repository: str
    digest: str
    registry: str
    entry_point: tuple[str, ...] = ()  # ImageConfig's overrides; empty means the image's own
    command: tuple[str, ...] = ()
    working_directory: str = ""


@dataclass(frozen=True)
class ZipCode:
    """A deployment package on disk. `sha256` names it in caches."""

    path: Path
    sha256: str
    runtime: str  # "python3.13"
    handler: str


@dataclass(frozen=True)
class SandboxSpec:
    """One execution environment to be started. `storage_mb` is the size of `/tmp`.

    `environment` is complete: nothing of the host's leaks.
    """

    name: str  # unique; fit for a container's name
    code: ImageCode | ZipCode
    architecture: str  # arm64 | x86_64
    memory_mb: int
    environment: Mapping[str, str]
    storage_mb: int = 512


_SIGNALS = {  # as Go writes them, in which Lambda's supervisor is written
    "SIGHUP": "hangup",
    "SIGINT": "interrupt",
    "SIGQUIT": "quit",
    "SIGILL": "illegal instruction",
    "SIGTRAP": "trace/breakpoint trap",
    "SIGABRT": "aborted",
    "SIGBUS": "bus error",
    "SIGFPE": "floating point exception",
    "SIGKILL": "killed",
    "SIGUSR1": "user defined signal 1",
    "SIGSEGV": "segmentation fault",
    "SIGUSR2": "user defined signal 2",
    "SIGPIPE": "broken pipe",
    "SIGALRM": "alarm clock",
    "SIGTERM": "terminated",
}


@dataclass(frozen=True)
class Ended:
    """How a sandbox ended: exit code, or a negative signal number as `subprocess` has it."""

    code: int

    def describe(self) -> str:
        """Say it as Lambda does in `Runtime.ExitError`."""
        import signal

        if self.code == 0:
            return "Runtime exited without providing a reason"
        if self.code < 0:
            with contextlib.suppress(ValueError):  # a number that this machine has no signal for
                name = signal.Signals(-self.code).name
                return f"Runtime exited with error: signal: {_SIGNALS.get(name, name)}"
            return f"Runtime exited with error: signal {-self.code}"
        return f"Runtime exited with error: exit status {self.code}"


class LaunchError(Exception):
    """The code can't be started. `error_type` is Lambda's (`Runtime.InvalidEntrypoint`, ...)."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class Sandbox(Protocol):
    """A running sandbox."""

    def kill(self) -> None:
        """End it and all that it started, now. Returns at once. `on_end` follows."""

    def drain(self) -> None:
        """Deliver every line that the code has written so far."""

    def memory_mb(self) -> int:
        """Return the most memory that it has held at once, in MB (0: not known)."""


class Launcher(Protocol):
    """Starts sandboxes. `name` is `process` or `container`."""

    name: str
    host: str  # the address that a Runtime API must listen on, to be reached from a sandbox

    def refusal(self, spec: SandboxSpec) -> str:
        """Say why this launcher can't run the code, or return an empty string."""

    def start(self, spec: SandboxSpec, *, on_line: Callable[[str], None], on_end: Callable[[Ended], None]) -> Sandbox:
        """Start a sandbox. Lines of both streams go to `on_line`. `on_end` is called once. Raises `LaunchError`."""

    def close(self) -> None:
        """End everything that this launcher started."""
