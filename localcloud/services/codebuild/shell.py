"""One shell that runs a build's commands one by one, so that what a command sets holds for the next.

A command that ends the shell (`exit`) fails or not by its status. The next one gets a new shell, with the exported
variables and the folder that the commands before it had left.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

# The first lines end all processes of the build when the cloud has gone: the kernel then closes the pipe's other end.
_DRIVER = """\
( read -r _ < /dev/fd/{leash}; kill -9 0 ) < /dev/null > /dev/null 2>&1 &
if [ -f {state} ]; then . {state}; fi
if [ -f {folder} ]; then cd "$(cat {folder})"; fi
while IFS= read -r stepladder_command; do
. "$stepladder_command" < /dev/null
stepladder_status=$?
export -p > {state}
pwd > {folder}
printf '\\n%s %s\\n' {mark} "$stepladder_status"
done
"""
_POLL = 0.1


class CutOffError(Exception):
    """The build is over before its commands are: it was stopped, or its time was up."""


class BuildShell:
    """The shell of one build. `is_over` is read while a command runs, and ends it when it returns True."""

    def __init__(
        self,
        shell: str,
        environment: Mapping[str, str],
        folder: Path,
        source: Path,
        *,
        on_line: Callable[[str], None],
        is_over: Callable[[], bool],
    ) -> None:
        self._shell = shell
        self._environment = dict(environment)
        self._folder = folder
        self._source = source
        self._on_line = on_line
        self._is_over = is_over
        self._mark = uuid4().hex
        self._child: subprocess.Popen[bytes] | None = None
        self._leash = -1
        self._rest = b""

    def run(self, command: str) -> int:
        """Run a command and return its status. Raises `CutOffError`."""
        child = self._child or self._start()
        file = self._folder / "command"
        file.write_text(f"{command}\n")
        assert child.stdin is not None  # noqa: S101 - a pipe
        with contextlib.suppress(OSError):
            child.stdin.write(f"{file}\n".encode())
            child.stdin.flush()
        return self._follow(child)

    def values(self, names: Sequence[str]) -> dict[str, str]:
        """Return the values of variables that are set. Raises `CutOffError`."""
        file = self._folder / "values"
        lines = [
            f'if [ -n "${{{name}+x}}" ]; then printf \'%s=%s\\0\' {name} "${name}" >> {shlex.quote(str(file))}; fi'
            for name in names
        ]
        if not names or self.run("\n".join(lines)) or not file.exists():
            return {}
        texts = file.read_bytes().decode("utf-8", "replace").split("\0")
        return {name: value for name, is_set, value in (text.partition("=") for text in texts) if is_set}

    def close(self) -> None:
        """End the shell, and whatever it left behind."""
        child, self._child = self._child, None
        if child is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        os.close(self._leash)
        self._rest = b""

    def _start(self) -> subprocess.Popen[bytes]:
        leash, self._leash = os.pipe()
        quoted = {name: shlex.quote(str(self._folder / name)) for name in ("state", "folder")}
        driver = _DRIVER.format(leash=leash, mark=self._mark, **quoted)
        try:
            self._child = subprocess.Popen(
                [self._shell, "-c", driver],
                env=self._environment,
                cwd=self._source,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(leash,),
                process_group=0,
            )
        finally:
            os.close(leash)
        assert self._child.stdout is not None  # noqa: S101 - a pipe
        os.set_blocking(self._child.stdout.fileno(), False)
        return self._child

    def _follow(self, child: subprocess.Popen[bytes]) -> int:
        """Pass the output on until the command, or the shell itself, has ended."""
        assert child.stdout is not None  # noqa: S101 - a pipe
        out = child.stdout.fileno()
        while True:
            if self._is_over():
                self.close()
                raise CutOffError
            ended = child.poll() is not None
            if not ended:
                select.select([out], [], [], _POLL)
            status = self._pump(out)
            if status is not None:
                return status
            if ended:
                code = child.returncode
                self._line(self._rest)
                self.close()
                return code if code >= 0 else 128 - code
            time.sleep(0)

    def _pump(self, out: int) -> int | None:
        """Read all there is. Return the status once the driver has printed it."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(out, 65536):
                *lines, self._rest = (self._rest + data).split(b"\n")
                for index, line in enumerate(lines):
                    text, is_end, status = line.partition(f"{self._mark} ".encode())
                    if is_end:
                        self._line(text)
                        self._rest = b"\n".join([*lines[index + 1 :], self._rest])
                        return int(status)
                    self._line(line)
        return None

    def _line(self, line: bytes) -> None:
        if line:
            self._on_line(line.decode("utf-8", "replace"))
