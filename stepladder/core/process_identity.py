"""Who is at work: written into locks and ledger entries, and read back to see whether a lock's holder has died."""

from __future__ import annotations

import getpass
import os
import re
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_ID = r"(?P<second>\d{8}T\d{6}Z)-(?P<fraction>[0-9a-f]{3})[0-9a-f]{3}"
_SECOND = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Process:
    """One process, so exactly named that its death can be proven from the same machine.

    `boot_id` names the kernel's boot and the process namespace (containers share a kernel but not process ids);
    `started` is the process's start in clock ticks since that boot, because process ids are used again. Both are
    empty or 0 where the system doesn't say, and then nothing is ever proven.
    """

    owner: str
    host: str
    boot_id: str
    pid: int
    started: int


def this_process(account: str = "") -> Process:
    """Describe the running process. `account` is who started it where the system's user doesn't say, as in CI."""
    host = socket.gethostname()
    return Process(f"{account or _user()}@{host}", host, _boot_id(), os.getpid(), _started(os.getpid()))


def is_dead(process: Process) -> bool:
    """Say whether a process is *provably* gone: same host and boot, and its id is free or somebody else's."""
    own = this_process()
    if not process.boot_id or (process.host, process.boot_id) != (own.host, own.boot_id):
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    started = _started(process.pid)
    return bool(started and process.started and started != process.started) or _is_zombie(process.pid)


def is_alive(process: Process) -> bool:
    """Say whether a process *provably* lives: same host and boot, and its id is that of the process it was."""
    own = this_process()
    if not process.boot_id or (process.host, process.boot_id) != (own.host, own.boot_id):
        return False
    started = _started(process.pid)
    return bool(process.started and started == process.started) and not _is_zombie(process.pid)


def release_id(now: float, after: str = "") -> str:
    """Make a release's id, for example `20261121T230501Z-a1b2c3`: it sorts by time, and behind `after`.

    The first three hexadecimal digits are the fraction of the second, the rest is chance: a rollback may follow its
    release within the second. `after` is the id of the release that is live: ids stand in the order in which releases
    went live, also when a clock was wrong.
    """
    if match := re.fullmatch(_ID, after):
        seconds = datetime.strptime(match["second"], _SECOND).replace(tzinfo=UTC).timestamp()
        now = max(now, seconds + (int(match["fraction"], 16) + 1.5) / 4096)
    fraction = int(now % 1 * 4096)
    return f"{datetime.fromtimestamp(int(now), UTC):%Y%m%dT%H%M%SZ}-{fraction:03x}{secrets.token_hex(2)[:3]}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return str(os.getuid())


def _boot_id() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    """Return the fields of proc(5)'s stat after the command name, which may hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _started(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[19]) if len(fields) > 19 else 0  # noqa: PLR2004 - field 22 of proc(5), counted after the name


def _is_zombie(pid: int) -> bool:
    return _stat(pid)[:1] == ["Z"]
