"""When a process of this machine began: together with the boot it names one process for good."""

from __future__ import annotations

import subprocess
from pathlib import Path


def started_at(pid: int) -> str:
    """Return when a process began, in the kernel's words. Ended processes and zombies have an empty one.

    Process ids are used again: a start time separates one process from the next.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _started_by_ps(pid)
    return "" if fields[0] == "Z" else fields[19]  # proc(5): field 22, starttime; the state is field 3


def _started_by_ps(pid: int) -> str:
    if Path("/proc/self/stat").exists():
        return ""
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False
    )
    return done.stdout.strip()


def boot_id() -> str:
    """Return the id of the kernel's boot, or an empty text when the kernel doesn't name it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
