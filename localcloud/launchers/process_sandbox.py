"""One process that runs a function's code, and the pipe that both of its streams write to."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from localcloud.launchers.interface import Ended


class ProcessSandbox:
    """A sandbox without walls. `forget` is called when it has ended, before `on_end`."""

    def __init__(
        self,
        home: Path,
        on_line: Callable[[str], None],
        on_end: Callable[[Ended], None],
        forget: Callable[[ProcessSandbox], None],
    ) -> None:
        self.home = home
        self.ended = threading.Event()
        self._on_line = on_line
        self._on_end = on_end
        self._forget = forget
        self._lock = threading.Lock()
        self._rest = b""
        self._peak = 0

    def spawn(self, argv: list[str], environment: dict[str, str], folder: Path) -> None:
        """Start the process, on the thread that its life is tied to. Raises `OSError`."""
        self._out, write = os.pipe()
        os.set_blocking(self._out, False)
        try:
            self._child = subprocess.Popen(
                argv,
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=write,
                process_group=0,
            )
        except OSError:
            os.close(self._out)
            raise
        finally:
            os.close(write)
        for target in (self._read, self._wait):
            threading.Thread(target=target, daemon=True, name=f"{target.__name__}-{self._child.pid}").start()

    def kill(self) -> None:
        """Kill the process group."""
        if not self.ended.is_set():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signal.SIGKILL)

    def drain(self) -> None:
        """Read what is in the pipe, so that an invocation's lines come before its REPORT, also one that isn't ended."""
        with self._lock:
            self._pump()
            self._finish()

    def memory_mb(self) -> int:
        """Return the peak resident set, or 0 where there is no /proc."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self._child.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self._peak = int(line.split()[1]) // 1024
        return self._peak

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        while not self.ended.is_set():
            poll.poll(500)
            with self._lock:
                if not self._pump():
                    return

    def _pump(self) -> bool:
        """Read all there is, or False at the end. The lock is held."""
        while not self.ended.is_set():
            try:
                data = os.read(self._out, 65536)
            except BlockingIOError:
                return True
            if not data:
                return False
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._on_line(line.decode(errors="replace"))
        return False

    def _finish(self) -> None:
        """Deliver a line without its end. The lock is held."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._on_line(rest.decode(errors="replace"))

    def _wait(self) -> None:
        code = self._child.wait()
        with self._lock:
            self._pump()
            self._finish()
            self.ended.set()
            os.close(self._out)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)  # what it left behind
        self._forget(self)
        self._on_end(Ended(code))
