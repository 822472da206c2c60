"""A command on a real pseudo-terminal, as a person or a CI runner gives it one."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 90.0


@dataclass(frozen=True)
class Shown:
    """What a command left on the terminal, control codes and all, and how it ended."""

    code: int
    text: str


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    width: int = 80,
    answer: tuple[str, str] = ("", ""),
    deadline: float = _SECONDS,
) -> Shown:
    """Run a command whose standard streams are one terminal; type the answer's second part once its first is shown."""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    own = ("setsid", "--ctty", "--wait")  # the terminal is its session's, as in a shell
    process = subprocess.Popen([*own, *argv], cwd=cwd, env=dict(env), stdin=child, stdout=child, stderr=child)
    os.close(child)
    question, typed = answer
    text, until = "", time.monotonic() + deadline
    try:
        while time.monotonic() < until:
            if not select.select([parent], [], [], 0.1)[0]:
                continue
            try:
                piece = os.read(parent, 65536)
            except OSError:  # Linux's end of file on a terminal
                break
            if not piece:
                break
            text += piece.decode(errors="replace")
            if typed and question in text:
                os.write(parent, typed.encode())
                typed = ""
        return Shown(process.wait(max(until - time.monotonic(), 1)), text.replace("\r\n", "\n"))
    finally:
        process.kill()
        process.wait()
        os.close(parent)
